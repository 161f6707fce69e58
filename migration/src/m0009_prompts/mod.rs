//! Indexes of the active images by their prompts, without white space at both ends, each owner's newest image last. By a hash,
//! or on SQLite by the beginning, because a prompt may be longer than an index's entry.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};

pub(crate) struct Migration;

const ORIGINAL: &str = "original_prompt";
const REFINED: &str = "refined_prompt";

/// The characters with the property `White_Space`, as for `str::trim`.
const POSTGRES_WHITE_SPACE: &str = r"U&'\0009\000A\000B\000C\000D\0020\0085\00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200A\2028\2029\202F\205F\3000'";
const SQLITE_WHITE_SPACE: &str = "char(9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288)";

/// A prompt without white space at both ends, on Postgres. The index has the same expression.
pub fn postgres_prompt(column: &str) -> String {
    format!("btrim({column}, {POSTGRES_WHITE_SPACE})")
}

/// The hash of a text on Postgres.
pub fn postgres_prompt_hash(text: &str) -> String {
    format!("hashtextextended({text}, 0)")
}

/// A prompt without white space at both ends, on SQLite. The index has the same expression.
pub fn sqlite_prompt(column: &str) -> String {
    format!("trim({column}, {SQLITE_WHITE_SPACE})")
}

/// What stands in for a hash on SQLite, which has none.
pub fn sqlite_prompt_hash(text: &str) -> String {
    format!("substr({text}, 1, 64)")
}

/// The indexes on Postgres.
pub(crate) fn indexes() -> [Index; 2] {
    both(|column| postgres_prompt_hash(&postgres_prompt(column)))
}

fn sqlite_indexes() -> [Index; 2] {
    both(|column| sqlite_prompt_hash(&sqlite_prompt(column)))
}

fn both(hash: impl Fn(&str) -> String) -> [Index; 2] {
    [
        ("image_gallery_original_prompt", ORIGINAL),
        ("image_gallery_refined_prompt", REFINED),
    ]
    .map(|(name, column)| Index {
        name,
        on: Cow::Owned(format!(
            "image_gallery ({}, user_id, created_at, image_id) WHERE deleted_at IS NULL AND {column} IS NOT NULL",
            hash(column)
        )),
    })
}

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_prompts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            for index in sqlite_indexes() {
                connection.execute_unprepared(&index.create()).await?;
            }
            return Ok(());
        }
        for index in indexes() {
            index::build(connection, &index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for index in indexes() {
            if manager.get_database_backend() == DbBackend::Sqlite {
                let drop = format!("DROP INDEX IF EXISTS {}", index.name);
                connection.execute_unprepared(&drop).await?;
            } else {
                index::drop(connection, &index).await?;
            }
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
