//! Full-text search over both prompts: an expression index on Postgres, an FTS5 table maintained by triggers on SQLite.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};
use crate::query;

pub(crate) struct Migration;

/// On an expression, not on a stored column, which would rewrite and lock an adopted table.
pub(crate) const INDEX: Index = Index {
    name: "image_gallery_search",
    on: "image_gallery \
         USING gin (image_gallery_search_words(image_gallery_search_text(original_prompt, refined_prompt)))",
};

/// Drops the index of a database that was migrated by a version without the function for words, and creates that
/// function, which searches need. The index is then built again with the missing ones.
pub(crate) async fn drop_outdated_index(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let is_outdated = format!(
        "EXISTS (SELECT FROM pg_indexes WHERE schemaname = current_schema() AND indexname = '{}' \
         AND indexdef NOT LIKE '%image_gallery_search_words%')",
        INDEX.name
    );
    if !query::yes(connection, &is_outdated).await? {
        return Ok(());
    }
    connection
        .execute_unprepared(include_str!("postgres_up.sql"))
        .await?;
    index::drop(connection, &INDEX).await
}

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_search"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            connection.execute_unprepared(&sqlite_up()).await?;
            return Ok(());
        }
        connection
            .execute_unprepared(include_str!("postgres_up.sql"))
            .await?;
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
        index::drop(connection, &INDEX).await?;
        connection
            .execute_unprepared(include_str!("postgres_down.sql"))
            .await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}

/// Replaces placeholders by generated SQL.
fn sqlite_up() -> String {
    let script = include_str!("sqlite_up.sql").replace("{separators}", &separators());
    with_words(&script)
}

fn with_words(script: &str) -> String {
    let mut script = script.to_owned();
    for row in ["new.", "old.", ""] {
        for column in ["original_prompt", "refined_prompt"] {
            let column = format!("{row}{column}");
            let marker = format!("{{words of {column}}}");
            script = script.replace(&marker, &words_of(&column));
        }
    }
    script
}

/// FTS5 supports Unicode of 2012, and treats later characters as letters: emoji and currency signs.
fn separators() -> String {
    let emoji = '\u{1F000}'..='\u{1FAFF}';
    let currencies = '\u{20B0}'..='\u{20CF}';
    emoji.chain(currencies).collect()
}

/// Maximum nesting of calls: SQLite's parser, as most systems build it, has a stack of 100 and needs three entries per
/// call.
const MAX_NESTED_CALLS: usize = 10;

/// The indexed text of a prompt, truncated to 100,000 characters as on Postgres. FTS5 treats some combining marks as
/// parts of words, here they separate; `İ` has the lower case `i`, which FTS5 does not know; and U+0000 ends the text.
fn words_of(column: &str) -> String {
    let marks = (0x300..=0x331).map(|mark| (mark, "' '"));
    let replacements: Vec<_> = marks.chain([(0, "' '"), (0x130, "'i'")]).collect();
    let text = format!("SELECT substr(coalesce({column}, ''), 1, 100000) AS words");
    let text = replacements
        .chunks(MAX_NESTED_CALLS)
        .fold(text, |text, chunk| {
            let words = chunk
                .iter()
                .fold("words".to_owned(), |words, (character, replacement)| {
                    format!("replace({words}, char({character}), {replacement})")
                });
            format!("SELECT {words} AS words FROM ({text})")
        });
    format!("({text})")
}
