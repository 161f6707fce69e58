//! Error codes of the databases by meaning: Postgres' SQLSTATEs
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) and SQLite's result codes
//! (<https://www.sqlite.org/rescode.html>). Both are text; a SQLSTATE has five characters, a result code fewer digits.

pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
pub(super) const CANNOT_CONNECT_NOW: &str = "57P03";
pub(super) const ADMIN_SHUTDOWN: &str = "57P01";
pub(super) const INVALID_PASSWORD: &str = "28P01";
pub(super) const INVALID_AUTHORIZATION: &str = "28000";
pub(super) const NO_SUCH_DATABASE: &str = "3D000";
pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";

const CRASH_SHUTDOWN: &str = "57P02";
const DISK_FULL: &str = "53100";
const OUT_OF_MEMORY: &str = "53200";
const READ_ONLY_TRANSACTION: &str = "25006";
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const QUERY_CANCELED: &str = "57014";
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_FUNCTION: &str = "42883";

const SQLITE_ERROR: i32 = 1;
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_READONLY: i32 = 8;
const SQLITE_INTERRUPT: i32 = 9;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;

/// Whether the statement was cancelled because it took too long.
pub(super) fn is_timeout(code: &str) -> bool {
    code == QUERY_CANCELED || sqlite(code) == Some(SQLITE_INTERRUPT)
}

/// Whether a retry may succeed: the connection is lost, there are too many, the server is shutting down, read-only or
/// out of space, another transaction conflicts, or SQLite's file is locked.
pub(super) fn is_unavailable(code: &str) -> bool {
    let is_connection_exception = code.len() == 5 && code.starts_with("08");
    let is_sqlite = matches!(
        sqlite(code),
        Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_READONLY | SQLITE_FULL | SQLITE_CANTOPEN)
    );
    is_connection_exception
        || is_sqlite
        || is_conflict(code)
        || is_passing_at_connect(code)
        || matches!(
            code,
            CRASH_SHUTDOWN
                | DISK_FULL
                | OUT_OF_MEMORY
                | READ_ONLY_TRANSACTION
                | IDLE_IN_TRANSACTION_TIMEOUT
        )
}

/// Whether Postgres rolled the transaction back because of another one, so that a retry may succeed: a serialization
/// failure, a deadlock, or a query on a standby that conflicts with replay.
pub(super) fn is_conflict(code: &str) -> bool {
    matches!(code, SERIALIZATION_FAILURE | DEADLOCK_DETECTED)
}

/// Whether a rejected connection may succeed in a moment: the server is starting, or at its connection limit.
pub(super) fn is_transient_at_connect(code: &str) -> bool {
    matches!(code, TOO_MANY_CONNECTIONS | CANNOT_CONNECT_NOW)
}

/// The same, or the server is shutting down, which may take longer.
pub(super) fn is_passing_at_connect(code: &str) -> bool {
    is_transient_at_connect(code) || code == ADMIN_SHUTDOWN
}

/// Whether another process has locked SQLite's file.
pub(super) fn is_busy(code: &str) -> bool {
    sqlite(code) == Some(SQLITE_BUSY)
}

/// Whether a statement names a missing table, column or function. SQLite has one code for all errors in a statement, so
/// its message decides.
pub(super) fn is_lacking(code: &str, message: &str) -> bool {
    const SQLITE_LACKS: [&str; 4] = [
        "no such table",
        "no such column",
        "no such function",
        "has no column named",
    ];
    match code {
        UNDEFINED_TABLE | UNDEFINED_COLUMN | UNDEFINED_FUNCTION => true,
        _ if sqlite(code) == Some(SQLITE_ERROR) => {
            SQLITE_LACKS.iter().any(|lack| message.contains(lack))
        }
        _ => false,
    }
}

/// The primary result code, in the lower byte: 517 (`SQLITE_BUSY_SNAPSHOT`) is a 5 (`SQLITE_BUSY`).
fn sqlite(code: &str) -> Option<i32> {
    let extended: i32 = (code.len() < 5).then(|| code.parse().ok()).flatten()?;
    Some(extended & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_transient_errors() {
        for code in [
            "08006", "57P01", "57P03", "53300", "53100", "25006", "40P01", "5", "517", "14",
        ] {
            assert!(is_unavailable(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "1", "19", "1555"] {
            assert!(!is_unavailable(code), "{code}");
        }
    }

    #[test]
    fn knows_a_statement_that_took_too_long() {
        for (code, expected) in [("57014", true), ("9", true), ("57P01", false), ("5", false)] {
            assert_eq!(is_timeout(code), expected, "{code}");
        }
    }

    #[test]
    fn knows_a_schema_that_lacks_something() {
        for (code, message, expected) in [
            ("42P01", "", true),
            ("42703", "", true),
            ("1", "no such table: image_gallery", true),
            ("1", "near \"SELEC\": syntax error", false),
            ("23505", "no such table", false),
        ] {
            assert_eq!(is_lacking(code, message), expected, "{code} {message}");
        }
    }
}
