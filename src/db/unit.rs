//! A unit of work: where statements run, and how values are bound.

use sea_orm::sea_query::Value;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement,
};

use super::{Dialect, Error};
use crate::entity::Timestamp;

/// What [`super::Database::read`] and [`super::Database::write`] hand to their work.
#[derive(Debug)]
pub struct Unit {
    connection: Connection,
    dialect: Dialect,
}

#[derive(Debug)]
enum Connection {
    Pooled(DatabaseConnection),
    Transaction(DatabaseTransaction),
}

impl Unit {
    pub(super) fn pooled(connection: DatabaseConnection, dialect: Dialect) -> Self {
        Self {
            connection: Connection::Pooled(connection),
            dialect,
        }
    }

    pub(super) fn transaction(transaction: DatabaseTransaction, dialect: Dialect) -> Self {
        Self {
            connection: Connection::Transaction(transaction),
            dialect,
        }
    }

    /// Which SQL is spoken here.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        match self.connection {
            Connection::Pooled(_) => Ok(()),
            Connection::Transaction(transaction) => Ok(transaction.commit().await?),
        }
    }

    pub(super) async fn roll_back(self) {
        if let Connection::Transaction(transaction) = self.connection
            && let Err(error) = transaction.rollback().await
        {
            // The connection is gone, and the transaction with it: the database undoes what it held.
            tracing::debug!(%error, "could not roll back");
        }
    }

    /// SQLite gets times as text with six digits; the driver would print as few as it can, and they would not sort.
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
}

#[async_trait::async_trait]
impl ConnectionTrait for Unit {
    fn get_database_backend(&self) -> DbBackend {
        match &self.connection {
            Connection::Pooled(connection) => connection.get_database_backend(),
            Connection::Transaction(transaction) => transaction.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let statement = self.bind(statement);
        match &self.connection {
            Connection::Pooled(connection) => connection.execute_raw(statement).await,
            Connection::Transaction(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.connection {
            Connection::Pooled(connection) => connection.execute_unprepared(sql).await,
            Connection::Transaction(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let statement = self.bind(statement);
        match &self.connection {
            Connection::Pooled(connection) => connection.query_one_raw(statement).await,
            Connection::Transaction(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.bind(statement);
        match &self.connection {
            Connection::Pooled(connection) => connection.query_all_raw(statement).await,
            Connection::Transaction(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
