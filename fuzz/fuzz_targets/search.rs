//! The search translation: every text is valid, SQLite's FTS5 accepts the result, and Postgres gets a `tsquery` of
//! quoted words.
#![no_main]

use std::cell::LazyCell;

use image_gallery::db::search::Search;
use libfuzzer_sys::fuzz_target;
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static DATABASE: LazyCell<Database> = LazyCell::new(Database::open);
}

struct Database {
    runtime: Runtime,
    connection: std::cell::RefCell<SqliteConnection>,
}

impl Database {
    fn open() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
            sqlx::raw_sql("CREATE VIRTUAL TABLE prompts USING fts5(original, refined)")
                .execute(&mut connection)
                .await?;
            sqlx::raw_sql("INSERT INTO prompts VALUES ('a red fox', 'a cat or a dog')")
                .execute(&mut connection)
                .await?;
            Ok::<_, sqlx::Error>(connection)
        });
        Self {
            runtime,
            connection: connection.expect("a database in memory").into(),
        }
    }

    fn matches(&self, query: &str) -> Result<i64, sqlx::Error> {
        let mut connection = self.connection.borrow_mut();
        let count =
            sqlx::query_scalar("SELECT count(*) FROM prompts WHERE prompts MATCH ?").bind(query);
        self.runtime.block_on(count.fetch_one(&mut *connection))
    }
}

fuzz_target!(|text: &str| {
    let Search::Query(query) = Search::parse(text) else {
        return;
    };
    for condition in query.to_postgres("x").unwrap_or_default() {
        assert!(condition.words.iter().all(|words| is_tsquery(words)));
        assert!(
            !condition.words.is_empty()
                || !condition.with.is_empty()
                || !condition.without.is_empty()
        );
    }
    let Some(fts5) = query.to_fts5() else { return };
    assert!(fts5.matching.is_some() || fts5.without.is_some());
    for part in [fts5.matching, fts5.without].into_iter().flatten() {
        if let Err(error) = DATABASE.with(|database| database.matches(&part)) {
            panic!("FTS5 refuses {part:?}: {error}");
        }
    }
});

/// Quoted words of letters and digits with operators between them, which Postgres always accepts.
fn is_tsquery(text: &str) -> bool {
    text.split(" | ")
        .flat_map(|alternative| alternative.split(" & "))
        .all(|word| {
            let word = word.strip_prefix('!').unwrap_or(word);
            let quoted = word
                .strip_prefix('\'')
                .and_then(|word| word.strip_suffix('\''));
            quoted.is_some_and(|word| !word.is_empty() && !word.contains(['\'', '\\', ' ']))
        })
}
