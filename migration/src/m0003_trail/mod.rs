//! The audit trail: its table, the triggers that record all changes, and the order of events.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::{lock, query, rights};

pub(crate) struct Migration;

/// The tables of the trail.
pub(crate) const TABLES: [&str; 2] = ["image_gallery_event", "image_gallery_trail"];

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_trail"
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
            return Ok(());
        }
        // The triggers are created last and together. From then on their writers use the tables, which must not be
        // locked any more.
        let exists = "EXISTS (SELECT FROM pg_trigger \
             WHERE tgrelid = 'image_gallery'::regclass AND tgname = 'image_gallery_trail_insert')";
        if query::yes(connection, exists).await? {
            return Ok(());
        }
        let trail = include_str!("postgres_up.sql").to_owned();
        connection
            .execute_unprepared(&(trail + &rights::closed(&TABLES)))
            .await?;
        lock::run(connection, include_str!("postgres_triggers.sql")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection
                .execute_unprepared(include_str!("sqlite_down.sql"))
                .await?;
            return Ok(());
        }
        lock::run(connection, include_str!("postgres_triggers_down.sql")).await?;
        // Separate from the triggers: readers of the trail must not block writers of the gallery.
        connection
            .execute_unprepared(include_str!("postgres_down.sql"))
            .await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
