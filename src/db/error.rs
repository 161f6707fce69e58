//! Database errors, classified by what the caller can do.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};

use super::sqlstate;

/// A failed unit of work. Nothing was changed, unless the connection was lost during the commit: then the result is
/// unknown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is unreachable or overloaded: retry.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database rejects the login: wrong password, missing database.
    #[error("the database refused the connection: {0}")]
    Refused(String),
    /// Migrations of this program are pending.
    #[error("migrations are pending: {}; run `image-gallery migrate up`", .0.join(", "))]
    MigrationsPending(Vec<String>),
    /// The reasons why no migration was started, one sentence each.
    #[error("nothing was changed, because of this:\n{}", .0.join("\n"))]
    MigrationStopped(Vec<String>),
    /// Only a transaction pooler is known, through which migrations cannot run.
    #[error(
        "DATABASE_DIRECT_URL: not set, and migrations cannot run through a transaction pooler (DATABASE_POOLER=transaction): \
         set it to the database itself or to a pooler in session mode, as in `postgres://user:password@host:5432/name`"
    )]
    NoDirectConnection,
    /// The database cancelled a statement that took too long.
    #[error("the statement took too long")]
    Timeout,
    /// Any other error; logged, but not shown to clients.
    #[error(transparent)]
    Other(DbErr),
}

impl Error {
    /// Whether a statement names a missing table, column or function.
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

/// An error while connecting.
pub(super) fn at_connecting(error: &sqlx::Error) -> Error {
    classify(error).unwrap_or_else(|| match error {
        sqlx::Error::Database(reported) => Error::Refused(reported.message().to_owned()),
        other => Error::Unavailable(other.to_string()),
    })
}

/// Classifies known temporary errors.
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

/// Whether Postgres rolled the transaction back because of another one, so that a retry may succeed.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| sqlstate::is_conflict(&code))
}

/// Whether connecting may succeed in a moment: the server is starting, not there yet, or at its connection limit.
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

/// Whether another process has locked SQLite's file.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| sqlstate::is_busy(&code))
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}
