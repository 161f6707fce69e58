//! The operation of an event: one call that moved images to the trash, so that it can be undone.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};
use crate::{lock, query};

pub(crate) struct Migration;

/// Most events have no operation and are not in it.
const INDEX: Index = Index {
    name: "image_gallery_event_operation",
    on: Cow::Borrowed("image_gallery_event (operation, image_id) WHERE operation IS NOT NULL"),
};

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_operations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection
                .execute_unprepared(include_str!("sqlite_up.sql"))
                .await?;
            connection.execute_unprepared(&INDEX.create()).await?;
            return Ok(());
        }
        // Checked first, because the statements lock the table even if there is nothing to do.
        let exists = "EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'image_gallery_event'::regclass \
             AND attname = 'operation' AND atthasdef)";
        if !query::yes(connection, exists).await? {
            lock::run(connection, include_str!("postgres_up.sql")).await?;
        }
        index::build(connection, &INDEX).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection
                .execute_unprepared(include_str!("sqlite_down.sql"))
                .await?;
            return Ok(());
        }
        // Its index goes with it.
        let drop = "ALTER TABLE image_gallery_event DROP COLUMN IF EXISTS operation";
        lock::run(connection, drop).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
