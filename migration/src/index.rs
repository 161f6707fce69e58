//! Indexes of `image_gallery` and of the trail, built and dropped on Postgres without blocking writers.
//!
//! `CREATE INDEX CONCURRENTLY` runs outside a transaction. An interrupted build leaves an invalid index, which is
//! maintained but never used: it is dropped and built again. The build waits for older transactions, however long they
//! take; writers are not blocked meanwhile.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;

use crate::{lock, query};

/// An index of this project.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    /// The part of its definition after ON, beginning with the table.
    pub(crate) on: Cow<'static, str>,
}

/// The state of an index on Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    /// Left by an interrupted build.
    Invalid,
    Valid,
}

impl Index {
    /// The statement that builds it while blocking writers.
    pub(crate) fn create(&self) -> String {
        format!("CREATE INDEX {} ON {}", self.name, self.on)
    }

    fn table(&self) -> &str {
        let (table, _) = self.on.split_once(' ').unwrap_or((&self.on, ""));
        table
    }

    /// The state of the index. The table must exist.
    pub(crate) async fn state(&self, connection: &impl ConnectionTrait) -> Result<State, DbErr> {
        let is_valid = format!(
            "(SELECT indisvalid AND indisready FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
             WHERE indrelid = '{}'::regclass AND relname = '{}')",
            self.table(),
            self.name
        );
        let is_valid: Option<bool> = query::value(connection, &is_valid).await?;
        Ok(match is_valid {
            None => State::Missing,
            Some(false) => State::Invalid,
            Some(true) => State::Valid,
        })
    }
}

/// Builds an index on Postgres unless it exists. Returns whether it built it.
pub(crate) async fn build(connection: &impl ConnectionTrait, index: &Index) -> Result<bool, DbErr> {
    match index.state(connection).await? {
        State::Valid => return Ok(false),
        State::Invalid => {
            tracing::info!("dropping the invalid index {}", index.name);
            drop(connection, index).await?;
        }
        State::Missing => {}
    }
    // On an empty table there is no need to wait for older transactions. Checks the size, because rows may be hidden.
    let is_empty = format!("pg_relation_size('{}') = 0", index.table());
    if query::yes(connection, &is_empty).await? {
        lock::run(connection, &index.create()).await?;
        return Ok(true);
    }
    tracing::info!("building the index {}", index.name);
    let create = format!("CREATE INDEX CONCURRENTLY {} ON {}", index.name, index.on);
    connection.execute_unprepared(&create).await?;
    Ok(true)
}

/// Drops an index on Postgres if it exists.
pub(crate) async fn drop(connection: &impl ConnectionTrait, index: &Index) -> Result<(), DbErr> {
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name);
    connection.execute_unprepared(&drop).await?;
    Ok(())
}
