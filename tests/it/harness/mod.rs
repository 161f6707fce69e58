//! The test harness: a database and a server for each test, callers, and the program as a process.
//!
//! SQLite is a file in a temporary directory. Postgres is the server at `TEST_POSTGRES_URL` or else a temporary cluster
//! shared by the whole run; each test gets its own database there, which is removed however the run ends. Without
//! Postgres its tests are skipped with a message, or fail with `REQUIRE_POSTGRES=1`. With `TEST_DATABASE=pgbouncer` the
//! servers under test connect through PgBouncer in transaction mode.

mod app;
mod binary;
mod caller;
pub(crate) mod collector;
mod database;
mod django;
mod key_server;
mod nginx;
mod outage;
mod pgbouncer;
mod postgres;
pub(crate) mod rows;
mod socket;
mod standby;
mod tls;
pub(crate) mod token;
mod ways;
mod wire;

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use url::Url;

pub(crate) use app::{Reply, TestApp};
pub(crate) use binary::{Output, Program, ServerProcess};
pub(crate) use caller::{User, image_url};
pub(crate) use database::TestDatabase;
pub(crate) use django::Django;
pub(crate) use key_server::{KeyServer, SignedApp};
pub(crate) use nginx::Nginx;
pub(crate) use outage::Outage;
pub(crate) use pgbouncer::PgBouncer;
pub(crate) use socket::{Refused, Socket};
pub(crate) use standby::Standby;
pub(crate) use tls::{TlsDatabase, on_tls};
pub(crate) use ways::Way;
pub(crate) use wire::Wire;

use database::TemporaryDatabase;
use postgres::Server;

/// The argument of a test's body, created for each run.
pub(crate) trait Fixture: Sized {
    /// Whether the database has its tables at the start.
    const IS_MIGRATED: bool;

    /// Creates it with its own database. `settings` are the program's flags, such as `--graphql-max-tokens=50`.
    async fn set_up(database: TestDatabase, settings: &[&str]) -> Self;
}

/// Runs a test on SQLite and on Postgres, as `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// #[apply(each_database!)]
/// async fn restoring_an_active_image_changes_nothing(app: TestApp) { … }
///
/// #[apply(each_database!)]
/// #[settings("--graphql-max-tokens=50")]
/// async fn a_long_query_is_refused(app: TestApp) { … }
/// ```
///
/// A body with a `TestDatabase` gets an empty one, without tables or server. Attributes apply to the body.
macro_rules! each_database {
    (
        $(#[doc = $doc:expr])*
        #[settings($($setting:expr),* $(,)?)]
        $($test:tt)*
    ) => {
        $crate::harness::each_database! { @each [$($setting),*] $(#[doc = $doc])* $($test)* }
    };
    (@each $settings:tt
        $(#[$attribute:meta])*
        async fn $name:ident($argument:ident: $fixture:ty $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        async fn $name($argument: $fixture) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::harness::on_sqlite(&$settings, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::harness::on_postgres(&$settings, super::$name).await;
            }
        }
    };
    (
        $(#[$attribute:meta])*
        async fn $($test:tt)*
    ) => {
        $crate::harness::each_database! { @each [] $(#[$attribute])* async fn $($test)* }
    };
}

pub(crate) use each_database;

/// Runs a test's body with its own SQLite file.
pub(crate) async fn on_sqlite<F: Fixture>(settings: &[&str], body: impl AsyncFnOnce(F)) {
    run(TemporaryDatabase::sqlite(), settings, body).await;
}

/// Runs a test's body with its own Postgres database; skipped with a message without Postgres.
pub(crate) async fn on_postgres<F: Fixture>(settings: &[&str], body: impl AsyncFnOnce(F)) {
    if let Some(server) = Server::shared() {
        let database = server.create_database(F::IS_MIGRATED).await;
        if F::IS_MIGRATED && goes_through_pgbouncer() {
            run_through_pgbouncer(database, true, settings, body).await;
        } else {
            run(database, settings, body).await;
        }
    }
}

/// Runs a test's body with its own Postgres database, which the server reaches through PgBouncer in transaction mode,
/// with or without `DATABASE_DIRECT_URL`.
pub(crate) async fn on_pgbouncer(
    has_direct_url: bool,
    settings: &[&str],
    body: impl AsyncFnOnce(TestApp),
) {
    if let Some(server) = Server::shared() {
        let database = server.create_database(TestApp::IS_MIGRATED).await;
        run_through_pgbouncer(database, has_direct_url, settings, body).await;
    }
}

/// Runs a test's body with its own empty Postgres database, and its URL through PgBouncer in transaction mode.
pub(crate) async fn on_pgbouncer_url(body: impl AsyncFnOnce(TestDatabase, String)) {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.create_database(TestDatabase::IS_MIGRATED).await;
    let Some(url) = database.pooled_url() else {
        return database.remove().await;
    };
    run(database, &[], async |database: TestDatabase| {
        body(database, url).await;
    })
    .await;
}

/// Like [`on_own_cluster`], with PgBouncer between the server and the cluster.
pub(crate) async fn on_own_pooled_cluster(settings: &[&str], body: impl AsyncFnOnce(TestApp)) {
    if let Some(server) = Server::own_cluster(&[]) {
        let database = server.create_database(TestApp::IS_MIGRATED).await;
        run_through_pgbouncer(database, true, settings, body).await;
    }
}

/// `TEST_DATABASE=pgbouncer` makes every server of a test on Postgres connect through PgBouncer.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
fn goes_through_pgbouncer() -> bool {
    std::env::var_os("TEST_DATABASE").is_some_and(|value| value == "pgbouncer")
}

/// The test itself still accesses the database directly.
async fn run_through_pgbouncer<F: Fixture>(
    database: TemporaryDatabase,
    has_direct_url: bool,
    settings: &[&str],
    body: impl AsyncFnOnce(F),
) {
    let Some(url) = database.pooled_url() else {
        database.remove().await;
        return;
    };
    // Many servers share PgBouncer's three sessions, so a connection may have to wait.
    let mut patient = Url::parse(&url).expect("a URL");
    (patient.query_pairs_mut()).append_pair("connect_timeout", "30");
    let mut own = vec![
        format!("--database-url={patient}"),
        "--database-pooler=transaction".to_owned(),
    ];
    if has_direct_url {
        own.push(format!("--database-direct-url={}", database.database.url()));
    }
    // The last of several flags wins.
    let settings: Vec<&str> = settings
        .iter()
        .copied()
        .chain(own.iter().map(String::as_str))
        .collect();
    run(database, &settings, body).await;
}

/// Runs a test's body with its own Postgres cluster, with additional arguments for `initdb`; the last one wins.
pub(crate) async fn on_own_cluster<F: Fixture>(
    initdb_arguments: &[&str],
    settings: &[&str],
    body: impl AsyncFnOnce(F),
) {
    if let Some(server) = Server::own_cluster(initdb_arguments) {
        let database = server.create_database(F::IS_MIGRATED).await;
        run(database, settings, body).await;
    }
}

/// The database is removed even if the body panics.
async fn run<F: Fixture>(
    temporary: TemporaryDatabase,
    settings: &[&str],
    body: impl AsyncFnOnce(F),
) {
    let database = temporary.database.clone();
    let test = async { body(F::set_up(database, settings).await).await };
    let outcome = AssertUnwindSafe(test).catch_unwind().await;
    temporary.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Reports that a test is skipped because something is missing; fails it if the variable is `1`.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
pub(crate) fn requires(variable: &str, hint: &str) {
    let is_required = std::env::var_os(variable).is_some_and(|value| value == "1");
    assert!(!is_required, "{hint} ({variable}=1)");
    print_skipped(hint);
}

/// Not with `eprintln!`, which the test runner suppresses for passing tests.
fn print_skipped(hint: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {hint}");
}

/// Polls until there is a result, for at most half a minute. The only place where tests wait by the clock.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
