//! Full-text search over both prompts: an expression index on Postgres, an FTS5 table maintained by triggers on SQLite.

use std::borrow::Cow;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{self, Index};
use crate::query;

pub(crate) struct Migration;

const INDEX_NAME: &str = "image_gallery_search";

/// The index on Postgres. On an expression, not on a stored column, which would rewrite and lock an adopted table.
pub(crate) fn index(prompt_key: Option<&str>) -> Index {
    let prompt = postgres_searched_prompt(prompt_key);
    Index {
        name: INDEX_NAME,
        on: Cow::Owned(format!(
            "image_gallery \
             USING gin (image_gallery_search_words(image_gallery_search_text({prompt}, refined_prompt)))"
        )),
    }
}

/// The original prompt that is searched, as SQL for Postgres: the column, or where it is null, the text under a key of the
/// metadata. Searches use this very expression, or else they could not use the index.
pub fn postgres_searched_prompt(prompt_key: Option<&str>) -> String {
    let Some(key) = prompt_key else {
        return "original_prompt".to_owned();
    };
    let key = literal(key);
    format!(
        "coalesce(original_prompt, CASE WHEN jsonb_typeof(metadata -> {key}) = 'string' THEN metadata ->> {key} END)"
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A key of a JSON object as SQLite's path.
fn sqlite_path(key: &str) -> String {
    literal(&format!("$.\"{key}\""))
}

/// Whether the search index that there is was made for this key. True where there is none.
pub async fn is_search_current(
    connection: &impl ConnectionTrait,
    prompt_key: Option<&str>,
) -> Result<bool, DbErr> {
    let is_outdated = match (connection.get_database_backend(), prompt_key) {
        (DbBackend::Postgres, prompt_key) => {
            let is_of_another_key = match prompt_key {
                Some(key) => format!(
                    "position('metadata ->> ' || quote_literal({}) IN indexdef) = 0",
                    literal(key)
                ),
                None => "position('metadata' IN indexdef) > 0".to_owned(),
            };
            format!(
                "EXISTS (SELECT FROM pg_indexes WHERE schemaname = current_schema() AND indexname = '{INDEX_NAME}' \
                 AND (indexdef NOT LIKE '%image_gallery_search_words%' OR {is_of_another_key}))"
            )
        }
        (_, prompt_key) => {
            let is_of_another_key = match prompt_key {
                Some(key) => format!("instr(sql, {}) = 0", literal(&sqlite_path(key))),
                None => "instr(sql, 'json_extract') > 0".to_owned(),
            };
            format!(
                "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'image_gallery_search_insert' AND {is_of_another_key})"
            )
        }
    };
    Ok(!query::yes(connection, &is_outdated).await?)
}

/// Drops the index on Postgres if it was built for another key, or by a version without the function for words, which
/// searches need. The index is then built again with the missing ones.
pub(crate) async fn drop_outdated_index(
    connection: &impl ConnectionTrait,
    prompt_key: Option<&str>,
) -> Result<(), DbErr> {
    if is_search_current(connection, prompt_key).await? {
        return Ok(());
    }
    connection
        .execute_unprepared(include_str!("postgres_up.sql"))
        .await?;
    index::drop(connection, &index(prompt_key)).await
}

/// Builds the index on SQLite again if it was built for another key, and returns whether it did.
pub(crate) async fn rebuild_on_sqlite(
    connection: &impl ConnectionTrait,
    prompt_key: Option<&str>,
) -> Result<bool, DbErr> {
    if is_search_current(connection, prompt_key).await? {
        return Ok(false);
    }
    let script = include_str!("sqlite_down.sql").to_owned() + &sqlite_up(prompt_key);
    connection.execute_unprepared(&script).await?;
    Ok(true)
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
            connection.execute_unprepared(&sqlite_up(None)).await?;
            return Ok(());
        }
        connection
            .execute_unprepared(include_str!("postgres_up.sql"))
            .await?;
        index::build(connection, &index(None)).await?;
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
        index::drop(connection, &index(None)).await?;
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
fn sqlite_up(prompt_key: Option<&str>) -> String {
    let mut script = include_str!("sqlite_up.sql").replace("{separators}", &separators());
    for row in ["new.", "old.", ""] {
        let original = match prompt_key {
            Some(key) => sqlite_searched_prompt(row, key),
            None => format!("{row}original_prompt"),
        };
        for (column, text) in [
            ("original_prompt", original),
            ("refined_prompt", format!("{row}refined_prompt")),
        ] {
            let marker = format!("{{words of {row}{column}}}");
            script = script.replace(&marker, &words_of(&text));
        }
    }
    if prompt_key.is_some() {
        let columns = "UPDATE OF original_prompt, refined_prompt";
        script = script.replace(columns, &format!("{columns}, metadata"));
    }
    script
}

/// As [`postgres_searched_prompt`]. Another program may have stored what is no JSON.
fn sqlite_searched_prompt(row: &str, key: &str) -> String {
    let path = sqlite_path(key);
    format!(
        "coalesce({row}original_prompt, CASE WHEN json_valid({row}metadata) AND json_type({row}metadata, {path}) = 'text' \
         THEN json_extract({row}metadata, {path}) END)"
    )
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
