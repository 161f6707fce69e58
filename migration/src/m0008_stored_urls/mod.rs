//! An index by URL for the rows whose id is not in their URL: those of other applications, and images that got a new URL
//! under their key. All others are found by the id in the URL, and are not in the index.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};

pub(crate) struct Migration;

/// The name of the index on both databases.
const NAME: &str = "image_gallery_stored_url";
/// By a hash, because a URL may be longer than a B-tree's entry. `Dialect::has_stored_url` has the same expressions.
pub(crate) const INDEX: Index = Index {
    name: NAME,
    on: Cow::Borrowed(
        "image_gallery (hashtextextended(image_url, 0)) WHERE position(image_id::text in lower(image_url)) = 0",
    ),
};
const SQLITE_INDEX: Index = Index {
    name: NAME,
    on: Cow::Borrowed(
        "image_gallery (image_url) WHERE instr(replace(upper(image_url), '-', ''), hex(image_id)) = 0",
    ),
};

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_stored_urls"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection
                .execute_unprepared(&SQLITE_INDEX.create())
                .await?;
        } else {
            index::build(connection, &INDEX).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            let drop = format!("DROP INDEX IF EXISTS {NAME}");
            connection.execute_unprepared(&drop).await?;
        } else {
            index::drop(connection, &INDEX).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
