//! What can go wrong at the database, by what the caller may do about it.

use sea_orm::{DbErr, RuntimeErr};

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
        driver
            .as_database_error()
            .is_some_and(|error| is_lacking(error.code().as_deref(), error.message()))
    }
}

/// SQLite has one code for whatever is wrong with a statement: there its message tells.
fn is_lacking(code: Option<&str>, message: &str) -> bool {
    match code {
        Some("42P01" | "42703" | "42883") => true,
        Some("1") => [
            "no such table",
            "no such column",
            "no such function",
            "has no column named",
        ]
        .iter()
        .any(|lack| message.contains(lack)),
        _ => false,
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
    match code.as_ref() {
        // SQLite's 9 is SQLITE_INTERRUPT.
        "57014" | "9" => Some(Error::Timeout),
        code if is_unavailable(code) => Some(Error::Unavailable(reported.message().to_owned())),
        _ => None,
    }
}

/// Whether Postgres has undone the transaction for the sake of another one, and running it again may well succeed: a
/// serialization failure, a deadlock, a standby's query in the way of what it has to replay.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// Whether a connection that could not be made may well be made in a moment: the server is starting, is not there yet, or
/// has as many connections as it takes.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::ConnectionReset
        ),
        sqlx::Error::Database(reported) => {
            matches!(reported.code().as_deref(), Some("53300" | "57P03"))
        }
        _ => false,
    }
}

/// Whether another process holds SQLite's file at the moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) or by SQLite's extended result code
/// (<https://www.sqlite.org/rescode.html>): connection lost, too many of them, shutting down, read-only, out of space,
/// deadlock or serialization failure, a transaction that stood still for too long; busy, locked, disk full, file not to be opened.
fn is_unavailable(code: &str) -> bool {
    const POSTGRES: [&str; 10] = [
        "53300", "53100", "53200", "57P01", "57P02", "57P03", "25006", "40001", "40P01", "25P03",
    ];
    const SQLITE: [i32; 5] = [5, 6, 8, 13, 14];
    let is_connection_exception = code.len() == 5 && code.starts_with("08");
    let is_sqlite = code.len() < 5
        && code
            .parse::<i32>()
            // The lower byte is the primary code, e.g. 517 (SQLITE_BUSY_SNAPSHOT) is a 5 (SQLITE_BUSY).
            .is_ok_and(|code| SQLITE.contains(&(code & 0xff)));
    is_connection_exception || POSTGRES.contains(&code) || is_sqlite
}

#[cfg(test)]
mod tests {
    use super::is_unavailable;

    #[test]
    fn knows_what_passes_by_itself() {
        for code in ["08006", "57P01", "53300", "40P01", "5", "517", "14"] {
            assert!(is_unavailable(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "1", "19", "1555"] {
            assert!(!is_unavailable(code), "{code}");
        }
    }
}
