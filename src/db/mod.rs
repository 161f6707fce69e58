//! The database: how it is reached, and the only two ways to SQL, [`Database::read`] and [`Database::write`].
//!
//! Each of the two runs a unit of work as a task of its own: a caller who hangs up, or whose time is up, stops waiting
//! for it but tears nothing. On SQLite one writer begins IMMEDIATE and a pool of readers looks on.

#![expect(clippy::disallowed_types, reason = "connections are held here")]

mod changes;
mod containment;
mod dialect;
mod error;
mod migrations;
pub mod options;
pub mod page;
pub mod search;
mod trail;
mod unit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{
    DatabaseConnection, SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector,
    TransactionOptions, TransactionTrait,
};
use sqlx::ConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::time::Instant;

use changes::{Changes, Signal};

pub use changes::Listener;
pub use dialect::Dialect;
pub use error::Error;
use options::{Options, Target};
pub use trail::Bounds;
pub use unit::Unit;

/// How long a request waits for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a change waits for its turn at SQLite's one writer.
const WRITER_TIMEOUT: Duration = Duration::from_millis(2500);
/// How long SQLite waits for another process that writes to the same file. Together with the wait for a turn it is less
/// than the five seconds within which an outage is told.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle on the one database of the gallery. Nothing else holds a connection.
#[derive(Debug)]
pub struct Database {
    dialect: Dialect,
    readers: DatabaseConnection,
    writer: DatabaseConnection,
    /// Whether none of this program's migrations was pending when the database was last asked.
    is_migrated: AtomicBool,
    /// Held while this process gives events their positions.
    sequencing: tokio::sync::Mutex<()>,
    changes: Changes,
}

impl Database {
    /// Connects, once, to learn at the start what is wrong. Later the pool connects anew by itself.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let database = match &options.target {
            Target::Postgres(target) => Self::connect_postgres(target, options).await?,
            Target::Sqlite(target) => Self::connect_sqlite(target, options).await?,
        };
        Ok(database)
    }

    async fn connect_postgres(target: &PgConnectOptions, options: &Options) -> Result<Self, Error> {
        let target = with_statement_log(target.clone(), options.slow_query);
        // A pool would try until its time is up and then tell nothing of the reason; one connection does.
        let probe = tokio::time::timeout(ACQUIRE_TIMEOUT, target.connect()).await;
        let probe = probe.map_err(|_| Error::Unavailable("it does not answer".to_owned()))??;
        sqlx::Connection::close(probe).await?;
        let pool = PoolOptions::new()
            .max_connections(options.max_connections.get())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(target.clone());
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        let changes = Changes::between_processes(target, pool.clone());
        Ok(Self::new(Dialect::Postgres, pool.clone(), pool, changes))
    }

    async fn connect_sqlite(
        target: &SqliteConnectOptions,
        options: &Options,
    ) -> Result<Self, Error> {
        let target = with_statement_log(target.clone(), options.slow_query)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .collation(Dialect::LETTER_CASE, Dialect::compare_labels);
        // The writer comes first: it creates the file that the readers open.
        let writer = open_writer(&target).await?;
        let readers = PoolOptions::new()
            .max_connections(options.max_connections.get())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(target.create_if_missing(false));
        Ok(Self::new(
            Dialect::Sqlite,
            SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
            SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
            Changes::within_process(),
        ))
    }

    fn new(
        dialect: Dialect,
        readers: DatabaseConnection,
        writer: DatabaseConnection,
        changes: Changes,
    ) -> Self {
        Self {
            dialect,
            readers,
            writer,
            is_migrated: AtomicBool::new(false),
            sequencing: tokio::sync::Mutex::new(()),
            changes,
        }
    }

    /// Tells when something may have changed, whoever changed it.
    pub fn listen(&self) -> Listener {
        self.changes.listen()
    }

    /// Which SQL this database speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs a unit of work that only reads. Each statement sees what is committed when it starts.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'u> FnOnce(&'u Unit) -> BoxFuture<'u, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let unit = Unit::pooled(self.readers.clone(), self.dialect);
        detached(async move { work(&unit).await }).await
    }

    /// As [`Database::read`], but always from the database that is written to: the trail is not read from a copy that may
    /// lag behind.
    pub async fn read_primary<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'u> FnOnce(&'u Unit) -> BoxFuture<'u, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // SQLite has one writing connection, and readers of the same file.
        let primary = match self.dialect {
            Dialect::Postgres => &self.writer,
            Dialect::Sqlite => &self.readers,
        };
        let unit = Unit::pooled(primary.clone(), self.dialect);
        detached(async move { work(&unit).await }).await
    }

    /// Runs a unit of work in one transaction: all of it is committed, or on an error nothing. The trail says that it
    /// was `actor` who did it; `None` is nobody in particular.
    pub async fn write<T, E, F>(&self, actor: Option<&str>, work: F) -> Result<T, E>
    where
        F: for<'u> FnOnce(&'u Unit) -> BoxFuture<'u, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let actor = actor.map(str::to_owned);
        let committed = self.changes.committed();
        self.change(committed, |unit| {
            Box::pin(async move {
                if let Some(actor) = &actor {
                    unit.sign(actor).await?;
                }
                let done = work(unit).await?;
                if actor.is_some() {
                    unit.take_signature_back().await?;
                }
                Ok(done)
            })
        })
        .await
    }

    /// Runs a unit of work in one transaction, and tells of its commit.
    async fn change<T, E, F>(&self, committed: Signal, work: F) -> Result<T, E>
    where
        F: for<'u> FnOnce(&'u Unit) -> BoxFuture<'u, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let writer = self.writer.clone();
        let dialect = self.dialect;
        detached(async move {
            let transaction = begin(&writer).await.map_err(Error::from)?;
            let unit = Unit::transaction(transaction, dialect);
            match work(&unit).await {
                Ok(done) => {
                    unit.commit().await?;
                    committed.give();
                    Ok(done)
                }
                Err(error) => {
                    unit.roll_back().await;
                    Err(error)
                }
            }
        })
        .await
    }

    /// Fails unless the database answers and none of this program's migrations is pending.
    pub async fn require_ready(&self) -> Result<(), Error> {
        self.ping().await?;
        self.look_for_migrations().await
    }

    /// Fails while a migration of this program is pending. Asks the database only until none is, and again when
    /// [`Database::look_for_migrations`] has found some: another process may have taken them back.
    pub async fn require_migrated(&self) -> Result<(), Error> {
        if self.is_migrated.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.look_for_migrations().await
    }

    /// Asks the database whether a migration of this program is pending, and fails if so.
    pub async fn look_for_migrations(&self) -> Result<(), Error> {
        let pending = self.pending_migrations().await?;
        self.is_migrated
            .store(pending.is_empty(), Ordering::Relaxed);
        if pending.is_empty() {
            return Ok(());
        }
        Err(Error::MigrationsPending(pending))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.read(|unit| Box::pin(unit.ping())).await
    }

    /// Closes every connection, after those in use have been given back.
    pub async fn close(&self) {
        // An error at closing leaves nothing to be done: the process is about to end.
        let _ = self.readers.clone().close().await;
        let _ = self.writer.clone().close().await;
    }
}

/// Opens the file to write to it. Another process that opens it for the first time at this moment may hold it: SQLite does
/// not wait when it turns to write-ahead logging.
async fn open_writer(target: &SqliteConnectOptions) -> Result<sqlx::SqlitePool, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let opened = PoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITER_TIMEOUT)
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

/// Logs a statement only when it was slow.
fn with_statement_log<O: ConnectOptions>(options: O, slow_query: Duration) -> O {
    options
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, slow_query)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is how `Database::write` begins"
)]
async fn begin(
    writer: &DatabaseConnection,
) -> Result<sea_orm::DatabaseTransaction, sea_orm::DbErr> {
    writer
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}

/// Runs work to its end whether or not somebody still waits for it.
async fn detached<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    use tracing::Instrument;

    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Unavailable("the server is stopping".to_owned()).into()),
        },
    }
}
