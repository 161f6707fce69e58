//! The table of images, its indexes, and the column `original_prompt`.
//!
//! On Postgres the table may stand already, made by a Django application: it is taken over as it is.

use sea_orm_migration::prelude::*;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_image_gallery"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite_table_stands = manager.has_table("image_gallery").await?;
        let sqlite = if sqlite_table_stands {
            include_str!("sqlite_up_again.sql")
        } else {
            include_str!("sqlite_up.sql")
        };
        crate::run_script(manager, include_str!("postgres_up.sql"), sqlite).await?;
        crate::run_script(
            manager,
            include_str!("indexes_up.sql"),
            include_str!("indexes_up.sql"),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run_script(
            manager,
            include_str!("indexes_down.sql"),
            include_str!("indexes_down.sql"),
        )
        .await?;
        crate::run_script(
            manager,
            include_str!("postgres_down.sql"),
            include_str!("sqlite_down.sql"),
        )
        .await
    }
}
