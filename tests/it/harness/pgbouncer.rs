//! PgBouncer in transaction mode, in front of the run's Postgres server.

use std::process::{Command, Stdio};

use url::Url;

use super::postgres::Keeper;
use super::requires;

/// The exit code of `pgbouncer.sh` if PgBouncer is not installed.
const NOT_INSTALLED: i32 = 3;

/// A running PgBouncer, killed on drop.
pub(crate) struct PgBouncer {
    port: u16,
    /// Holds one end of the pipe.
    _keeper: Keeper,
}

impl PgBouncer {
    /// In front of the server at this URL; none without PgBouncer, after a message.
    pub(super) fn before(server: &Url) -> Option<Self> {
        let port = server.port().unwrap_or(5432).to_string();
        let mut command = script(server.username(), server.password().unwrap_or_default());
        Self::start(command.arg(port))
    }

    /// With another configuration and one user. `@PORT@` and `@USERS@` in it are replaced by its port and the file of
    /// users.
    pub(crate) fn with_configuration(
        configuration: &str,
        user: &str,
        password: &str,
    ) -> Option<Self> {
        Self::start(script(user, password).env("CONFIGURATION", configuration))
    }

    fn start(command: &mut Command) -> Option<Self> {
        let mut keeper = Keeper::start(command.stdout(Stdio::piped())).expect("a shell");
        let mut said = String::new();
        for line in keeper.lines() {
            if let Some(port) = line.strip_prefix("ready ") {
                let port = port.parse().expect("a port");
                return Some(Self {
                    port,
                    _keeper: keeper,
                });
            }
            said = said + &line + "\n";
        }
        assert_eq!(keeper.exit_code(), Some(NOT_INSTALLED), "{said}");
        requires("REQUIRE_PGBOUNCER", "pgbouncer is not installed");
        None
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL through it to a database of the server.
    pub(super) fn url(&self, direct: &str) -> String {
        let mut url = Url::parse(direct).expect("a URL");
        url.set_port(Some(self.port)).expect("a host");
        url.into()
    }
}

fn script(user: &str, password: &str) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/pgbouncer.sh");
    let mut command = Command::new("sh");
    command
        .arg(script)
        .env("PGUSER", user)
        .env("PGPASSWORD", password);
    command
}
