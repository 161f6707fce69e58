//! Indexes for the trash in the orders of the gallery: by creation and by last change.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};

pub(crate) struct Migration;

/// One for each order, for all rows and for one owner's.
pub(crate) const INDEXES: [Index; 4] = [
    Index {
        name: "image_gallery_trash_created",
        on: Cow::Borrowed("image_gallery (created_at, image_id) WHERE deleted_at IS NOT NULL"),
    },
    Index {
        name: "image_gallery_trash_updated",
        on: Cow::Borrowed("image_gallery (updated_at, image_id) WHERE deleted_at IS NOT NULL"),
    },
    Index {
        name: "image_gallery_owner_trash_created",
        on: Cow::Borrowed(
            "image_gallery (user_id, created_at, image_id) WHERE deleted_at IS NOT NULL",
        ),
    },
    Index {
        name: "image_gallery_owner_trash_updated",
        on: Cow::Borrowed(
            "image_gallery (user_id, updated_at, image_id) WHERE deleted_at IS NOT NULL",
        ),
    },
];

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_trash_orders"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for index in &INDEXES {
            if manager.get_database_backend() == DbBackend::Sqlite {
                connection.execute_unprepared(&index.create()).await?;
            } else {
                index::build(connection, index).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for index in &INDEXES {
            if manager.get_database_backend() == DbBackend::Sqlite {
                let drop = format!("DROP INDEX IF EXISTS {}", index.name);
                connection.execute_unprepared(&drop).await?;
            } else {
                index::drop(connection, index).await?;
            }
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
