//! The table of images, its indexes, and the column `original_prompt`.
//!
//! An existing table, created by a Django application or left by `migrate down`, is adopted if `shape` finds no
//! differences. On Postgres each step checks whether it is done, so that an interrupted run is continued by the next
//! one.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};
use crate::{lock, query, rights};

pub(crate) struct Migration;

/// One for each order of the gallery and the trash, for all rows and for one owner's.
pub(crate) const INDEXES: [Index; 6] = [
    Index {
        name: "image_gallery_active_created",
        on: Cow::Borrowed("image_gallery (created_at, image_id) WHERE deleted_at IS NULL"),
    },
    Index {
        name: "image_gallery_active_updated",
        on: Cow::Borrowed("image_gallery (updated_at, image_id) WHERE deleted_at IS NULL"),
    },
    Index {
        name: "image_gallery_owner_active_created",
        on: Cow::Borrowed("image_gallery (user_id, created_at, image_id) WHERE deleted_at IS NULL"),
    },
    Index {
        name: "image_gallery_owner_active_updated",
        on: Cow::Borrowed("image_gallery (user_id, updated_at, image_id) WHERE deleted_at IS NULL"),
    },
    Index {
        name: "image_gallery_trash",
        on: Cow::Borrowed("image_gallery (deleted_at, image_id) WHERE deleted_at IS NOT NULL"),
    },
    Index {
        name: "image_gallery_owner_trash",
        on: Cow::Borrowed(
            "image_gallery (user_id, deleted_at, image_id) WHERE deleted_at IS NOT NULL",
        ),
    },
];

/// Used by `metadataContains` on Postgres; SQLite has no such index.
pub(crate) const METADATA_INDEX: Index = Index {
    name: "image_gallery_metadata",
    on: Cow::Borrowed("image_gallery USING gin (metadata jsonb_path_ops)"),
};

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_image_gallery"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => up_on_postgres(manager.get_connection()).await,
            _ => up_on_sqlite(manager.get_connection()).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => down_on_postgres(manager.get_connection()).await,
            _ => down_on_sqlite(manager.get_connection()).await,
        }
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}

async fn up_on_postgres(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    // The migrations' own table is also in a schema that Supabase exposes publicly.
    connection
        .execute_unprepared(&rights::closed(&["seaql_migrations"]))
        .await?;
    if !query::yes(connection, "to_regclass('image_gallery') IS NOT NULL").await? {
        let create = include_str!("postgres_create.sql").to_owned();
        connection
            .execute_unprepared(&(create + &rights::closed(&["image_gallery"])))
            .await?;
    }
    if !query::yes(connection, crate::shape::POSTGRES_HAS_PROMPT).await? {
        lock::run(connection, include_str!("postgres_add_prompt.sql")).await?;
    }
    for index in INDEXES.iter().chain([&METADATA_INDEX]) {
        index::build(connection, index).await?;
    }
    Ok(())
}

async fn down_on_postgres(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    for index in INDEXES.iter().chain([&METADATA_INDEX]) {
        index::drop(connection, index).await?;
    }
    lock::run(connection, include_str!("postgres_drop_prompt.sql")).await
}

async fn up_on_sqlite(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let table = "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'image_gallery')";
    let prompt =
        "EXISTS (SELECT 1 FROM pragma_table_info('image_gallery') WHERE name = 'original_prompt')";
    if !query::yes(connection, table).await? {
        connection
            .execute_unprepared(include_str!("sqlite_create.sql"))
            .await?;
    } else if !query::yes(connection, prompt).await? {
        connection
            .execute_unprepared(include_str!("sqlite_add_prompt.sql"))
            .await?;
    }
    for index in &INDEXES {
        connection.execute_unprepared(&index.create()).await?;
    }
    Ok(())
}

async fn down_on_sqlite(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    for index in &INDEXES {
        let drop = format!("DROP INDEX IF EXISTS {}", index.name);
        connection.execute_unprepared(&drop).await?;
    }
    let is_ours = "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'image_gallery' \
         AND instr(sql, 'original_prompt /* added by image-gallery */') > 0)";
    if query::yes(connection, is_ours).await? {
        connection
            .execute_unprepared(include_str!("sqlite_drop_prompt.sql"))
            .await?;
    }
    Ok(())
}
