//! Full-text search over both prompts: an expression index on Postgres, an FTS5 table kept by triggers on SQLite.

use sea_orm_migration::prelude::*;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_search"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run_script(manager, include_str!("postgres_up.sql"), &sqlite_up()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run_script(
            manager,
            include_str!("postgres_down.sql"),
            include_str!("sqlite_down.sql"),
        )
        .await
    }
}

/// Fills in what would be unreadable if it were written out.
fn sqlite_up() -> String {
    let mut script = include_str!("sqlite_up.sql").replace("{separators}", &separators());
    for column in [
        "new.original_prompt",
        "new.refined_prompt",
        "original_prompt",
        "refined_prompt",
    ] {
        let marker = format!("{{words of {column}}}");
        script = script.replace(&marker, &words_of(column));
    }
    script
}

/// FTS5 knows Unicode as it was in 2012, and takes what came later for letters: emoji and currency signs.
fn separators() -> String {
    let emoji = '\u{1F000}'..='\u{1FAFF}';
    let currencies = '\u{20B0}'..='\u{20CF}';
    emoji.chain(currencies).collect()
}

/// The text of a prompt that is indexed, cut at 100,000 characters as on Postgres. FTS5 takes some combining marks for
/// parts of a word, here they separate; `İ` has the lower case `i`, which FTS5 does not know; and U+0000 ends a text.
fn words_of(column: &str) -> String {
    let text = format!("substr(coalesce({column}, ''), 1, 100000)");
    let marks = (0x300..=0x331).map(|mark| (mark, "' '"));
    marks
        .chain([(0, "' '"), (0x130, "'i'")])
        .fold(text, |text, (character, replacement)| {
            format!("replace({text}, char({character}), {replacement})")
        })
}
