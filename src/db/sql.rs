//! Statements built as text, for the most frequent reads. A query builder first builds an expression tree, which takes
//! several times as long.

use std::fmt::Write;

use sea_orm::sea_query::{
    PostgresQueryBuilder, QueryBuilder, SimpleExpr, SqlWriter, SqlWriterValues, SqliteQueryBuilder,
    Value,
};
use sea_orm::{IdenStatic, Statement};

use super::Dialect;
use crate::entity::image::Column;

/// The text of a statement and its values in order.
#[derive(Clone, Debug)]
pub struct Sql {
    writer: SqlWriterValues,
    dialect: Dialect,
}

impl Sql {
    /// Starts with this text.
    pub fn new(dialect: Dialect, text: &str) -> Self {
        let writer = match dialect {
            Dialect::Postgres => SqlWriterValues::new("$", true),
            Dialect::Sqlite => SqlWriterValues::new("?", false),
        };
        let mut sql = Self { writer, dialect };
        sql.text(text);
        sql
    }

    /// The SQL dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Appends text. Must not contain values.
    pub fn text(&mut self, text: &str) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = self.writer.write_str(text);
        self
    }

    /// Appends a column qualified with its table: SQLite would treat an unknown one as text.
    pub fn column(&mut self, column: Column) -> &mut Self {
        self.text("image_gallery.").text(column.as_str())
    }

    /// Appends columns, separated by commas.
    pub fn columns(&mut self, columns: impl Iterator<Item = Column>) -> &mut Self {
        for (place, column) in columns.enumerate() {
            if place > 0 {
                self.text(", ");
            }
            self.column(column);
        }
        self
    }

    /// Appends a placeholder for a value.
    pub fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        // The builder is not used for placeholders.
        self.writer.push_param(value.into(), &SqliteQueryBuilder);
        self
    }

    /// Appends placeholders for the values of a list, in parentheses.
    pub fn values<V: Into<Value>>(&mut self, values: impl Iterator<Item = V>) -> &mut Self {
        self.text("(");
        for (place, value) in values.enumerate() {
            self.text(if place > 0 { ", " } else { "" }).value(value);
        }
        self.text(")")
    }

    /// Appends an expression.
    pub fn expression(&mut self, expression: &SimpleExpr) -> &mut Self {
        match self.dialect {
            Dialect::Postgres => PostgresQueryBuilder.prepare_expr(expression, &mut self.writer),
            Dialect::Sqlite => SqliteQueryBuilder.prepare_expr(expression, &mut self.writer),
        }
        self
    }

    /// The finished statement.
    pub fn into_statement(self) -> Statement {
        let (sql, values) = self.writer.into_parts();
        Statement {
            sql,
            values: Some(values),
            db_backend: self.dialect.backend(),
        }
    }
}
