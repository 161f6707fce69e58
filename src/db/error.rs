//! What can go wrong at the database, by what the caller may do about it.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};

use super::sqlstate;

/// A failed unit of work: nothing of it was done, unless the connection was lost at the commit; then nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or cannot take more work now: worth another try.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database answers, but lets nobody in: a wrong password, a database that does not exist.
    #[error("the database refused the connection: {0}")]
    Refused(String),
    /// This program's migrations have not all run.
    #[error("migrations are pending: {}; run `image-gallery migrate up`", .0.join(", "))]
    MigrationsPending(Vec<String>),
    /// The database stands so that no migration was begun: why, a sentence each.
    #[error("nothing was changed, because of this:\n{}", .0.join("\n"))]
    MigrationStopped(Vec<String>),
    /// Only a transaction pooler is known, on which no migration can run.
    #[error(
        "DATABASE_DIRECT_URL: not set, and migrations cannot run through a transaction pooler (DATABASE_POOLER=transaction): \
         set it to the database itself or to a pooler in session mode, as in `postgres://user:password@host:5432/name`"
    )]
    NoDirectConnection,
    /// The database ended a statement that took too long.
    #[error("the statement took too long")]
    Timeout,
    /// Anything else; the log gets it, the client does not.
    #[error(transparent)]
    Other(DbErr),
}

impl Error {
    /// Whether a table, a column or a function that a statement names is not there.
    pub fn is_of_schema(&self) -> bool {
        let Self::Other(
            DbErr::Exec(RuntimeErr::SqlxError(driver))
            | DbErr::Query(RuntimeErr::SqlxError(driver)),
        ) = self
        else {
            return false;
        };
        driver.as_database_error().is_some_and(|error| {
            let code = error.code().unwrap_or_default();
            sqlstate::is_lacking(&code, error.message())
        })
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable(error.to_string()),
            DbErr::Conn(RuntimeErr::SqlxError(driver)) => at_connecting(driver),
            DbErr::Exec(RuntimeErr::SqlxError(driver))
            | DbErr::Query(RuntimeErr::SqlxError(driver)) => {
                classify(driver).unwrap_or(Self::Other(error))
            }
            _ => Self::Other(error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        at_connecting(&error)
    }
}

/// What kept a connection from being made.
pub(super) fn at_connecting(error: &sqlx::Error) -> Error {
    classify(error).unwrap_or_else(|| match error {
        sqlx::Error::Database(reported) => Error::Refused(reported.message().to_owned()),
        other => Error::Unavailable(other.to_string()),
    })
}

/// Tells what is known to pass from what is not.
fn classify(error: &sqlx::Error) -> Option<Error> {
    let sqlx::Error::Database(reported) = error else {
        let is_away = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        );
        return is_away.then(|| Error::Unavailable(error.to_string()));
    };
    let code = reported.code()?;
    if sqlstate::is_timeout(&code) {
        return Some(Error::Timeout);
    }
    sqlstate::is_unavailable(&code).then(|| Error::Unavailable(reported.message().to_owned()))
}

/// Whether Postgres has undone the transaction for the sake of another one, and running it again may well succeed.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| sqlstate::is_conflict(&code))
}

/// Whether a connection that could not be made may well be made in a moment: the server is starting, is not there yet, or
/// has as many connections as it takes.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Io(error) = error {
        return matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::ConnectionReset
        );
    }
    code(error).is_some_and(|code| sqlstate::is_transient_at_connect(&code))
}

/// Whether another process holds SQLite's file at the moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| sqlstate::is_busy(&code))
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}
