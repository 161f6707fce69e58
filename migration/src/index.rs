//! Indexes of `image_gallery`, built and dropped on Postgres without keeping writers waiting.
//!
//! `CREATE INDEX CONCURRENTLY` runs outside a transaction. When it is cut off it leaves an invalid index behind, which
//! serves nobody and is kept up to date all the same: that is dropped and built anew. It waits for transactions that are
//! older than itself, however long they take; whoever writes does not wait meanwhile.

use sea_orm_migration::prelude::*;

use crate::{lock, query};

/// An index of ours on `image_gallery`.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    /// What stands behind ON in its definition.
    pub(crate) on: &'static str,
}

/// How an index stands on Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    /// What a build that was cut off has left.
    Invalid,
    Valid,
}

impl Index {
    /// The statement that builds it while nobody may write.
    pub(crate) fn create(&self) -> String {
        format!("CREATE INDEX {} ON {}", self.name, self.on)
    }

    /// How it stands. The table has to be there.
    pub(crate) async fn state(&self, connection: &impl ConnectionTrait) -> Result<State, DbErr> {
        let is_valid = format!(
            "(SELECT indisvalid AND indisready FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
             WHERE indrelid = 'image_gallery'::regclass AND relname = '{}')",
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

/// Builds an index on Postgres unless it stands. Says whether it did.
pub(crate) async fn build(connection: &impl ConnectionTrait, index: &Index) -> Result<bool, DbErr> {
    match index.state(connection).await? {
        State::Valid => return Ok(false),
        State::Invalid => {
            tracing::info!("dropping the invalid index {}", index.name);
            drop(connection, index).await?;
        }
        State::Missing => {}
    }
    // An empty table needs no waiting for older transactions. By its size: rows may be hidden from us.
    if query::yes(connection, "pg_relation_size('image_gallery') = 0").await? {
        lock::run(connection, &index.create()).await?;
        return Ok(true);
    }
    tracing::info!("building the index {}", index.name);
    let create = format!("CREATE INDEX CONCURRENTLY {} ON {}", index.name, index.on);
    connection.execute_unprepared(&create).await?;
    Ok(true)
}

/// Drops an index on Postgres if it is there.
pub(crate) async fn drop(connection: &impl ConnectionTrait, index: &Index) -> Result<(), DbErr> {
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name);
    connection.execute_unprepared(&drop).await?;
    Ok(())
}
