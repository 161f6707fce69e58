//! A unit of work: its connection, how statements run on it, and how values are bound.
//!
//! The driver's own transactions are not used. One that is cancelled while it begins returns to the pool open
//! (<https://github.com/transact-rs/sqlx/issues/4394>), and one that SQLite rolled back by itself leaves a nesting
//! count that prevents further ones. Here a connection with an unfinished transaction is closed, and the database rolls
//! back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, IntoArguments, Row, Sqlite};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use super::lsn::Lsn;
use super::pool::PooledConnection;
use super::signature::Signature;
use super::{Dialect, Error, error};
use crate::entity::Timestamp;

/// How much longer than the database's own statement timeout to wait for a response. After that the connection is dead,
/// although no error was reported.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// The connection that [`super::Database::read`] and [`super::Database::write`] pass to their work.
#[derive(Debug)]
pub struct UnitOfWork {
    dialect: Dialect,
    connection: Mutex<Connection>,
    /// Whether statements stay prepared on the connection; behind a transaction pooler they could be another client's.
    keeps_statements: bool,
    /// Statement timeout.
    statement_time: Duration,
    in_transaction: AtomicBool,
    /// A response is pending: if its future is dropped, the response stays on the connection.
    is_waiting: AtomicBool,
    /// The connection does not respond.
    is_lost: AtomicBool,
    /// A statement has failed: on Postgres the transaction can only be rolled back.
    has_failed: AtomicBool,
    /// The failure was a serialization failure or a deadlock: the unit may be retried.
    has_conflict: AtomicBool,
    /// What each changing statement records; see [`UnitOfWork::signature`].
    pub(super) statement_signature: OnceLock<Signature>,
    /// Tells SQLite's progress handler that this unit has ended.
    is_over: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
pub(super) enum Connection {
    Postgres(PooledConnection),
    Sqlite(PoolConnection<Sqlite>),
}

/// How a unit uses its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// Whether statements stay prepared on the connection.
    pub(super) keeps_statements: bool,
    /// Statement timeout.
    pub(super) statement_time: Duration,
}

impl UnitOfWork {
    pub(super) fn new(connection: Connection, usage: Use) -> Self {
        let dialect = match connection {
            Connection::Postgres(_) => Dialect::Postgres,
            Connection::Sqlite(_) => Dialect::Sqlite,
        };
        Self {
            dialect,
            connection: Mutex::new(connection),
            keeps_statements: usage.keeps_statements,
            statement_time: usage.statement_time,
            in_transaction: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            has_conflict: AtomicBool::new(false),
            statement_signature: OnceLock::new(),
            is_over: None,
        }
    }

    /// Makes SQLite interrupt work that exceeds the unit's time. The limit is for the whole unit: most have a single
    /// statement.
    pub(super) async fn limit_sqlite(&mut self) -> Result<(), Error> {
        /// The number of SQLite instructions between two checks of the clock.
        const INSTRUCTIONS: i32 = 2000;
        let Connection::Sqlite(connection) = self.connection.get_mut() else {
            return Ok(());
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let deadline = std::time::Instant::now() + self.statement_time;
        let goes_on = {
            let is_over = Arc::clone(&is_over);
            move || is_over.load(Ordering::Relaxed) || std::time::Instant::now() < deadline
        };
        connection
            .lock_handle()
            .await?
            .set_progress_handler(INSTRUCTIONS, goes_on);
        self.is_over = Some(is_over);
        Ok(())
    }

    /// The SQL dialect of this unit.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    pub(super) fn has_conflict(&self) -> bool {
        self.has_conflict.load(Ordering::Relaxed)
    }

    /// Begins a transaction; `sql` may also contain settings.
    pub(super) async fn begin(&self, sql: &str) -> Result<(), Error> {
        // Set first, so that a connection on which it may have begun is closed.
        self.in_transaction.store(true, Ordering::Relaxed);
        self.execute_unprepared(sql).await?;
        Ok(())
    }

    /// Whether there is something to commit.
    pub(super) fn is_transaction(&self) -> bool {
        self.in_transaction.load(Ordering::Relaxed)
    }

    /// Commits, if this is a transaction. After an error nothing was changed, unless the connection was lost: then the
    /// result is unknown.
    pub(super) async fn commit(&self) -> Result<(), Error> {
        if !self.in_transaction.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.require_sound()?;
        self.execute_unprepared("COMMIT").await?;
        self.in_transaction.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Like [`UnitOfWork::commit`] on Postgres, and returns the LSN afterwards.
    pub(super) async fn commit_returning_lsn(&self) -> Result<Option<Lsn>, Error> {
        self.require_sound()?;
        // One message, whose response includes that of the commit.
        let sql = "COMMIT; SELECT pg_current_wal_insert_lsn()::text";
        let mut connection = self.connection.lock().await;
        let Connection::Postgres(postgres) = &mut *connection else {
            drop(connection);
            return self.commit().await.map(|()| None);
        };
        let rows = async { postgres.get()?.fetch_all(sql).await };
        let rows = self.watch(rows).instrument(self.span(sql)).await;
        let rows = rows.map_err(at_execution)?;
        self.in_transaction.store(false, Ordering::Relaxed);
        let text = rows.first().and_then(|row| row.try_get::<&str, _>(0).ok());
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Postgres would roll back and report success.
    fn require_sound(&self) -> Result<(), Error> {
        if self.dialect == Dialect::Postgres && self.has_failed() {
            let failed = "a statement of the transaction failed, so it cannot be committed";
            return Err(Error::Other(DbErr::Custom(failed.to_owned())));
        }
        Ok(())
    }

    pub(super) async fn roll_back(&self) {
        if !self.in_transaction.load(Ordering::Relaxed) || self.is_lost.load(Ordering::Relaxed) {
            return;
        }
        match self.execute_unprepared("ROLLBACK").await {
            Ok(_) => self.in_transaction.store(false, Ordering::Relaxed),
            // The connection is closed, so the database rolls back.
            Err(error) => tracing::debug!(%error, "could not roll back"),
        }
    }

    fn prepare<DB>(&self, statement: Statement) -> Query<'static, DB, SqlxValues>
    where
        DB: sqlx::Database + sqlx::database::HasStatementCache,
        SqlxValues: IntoArguments<DB>,
    {
        let Statement { sql, values, .. } = self.bind(statement);
        let values = values.unwrap_or_else(|| sea_orm::sea_query::Values(Vec::new()));
        sqlx::query_with(AssertSqlSafe(sql), SqlxValues(values)).persistent(self.keeps_statements)
    }

    /// SQLite gets times as text with six digits; the driver would omit trailing zeros, which breaks the sort order.
    fn bind(&self, mut statement: Statement) -> Statement {
        if self.dialect == Dialect::Sqlite
            && let Some(values) = &mut statement.values
        {
            for value in &mut values.0 {
                if let Value::ChronoDateTimeUtc(datetime) = value {
                    let text = datetime.map(|datetime| {
                        Timestamp::from_microseconds(datetime.timestamp_micros()).to_string()
                    });
                    *value = Value::String(text);
                }
            }
        }
        statement
    }

    /// A span for traces, at the lowest level. Only for statements of requests, not for polling. Values are bound, so
    /// the text contains none.
    fn span(&self, sql: &str) -> Span {
        if Span::current().is_none() {
            return Span::none();
        }
        let system = match self.dialect {
            Dialect::Postgres => "postgresql",
            Dialect::Sqlite => "sqlite",
        };
        let verb = sql.split_ascii_whitespace().next();
        tracing::trace_span!(
            "statement",
            otel.name = verb,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            db.system.name = system,
            db.system = system,
            db.query.text = sql,
        )
    }

    /// Waits for a response, and records its effect on the unit.
    async fn watch<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Arc<sqlx::Error>> {
        self.is_waiting.store(true, Ordering::Relaxed);
        let answer = timeout(self.statement_time + LOST_AFTER, answer).await;
        self.is_waiting.store(false, Ordering::Relaxed);
        let outcome = answer.unwrap_or_else(|_| {
            self.is_lost.store(true, Ordering::Relaxed);
            Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
        });
        outcome.map_err(|error| {
            Span::current().record("otel.status_code", "ERROR");
            self.has_failed.store(true, Ordering::Relaxed);
            if error::is_conflict(&error) {
                self.has_conflict.store(true, Ordering::Relaxed);
            }
            Arc::new(error)
        })
    }
}

impl Drop for UnitOfWork {
    fn drop(&mut self) {
        if let Some(is_over) = &self.is_over {
            is_over.store(true, Ordering::Relaxed);
        }
        let is_unfinished = *self.in_transaction.get_mut() || *self.is_waiting.get_mut();
        if is_unfinished || *self.is_lost.get_mut() {
            match self.connection.get_mut() {
                Connection::Postgres(connection) => connection.close(),
                Connection::Sqlite(connection) => connection.close_on_drop(),
            }
        }
    }
}

fn at_execution(error: Arc<sqlx::Error>) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error))
}

fn at_query(error: Arc<sqlx::Error>) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error))
}

#[async_trait::async_trait]
impl ConnectionTrait for UnitOfWork {
    fn get_database_backend(&self) -> DbBackend {
        self.dialect.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = self.span(&statement.sql);
        let mut connection = self.connection.lock().await;
        let done = match &mut *connection {
            Connection::Postgres(connection) => {
                let query = self.prepare(statement);
                let done = async { query.execute(connection.get()?).await };
                self.watch(done)
                    .instrument(span)
                    .await
                    .map(ExecResult::from)
            }
            Connection::Sqlite(connection) => {
                let done = self.prepare(statement).execute(&mut **connection);
                self.watch(done)
                    .instrument(span)
                    .await
                    .map(ExecResult::from)
            }
        };
        done.map_err(at_execution)
    }

    /// Several statements in one message run in one transaction and are never prepared.
    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let span = self.span(sql);
        let sql = AssertSqlSafe(sql.to_owned());
        let mut connection = self.connection.lock().await;
        let done = match &mut *connection {
            Connection::Postgres(connection) => {
                let done = async { connection.get()?.execute(sql).await };
                self.watch(done).instrument(span).await.map(Into::into)
            }
            Connection::Sqlite(connection) => self
                .watch(connection.execute(sql))
                .instrument(span)
                .await
                .map(Into::into),
        };
        done.map_err(at_execution)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        let mut connection = self.connection.lock().await;
        let row = match &mut *connection {
            Connection::Postgres(connection) => {
                let query = self.prepare(statement);
                let row = async { query.fetch_optional(connection.get()?).await };
                self.watch(row)
                    .instrument(span)
                    .await
                    .map(|row| row.map(Into::into))
            }
            Connection::Sqlite(connection) => {
                let row = self.prepare(statement).fetch_optional(&mut **connection);
                self.watch(row)
                    .instrument(span)
                    .await
                    .map(|row| row.map(Into::into))
            }
        };
        row.map_err(at_query)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        let mut connection = self.connection.lock().await;
        let rows: Result<Vec<QueryResult>, _> = match &mut *connection {
            Connection::Postgres(connection) => {
                let query = self.prepare(statement);
                let rows = async { query.fetch_all(connection.get()?).await };
                let rows = self.watch(rows).instrument(span).await;
                rows.map(|rows| rows.into_iter().map(Into::into).collect())
            }
            Connection::Sqlite(connection) => {
                let rows = self.prepare(statement).fetch_all(&mut **connection);
                let rows = self.watch(rows).instrument(span).await;
                rows.map(|rows| rows.into_iter().map(Into::into).collect())
            }
        };
        rows.map_err(at_query)
    }
}
