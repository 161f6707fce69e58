//! What the tests stand on: a database and a server for each test, callers, and the program itself as a process.
//!
//! SQLite is a file in a temporary directory. Postgres is the server at `TEST_POSTGRES_URL` or else a temporary cluster
//! shared by the whole run; each test gets a database of its own there, and nothing is left afterwards however the run
//! ends. Where there is no Postgres its tests say so and pass, or with `REQUIRE_POSTGRES=1` fail.
//! With `TEST_DATABASE=pgbouncer` the servers under test reach it through PgBouncer in transaction mode.

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

/// What a test's body is given, made anew for each run of it.
pub(crate) trait Fixture: Sized {
    /// Whether the database has its tables when the body begins.
    const IS_MIGRATED: bool;

    /// Makes it upon an own database. `settings` are the program's own flags, such as `--graphql-max-tokens=50`.
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
/// A body that asks for a `TestDatabase` gets an empty one, without tables or server. Attributes stay with the body.
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

/// Runs a test's body on a SQLite file of its own.
pub(crate) async fn on_sqlite<F: Fixture>(settings: &[&str], body: impl AsyncFnOnce(F)) {
    run(TemporaryDatabase::sqlite(), settings, body).await;
}

/// Runs a test's body on a Postgres database of its own; without Postgres only says that it was skipped.
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

/// Runs a test's body on a Postgres database of its own, which the server reaches through PgBouncer in transaction mode,
/// with `DATABASE_DIRECT_URL` or without.
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

/// Runs a test's body on an empty Postgres database of its own, with the URL that leads there through PgBouncer in
/// transaction mode.
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

/// As [`on_own_cluster`], with PgBouncer between the server and the cluster.
pub(crate) async fn on_own_pooled_cluster(settings: &[&str], body: impl AsyncFnOnce(TestApp)) {
    if let Some(server) = Server::own_cluster(&[]) {
        let database = server.create_database(TestApp::IS_MIGRATED).await;
        run_through_pgbouncer(database, true, settings, body).await;
    }
}

/// `TEST_DATABASE=pgbouncer` sends every server of a test on Postgres through PgBouncer.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
fn goes_through_pgbouncer() -> bool {
    std::env::var_os("TEST_DATABASE").is_some_and(|value| value == "pgbouncer")
}

/// The test itself still looks into the database directly.
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
    let mut own = vec![
        format!("--database-url={url}"),
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

/// Runs a test's body on a Postgres cluster made for it alone, with more arguments for `initdb`; the last one wins.
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

/// The database goes whether the body returns or panics.
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

/// Says that a test is skipped for want of something; fails it where the variable is `1`.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
pub(crate) fn requires(variable: &str, hint: &str) {
    let is_required = std::env::var_os(variable).is_some_and(|value| value == "1");
    assert!(!is_required, "{hint} ({variable}=1)");
    say_skipped(hint);
}

/// Not by `eprintln!`, which the test runner keeps back for a test that passes.
fn say_skipped(hint: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {hint}");
}

/// Asks until there is an answer, for half a minute at most. The only place where a test waits by the clock.
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
