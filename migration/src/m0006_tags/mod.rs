//! Tags and favourites: tables of ours beside the table of images, which may belong to another application. Triggers remove
//! those of purged images, and let them follow an image to its new owner, whichever application changes it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::{lock, query, rights};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_tags"
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
        // The triggers are created last and together. From then on their writers use the table, which must not be locked.
        let stands = "EXISTS (SELECT FROM pg_trigger \
             WHERE tgrelid = 'image_gallery'::regclass AND tgname = 'image_gallery_tag_delete')";
        if query::yes(connection, stands).await? {
            return Ok(());
        }
        let table = include_str!("postgres_up.sql").to_owned();
        connection
            .execute_unprepared(
                &(table + &rights::closed(&["image_gallery_tag", "image_gallery_favorite"])),
            )
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
        connection
            .execute_unprepared(include_str!("postgres_down.sql"))
            .await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
