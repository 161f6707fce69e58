//! Statements as text: for the reads that are made most often. A query builder makes a tree of expressions first, which
//! takes several times as long as to write the text.

use std::fmt::Write;

use sea_orm::sea_query::{
    PostgresQueryBuilder, QueryBuilder, SimpleExpr, SqlWriter, SqlWriterValues, SqliteQueryBuilder,
    Value,
};
use sea_orm::{IdenStatic, Statement};

use super::Dialect;
use crate::entity::image::Column;

/// The text of a statement with its values, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Sql {
    writer: SqlWriterValues,
    dialect: Dialect,
}

impl Sql {
    /// Starts with a text.
    pub fn new(dialect: Dialect, text: &str) -> Self {
        let writer = match dialect {
            Dialect::Postgres => SqlWriterValues::new("$", true),
            Dialect::Sqlite => SqlWriterValues::new("?", false),
        };
        let mut sql = Self { writer, dialect };
        sql.text(text);
        sql
    }

    /// The SQL that this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Appends text. Values do not belong in it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        // Writing into a string does not fail.
        let _ = self.writer.write_str(text);
        self
    }

    /// Appends a column with the name of its table: SQLite would take one that does not exist for a text.
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
