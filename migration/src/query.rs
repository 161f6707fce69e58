//! Short queries.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, QueryResult, Statement, TryGetable};

/// All rows of a statement without parameters.
pub(crate) async fn rows(
    connection: &impl ConnectionTrait,
    sql: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_all_raw(statement).await
}

/// The value of an expression.
pub(crate) async fn value<T: TryGetable>(
    connection: &impl ConnectionTrait,
    expression: &str,
) -> Result<T, DbErr> {
    let statement = format!("SELECT {expression} AS value");
    let rows = rows(connection, &statement).await?;
    match rows.first() {
        Some(row) => row.try_get("", "value"),
        None => Err(DbErr::RecordNotFound(expression.to_owned())),
    }
}

/// Whether a condition is true.
pub(crate) async fn yes(connection: &impl ConnectionTrait, condition: &str) -> Result<bool, DbErr> {
    value(connection, &format!("({condition})")).await
}

/// Whether the library's table of applied migrations exists.
pub(crate) async fn has_run(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let is_there = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "EXISTS (SELECT FROM pg_class WHERE relname = 'seaql_migrations' AND relkind = 'r' \
             AND relnamespace = to_regnamespace(quote_ident(current_schema())))"
        }
        _ => {
            "EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations')"
        }
    };
    yes(connection, is_there).await
}
