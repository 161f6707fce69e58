//! Compares an existing table `image_gallery` with Django's. All differences are reported before a migration changes
//! anything. Additional columns are ignored, unless they prevent inserts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, FromQueryResult, Statement};

use crate::query;

/// Whether Postgres' table has the column that Django's lacks.
pub(crate) const POSTGRES_HAS_PROMPT: &str = "EXISTS (SELECT FROM pg_attribute
    WHERE attrelid = 'image_gallery'::regclass AND attname = 'original_prompt' AND NOT attisdropped)";

/// A required column.
struct Expected {
    name: &'static str,
    kind: &'static str,
    nulls: Nulls,
}

/// Whether a column may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nulls {
    /// This server cannot return a row without the value.
    Refused,
    /// This server stores rows without the value.
    Needed,
    /// This server always stores a value, and can return a row without it.
    Either,
}

const fn required(name: &'static str, kind: &'static str) -> Expected {
    Expected {
        name,
        kind,
        nulls: Nulls::Refused,
    }
}

const fn optional(name: &'static str, kind: &'static str) -> Expected {
    Expected {
        name,
        kind,
        nulls: Nulls::Needed,
    }
}

const fn either(name: &'static str, kind: &'static str) -> Expected {
    Expected {
        name,
        kind,
        nulls: Nulls::Either,
    }
}

const POSTGRES: [Expected; 9] = [
    required("image_id", "uuid"),
    required("user_id", "varchar(255)"),
    required("image_url", "varchar(1024)"),
    optional("refined_prompt", "text"),
    optional("intent", "varchar(100)"),
    either("metadata", "jsonb"),
    required("created_at", "timestamptz"),
    required("updated_at", "timestamptz"),
    optional("deleted_at", "timestamptz"),
];

/// As `migrate down` leaves it; no other application creates one.
const SQLITE: [Expected; 10] = [
    optional("row_key", "INTEGER"),
    required("image_id", "BLOB"),
    required("user_id", "TEXT"),
    required("image_url", "TEXT"),
    optional("refined_prompt", "TEXT"),
    optional("intent", "TEXT"),
    either("metadata", "TEXT"),
    required("created_at", "TEXT"),
    required("updated_at", "TEXT"),
    optional("deleted_at", "TEXT"),
];

/// An existing column.
#[derive(Debug, FromQueryResult)]
struct Column {
    name: String,
    kind: String,
    is_required: bool,
    has_default: bool,
    is_generated: bool,
}

/// All differences of the table, one sentence each; none if there is no table.
pub(crate) async fn differences(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    match connection.get_database_backend() {
        DbBackend::Postgres => differences_on_postgres(connection).await,
        _ => differences_on_sqlite(connection).await,
    }
}

async fn differences_on_postgres(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut differences = texts(connection, include_str!("postgres_place.sql")).await?;
    if !differences.is_empty() {
        return Ok(differences);
    }
    let columns = columns(connection, include_str!("postgres_columns.sql")).await?;
    if columns.is_empty() {
        return Ok(differences);
    }
    differences.extend(compared(
        &columns,
        &POSTGRES,
        &optional("original_prompt", "text"),
    ));
    let constraints = include_str!("postgres_constraints.sql");
    differences.extend(texts(connection, constraints).await?);
    Ok(differences)
}

async fn differences_on_sqlite(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let place = "SELECT '`image_gallery` is a ' || type || ', expected a table' AS difference FROM sqlite_schema
        WHERE name = 'image_gallery' AND type <> 'table'";
    let mut differences = texts(connection, place).await?;
    if !differences.is_empty() {
        return Ok(differences);
    }
    let columns = columns(
        connection,
        "SELECT name, upper(type) AS kind, \"notnull\" <> 0 AS is_required, dflt_value IS NOT NULL AS has_default,
            hidden IN (2, 3) AS is_generated
         FROM pragma_table_xinfo('image_gallery') ORDER BY cid",
    )
    .await?;
    if columns.is_empty() {
        return Ok(differences);
    }
    differences.extend(compared(
        &columns,
        &SQLITE,
        &optional("original_prompt", "TEXT"),
    ));
    let keys = "SELECT 'the primary key of `image_gallery` is not `row_key`' AS difference
        WHERE NOT EXISTS (SELECT 1 FROM pragma_table_info('image_gallery') WHERE name = 'row_key' AND pk = 1)
        UNION ALL
        SELECT '`image_gallery.image_id` is not unique'
        WHERE NOT EXISTS (SELECT 1 FROM pragma_index_list('image_gallery') AS list
            WHERE list.\"unique\" AND NOT list.partial
                AND (SELECT group_concat(name) FROM pragma_index_info(list.name)) = 'image_id')";
    differences.extend(texts(connection, keys).await?);
    Ok(differences)
}

async fn columns(connection: &impl ConnectionTrait, sql: &str) -> Result<Vec<Column>, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    Column::find_by_statement(statement).all(connection).await
}

async fn texts(connection: &impl ConnectionTrait, sql: &str) -> Result<Vec<String>, DbErr> {
    let rows = query::rows(connection, sql).await?;
    rows.iter()
        .map(|row| row.try_get("", "difference"))
        .collect()
}

/// `added` is a column of ours that may exist.
fn compared(columns: &[Column], expected: &[Expected], added: &Expected) -> Vec<String> {
    let find = |name: &str| columns.iter().find(|column| column.name == name);
    let mut differences = Vec::new();
    for expected in expected {
        match find(expected.name) {
            None => differences.push(format!(
                "`image_gallery.{}` is missing, expected {}{}",
                expected.name,
                expected.kind,
                if expected.nulls == Nulls::Refused {
                    " NOT NULL"
                } else {
                    ""
                }
            )),
            Some(column) => differences.extend(differing(column, expected)),
        }
    }
    if let Some(column) = find(added.name) {
        differences.extend(differing(column, added));
    }
    let is_known = |column: &Column| {
        let mut known = expected.iter().chain([added]);
        known.any(|expected| expected.name == column.name)
    };
    for column in columns.iter().filter(|column| !is_known(column)) {
        if column.is_required && !column.has_default && !column.is_generated {
            differences.push(format!(
                "`image_gallery.{}` is another application's column, NOT NULL and without a default: this server could not insert a row",
                column.name
            ));
        }
    }
    differences
}

fn differing(column: &Column, expected: &Expected) -> Vec<String> {
    let mut differences = Vec::new();
    let name = expected.name;
    if !holds(&column.kind, expected.kind) {
        differences.push(format!(
            "`image_gallery.{name}` is {}, expected {}",
            column.kind, expected.kind
        ));
    }
    match (expected.nulls, column.is_required) {
        (Nulls::Needed, true) => differences.push(format!(
            "`image_gallery.{name}` is NOT NULL, expected one that may be null"
        )),
        (Nulls::Refused, false) => differences.push(format!(
            "`image_gallery.{name}` may be null, expected NOT NULL"
        )),
        (Nulls::Needed | Nulls::Either, false) | (Nulls::Refused | Nulls::Either, true) => {}
    }
    if column.is_generated {
        differences.push(format!(
            "`image_gallery.{name}` is generated, expected a stored value"
        ));
    }
    differences
}

/// The longest prompt that this server stores, in characters.
const LONGEST_PROMPT: u32 = 20_000;

/// Whether a column of this type accepts every value that this server stores: the expected type, a longer varchar or text,
/// or for a prompt a varchar that is long enough.
fn holds(found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    let needed = match expected {
        "text" => Some(LONGEST_PROMPT),
        varchar => length(varchar),
    };
    let (Some(found), Some(needed)) = (length(found), needed) else {
        return false;
    };
    found >= needed
}

/// The maximum length of a varchar or text.
fn length(kind: &str) -> Option<u32> {
    if kind == "text" {
        return Some(u32::MAX);
    }
    let limit = kind.strip_prefix("varchar")?;
    if limit.is_empty() {
        return Some(u32::MAX);
    }
    limit.strip_prefix('(')?.strip_suffix(')')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_longer_varchar_is_accepted() {
        for (found, expected, holds_it) in [
            ("varchar(255)", "varchar(255)", true),
            ("varchar(256)", "varchar(255)", true),
            ("varchar", "varchar(255)", true),
            ("varchar(254)", "varchar(255)", false),
            ("text", "varchar(255)", true),
            ("text", "uuid", false),
            ("text", "jsonb", false),
            ("varchar(255)", "text", false),
            ("varchar(20000)", "text", true),
            ("varchar", "text", true),
            ("timestamptz(3)", "timestamptz", false),
            ("uuid", "uuid", true),
        ] {
            assert_eq!(holds(found, expected), holds_it, "{found} for {expected}");
        }
    }
}
