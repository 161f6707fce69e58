//! The tables, and how columns are read that any application may have written.

pub mod gallery_event;
pub mod image;
pub mod json;
mod metadata;
pub mod once_key;
mod timestamp;

pub use metadata::Metadata;
pub use timestamp::Timestamp;

use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError};
use sqlx::Row;

/// A column of SQLite as text, whatever type the writer used.
fn sqlite_text<I: ColIdx>(result: &QueryResult, index: &I) -> Result<Option<String>, TryGetError> {
    let unreadable = |reason: String| TryGetError::DbErr(DbErr::Type(reason));
    let row = result
        .try_as_sqlite_row()
        .ok_or_else(|| unreadable("a row of neither Postgres nor SQLite".to_owned()))?;
    row.try_get_unchecked(index.as_sqlx_sqlite_index())
        .map_err(|error| unreadable(error.to_string()))
}
