//! How units of work get their connections and begin, on each kind of database.
//!
//! Postgres, `DATABASE_POOLER=session`: the session is configured on connect, reads are single statements, and
//! statements stay prepared.
//!
//! Postgres, `DATABASE_POOLER=transaction`: the pooler assigns the session to another client after each transaction. So
//! every unit is a transaction with its own settings, and statements are unnamed: a name that another client uses would
//! silently run that client's statement.
//!
//! SQLite: one writer that begins IMMEDIATE, and a pool of readers.

use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use tokio::time::{Instant, timeout};

use super::options::{Options, Pooler};
pub(super) use super::pool::ACQUIRE_TIMEOUT;
use super::pool::PgPool;
use super::signature::Signature;
use super::unit::{Connection, UnitOfWork, Use};
use super::{Dialect, Error, connect_diagnosis, error};

/// How long a change waits for SQLite's one writer.
const WRITER_TIMEOUT: Duration = Duration::from_millis(2500);
/// How long SQLite waits for another process that writes to the file. Together with the wait for the writer, less than
/// the five seconds within which an outage is reported.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of a statement of [`Purpose::Maintain`], so that a connection is not lost forever.
const MAINTENANCE_TIME: Duration = Duration::from_mins(10);
/// Maximum idle time in a transaction, caused by this process.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// The purpose of a unit of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request that only reads.
    Read,
    /// A request that changes data.
    Write,
    /// A change in one autocommitted statement, which signs it. See [`Source::commits_at_once`].
    Statement(Signature),
    /// Background work with a long statement timeout.
    Maintain,
    /// One autocommitted statement without values: its locks are held only as long as the server needs, whatever
    /// happens to this process. See [`Source::autocommit`].
    Alone,
}

impl Purpose {
    fn time(&self, of_a_request: Duration) -> Duration {
        match self {
            Self::Read | Self::Write | Self::Statement(_) | Self::Alone => of_a_request,
            Self::Maintain => MAINTENANCE_TIME,
        }
    }
}

/// The connection pools. Clones share them.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Postgres {
        pool: PgPool,
        pooler: Pooler,
        statement_time: Duration,
    },
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
        statement_time: Duration,
    },
}

impl Source {
    /// A pool that connects on demand.
    pub(super) fn postgres(target: &PgConnectOptions, options: &Options) -> Self {
        let target = with_statement_log(target.clone(), options.slow_query);
        let setup =
            (options.pooler == Pooler::Session).then(|| session_settings(options.statement_time));
        Self::Postgres {
            // Waiting for a connection includes connecting.
            pool: PgPool::new(
                target,
                setup,
                options.max_connections.get(),
                ACQUIRE_TIMEOUT.max(options.connect_timeout),
            ),
            pooler: options.pooler,
            statement_time: options.statement_time,
        }
    }

    pub(super) async fn sqlite(
        target: &SqliteConnectOptions,
        options: &Options,
    ) -> Result<Self, Error> {
        let target = with_statement_log(target.clone(), options.slow_query)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .collation(Dialect::LETTER_CASE, Dialect::compare_labels);
        // The writer first: it creates the file that the readers open.
        let writer = open_writer(&target).await?;
        let readers = PoolOptions::new()
            .max_connections(options.max_connections.get())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(target.create_if_missing(false));
        Ok(Self::Sqlite {
            readers,
            writer,
            statement_time: options.statement_time,
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres { .. } => Dialect::Postgres,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    /// A unit of work on its own connection.
    pub(super) async fn begin(&self, purpose: &Purpose) -> Result<UnitOfWork, Error> {
        match self {
            Self::Postgres {
                pool,
                pooler,
                statement_time,
            } => {
                let connection = Connection::Postgres(pool.acquire().await?);
                let usage = Use {
                    keeps_statements: *pooler == Pooler::Session,
                    statement_time: purpose.time(*statement_time),
                };
                let unit = UnitOfWork::new(connection, usage);
                if let Purpose::Statement(signature) = purpose {
                    unit.sign_each_statement(signature.clone());
                }
                if let Some(sql) = begin_postgres(*pooler, purpose, *statement_time) {
                    Box::pin(unit.begin(&sql)).await?;
                }
                Ok(unit)
            }
            Self::Sqlite {
                readers,
                writer,
                statement_time,
            } => {
                let pool = match purpose {
                    Purpose::Read => readers,
                    Purpose::Write | Purpose::Statement(_) | Purpose::Maintain | Purpose::Alone => {
                        writer
                    }
                };
                let usage = Use {
                    keeps_statements: true,
                    statement_time: purpose.time(*statement_time),
                };
                let connection = Connection::Sqlite(Box::pin(pool.acquire()).await?);
                let mut unit = UnitOfWork::new(connection, usage);
                Box::pin(unit.limit_sqlite()).await?;
                if matches!(purpose, Purpose::Write | Purpose::Maintain) {
                    Box::pin(unit.begin("BEGIN IMMEDIATE")).await?;
                }
                Ok(unit)
            }
        }
    }

    /// Whether a changing statement can sign its changes and commit without further statements. Behind a transaction
    /// pooler it needs statements for its timeouts, and on SQLite the signature is a row.
    pub(super) fn commits_at_once(&self) -> bool {
        matches!(
            self,
            Self::Postgres {
                pooler: Pooler::Session,
                ..
            }
        )
    }

    /// A statement for [`Purpose::Alone`]. Behind a transaction pooler the session's settings are in the same message,
    /// which makes it one transaction.
    pub(super) fn autocommit(&self, sql: &str) -> String {
        match self {
            Self::Postgres {
                pooler: Pooler::Transaction,
                statement_time,
                ..
            } => format!(
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {}; {sql}",
                limits(*statement_time, "SET LOCAL")
            ),
            _ => sql.to_owned(),
        }
    }

    /// Closes all connections, after those in use have been returned.
    pub(super) async fn close(&self) {
        match self {
            Self::Postgres { pool, .. } => pool.close().await,
            Self::Sqlite {
                readers, writer, ..
            } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

/// The SQL that begins a unit on Postgres, in one message; None for autocommit.
fn begin_postgres(pooler: Pooler, purpose: &Purpose, statement_time: Duration) -> Option<String> {
    let limits = |time| limits(time, "SET LOCAL");
    match (pooler, purpose) {
        (_, Purpose::Alone) | (Pooler::Session, Purpose::Read | Purpose::Statement(_)) => None,
        (Pooler::Session, Purpose::Write) => {
            Some("BEGIN ISOLATION LEVEL READ COMMITTED".to_owned())
        }
        (Pooler::Transaction, Purpose::Read) => Some(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {}",
            limits(statement_time)
        )),
        (Pooler::Transaction, Purpose::Write | Purpose::Statement(_)) => Some(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; {}",
            limits(statement_time)
        )),
        (_, Purpose::Maintain) => Some(format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; {}",
            limits(MAINTENANCE_TIME)
        )),
    }
}

/// SQL that configures a new session. Not in the startup message, which poolers accept only partly.
fn session_settings(statement_time: Duration) -> String {
    format!(
        "SET default_transaction_isolation = 'read committed'; {}",
        limits(statement_time, "SET")
    )
}

/// Timeouts for a statement, and for a transaction whose process is idle.
fn limits(statement_time: Duration, set: &str) -> String {
    let statement = statement_time.as_millis();
    let idle = statement_time.min(IDLE_TIME).as_millis();
    format!(
        "{set} statement_timeout = {statement}; {set} idle_in_transaction_session_timeout = {idle}"
    )
}

/// Connects once: a pool would retry until its timeout and not report the cause.
pub(super) async fn probe(
    target: &PgConnectOptions,
    connect_timeout: Duration,
) -> Result<(), Error> {
    Ok(connect(target, connect_timeout).await?.close().await?)
}

/// Opens one connection, or returns the cause and a fix.
pub(super) async fn connect(
    target: &PgConnectOptions,
    connect_timeout: Duration,
) -> Result<PgConnection, Error> {
    // Two libraries each bring one, and sqlx needs a choice for `verify-ca`. It may already be installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match timeout(connect_timeout, target.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(connect_diagnosis::diagnose(error, target).await),
        Err(_) => Err(connect_diagnosis::diagnose_timeout(target).await),
    }
}

/// Opens the file for writing. Retries if another process opens it for the first time: SQLite does not wait when it
/// switches to write-ahead logging.
async fn open_writer(target: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let opened = PoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITER_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(target.clone())
            .await;
        match opened {
            Err(error) if error::is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

/// Logs only slow statements.
pub(super) fn with_statement_log<O: ConnectOptions>(options: O, slow_query: Duration) -> O {
    options
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, slow_query)
}
