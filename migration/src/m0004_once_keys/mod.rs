//! Keys under which an owner's image is created once: a table of ours, so that an adopted table gets no unique index that
//! could reject its own application's rows. Triggers free the keys of purged images, for any application.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::{lock, query, rights};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_once_keys"
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
        let exists = "EXISTS (SELECT FROM pg_trigger \
             WHERE tgrelid = 'image_gallery'::regclass AND tgname = 'image_gallery_once_key_delete')";
        if query::yes(connection, exists).await? {
            return Ok(());
        }
        let table = include_str!("postgres_up.sql").to_owned();
        connection
            .execute_unprepared(&(table + &rights::closed(&["image_gallery_once_key"])))
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
