//! A streaming standby of a cluster of [`super::on_own_cluster`].

use std::process::{Command, Stdio};

use url::Url;

use super::TestDatabase;
use super::outage::Outage;
use super::postgres::Keeper;

/// A running standby, stopped on drop.
pub(crate) struct Standby {
    /// The copy of the primary's database.
    pub(crate) database: TestDatabase,
    /// Holds one end of the pipe.
    _keeper: Keeper,
}

impl Standby {
    /// A standby of a database's cluster.
    pub(crate) async fn of(primary: &TestDatabase) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/standby.sh");
        let mut url = Url::parse(&primary.url()).expect("a URL");
        let mut command = Command::new("sh");
        command
            .arg(script)
            .arg(url.port().expect("a port").to_string())
            .arg(Outage::of(primary).await.binaries())
            .env("PGPASSWORD", url.password().expect("a password"))
            .stdout(Stdio::piped());
        let mut keeper = Keeper::start(&mut command).expect("a shell");
        let mut said = String::new();
        for line in keeper.lines() {
            if let Some(port) = line.strip_prefix("ready ") {
                url.set_port(port.parse().ok()).expect("a host");
                return Self {
                    database: TestDatabase::Postgres(url.into()),
                    _keeper: keeper,
                };
            }
            said = said + &line + "\n";
        }
        panic!("no standby: {said}");
    }

    /// Pauses replay.
    pub(crate) async fn pause(&self) {
        self.database
            .db_query_text("SELECT pg_wal_replay_pause()::text")
            .await;
        let state = "SELECT 1::text WHERE pg_get_wal_replay_pause_state() = 'paused'";
        super::eventually("the standby pauses", async || {
            self.database.db_query_text(state).await
        })
        .await;
    }

    /// Resumes replay.
    pub(crate) async fn resume(&self) {
        self.database
            .db_query_text("SELECT pg_wal_replay_resume()::text")
            .await;
    }
}
