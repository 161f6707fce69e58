//! The Postgres server of a run: a temporary cluster, or the one at `TEST_POSTGRES_URL`, where the run only touches
//! databases and roles with its own prefix.
//!
//! A second process, the keeper, holds the other end of a pipe. When the test process ends, even by SIGKILL, the pipe
//! closes, and the keeper cleans up. It is in its own process group, so Ctrl-C does not reach it.

#![expect(clippy::disallowed_methods, reason = "the tests' own variables")]

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

use super::binary::Program;
use super::database::TemporaryDatabase;
use super::pgbouncer::PgBouncer;
use super::tls::Identity;

/// Tells the keeper of a given server which run's databases to remove.
const RUN_VARIABLE: &str = "IMAGE_GALLERY_TEST_RUN";
/// The exit code of `cluster.sh` if Postgres is not installed.
const NOT_INSTALLED: i32 = 3;

/// A Postgres server on which tests can create databases.
pub(super) struct Server {
    url: Url,
    /// Prefix of every database and role of this run, so that runs on one server do not collide.
    run: String,
    created: AtomicU32,
    template: OnceCell<String>,
    pgbouncer: OnceLock<Option<PgBouncer>>,
    /// Holds one end of the pipe.
    _keeper: Keeper,
}

impl Server {
    /// The server shared by the whole run; `None` without one, after a message.
    pub(super) fn shared() -> Option<Arc<Self>> {
        static SHARED: OnceLock<Result<Option<Arc<Server>>, String>> = OnceLock::new();
        let server = SHARED.get_or_init(|| {
            let server = match env::var_os("TEST_POSTGRES_URL") {
                Some(url) => Self::given(&url.to_string_lossy()).map(Some),
                None => Self::cluster(&[], None),
            };
            server.map(|server| server.map(Arc::new))
        });
        found_or_skipped(server.clone())
    }

    /// A temporary cluster for one test, removed on drop.
    pub(super) fn own_cluster(initdb_arguments: &[&str]) -> Option<Arc<Self>> {
        let server = Self::cluster(initdb_arguments, None);
        found_or_skipped(server.map(|server| server.map(Arc::new)))
    }

    /// A temporary cluster that offers TLS and requires it of every role but the harness's own.
    pub(super) fn with_tls(identity: &Identity) -> Option<Arc<Self>> {
        let server = Self::cluster(&[], Some(identity));
        found_or_skipped(server.map(|server| server.map(Arc::new)))
    }

    fn cluster(
        initdb_arguments: &[&str],
        identity: Option<&Identity>,
    ) -> Result<Option<Self>, String> {
        let mut command = Command::new("sh");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/cluster.sh");
        command.arg(script).args(initdb_arguments);
        if let Some(identity) = identity {
            command
                .env("TLS_CERTIFICATE", &identity.certificate)
                .env("TLS_KEY", &identity.key);
        }
        let mut keeper = Keeper::start(command.stdout(Stdio::piped()))?;
        let mut said = String::new();
        for line in keeper.lines() {
            if let Some(url) = line.strip_prefix("ready ") {
                return Self::new(url, run_name(), keeper).map(Some);
            }
            said = said + &line + "\n";
        }
        match keeper.exit_code() {
            Some(NOT_INSTALLED) => Ok(None),
            code => Err(format!("no temporary Postgres cluster ({code:?}):\n{said}")),
        }
    }

    fn given(url: &str) -> Result<Self, String> {
        let run = run_name();
        let own_program = env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own_program);
        command
            .args(["--exact", "--ignored"])
            .arg("harness::postgres::databases_of_a_finished_run_are_removed")
            .env(RUN_VARIABLE, &run);
        let keeper = Keeper::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        Self::new(url, run, keeper)
    }

    fn new(url: &str, run: String, keeper: Keeper) -> Result<Self, String> {
        Ok(Self {
            url: Url::parse(url).map_err(|error| format!("TEST_POSTGRES_URL: {error}"))?,
            run,
            created: AtomicU32::new(0),
            template: OnceCell::new(),
            pgbouncer: OnceLock::new(),
            _keeper: keeper,
        })
    }

    /// The URL of one of this server's databases.
    pub(super) fn url(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// The URL of one of this server's databases through PgBouncer; none if that is not installed.
    pub(super) fn pooled_url(&self, database: &str) -> Option<String> {
        let pgbouncer = self.pgbouncer.get_or_init(|| PgBouncer::before(&self.url));
        let pgbouncer = pgbouncer.as_ref()?;
        Some(pgbouncer.url(&self.url(database)))
    }

    /// A new database, empty or with tables.
    pub(super) async fn create_database(self: &Arc<Self>, is_migrated: bool) -> TemporaryDatabase {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", self.run);
        let template = if is_migrated {
            self.template.get_or_init(|| self.migrated_template()).await
        } else {
            "template0"
        };
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await;
        TemporaryDatabase::postgres(Arc::clone(self), name)
    }

    /// Drops a database, and a role with the same name if a test has created one.
    pub(super) async fn drop_database(&self, name: &str) {
        self.execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
            .await;
        self.execute(&format!("DROP ROLE IF EXISTS {name}")).await;
    }

    /// The program itself migrates the template database: its connections end with it, and cloning requires a database
    /// without connections.
    async fn migrated_template(&self) -> String {
        let name = format!("{}_template", self.run);
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await;
        let migration = Program::new().with("DATABASE_URL", &self.url(&name));
        migration.run(&["migrate", "up"]).await.expect_success();
        name
    }

    async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(self.url.as_str())
            .await
            .expect("the Postgres server answers");
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn run_name() -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("image_gallery_test_{}", &random[..12])
}

/// Panics if a cluster did not start, or if Postgres is required but missing.
fn found_or_skipped(server: Result<Option<Arc<Server>>, String>) -> Option<Arc<Server>> {
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    if server.is_none() {
        let hint = "no PostgreSQL found; set TEST_POSTGRES_URL or install postgresql";
        assert!(!is_required(), "{hint} (REQUIRE_POSTGRES=1)");
        super::print_skipped(hint);
    }
    server
}

/// With a given server, a test that needs its own cluster may be skipped.
fn is_required() -> bool {
    let is_asked_for = env::var_os("REQUIRE_POSTGRES").is_some_and(|value| value == "1");
    is_asked_for && env::var_os("TEST_POSTGRES_URL").is_none()
}

/// A process that cleans up when its standard input ends.
pub(super) struct Keeper(Child);

impl Keeper {
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let command = command.stdin(Stdio::piped()).process_group(0);
        let child = command.spawn().map_err(|error| error.to_string())?;
        Ok(Self(child))
    }

    pub(super) fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        let stdout = self.0.stdout.take().expect("its output is piped");
        BufReader::new(stdout).lines().map_while(Result::ok)
    }

    pub(super) fn exit_code(&mut self) -> Option<i32> {
        self.0.wait().ok()?.code()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Waiting closes the pipe first.
        let _ = self.0.wait();
    }
}

/// Not a test: the keeper of a server at `TEST_POSTGRES_URL`, started by the harness.
#[tokio::test]
#[ignore = "the harness starts it to clear up at TEST_POSTGRES_URL"]
async fn databases_of_a_finished_run_are_removed() {
    let variable = |name| env::var_os(name)?.into_string().ok();
    let (Some(run), Some(url)) = (variable(RUN_VARIABLE), variable("TEST_POSTGRES_URL")) else {
        return;
    };
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let mut connection = PgConnection::connect(&url)
        .await
        .expect("the Postgres server answers");
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE starts_with(datname, $1)
         UNION ALL SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE starts_with(rolname, $1)",
    )
    .bind(&run)
    .fetch_all(&mut connection)
    .await
    .expect("the databases can be listed");
    for statement in statements {
        // Continue if one cannot be dropped.
        let _ = connection
            .execute(sqlx::raw_sql(AssertSqlSafe(statement)))
            .await;
    }
}

/// Tests the harness: a cluster has the requested settings, and is removed completely.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_has_the_requested_settings_and_is_removed() {
    let Some(server) = Server::own_cluster(&["--locale=C.UTF-8"]) else {
        return;
    };
    let database = server.create_database(false).await.database;
    let locale = database.db_query_text("SHOW lc_ctype").await;
    assert_eq!(locale.as_deref(), Some("C.UTF-8"));
    let directory = database.db_query_text("SHOW data_directory").await;
    let directory = directory.expect("a directory");
    drop(server);
    assert!(!Path::new(&directory).exists());
}
