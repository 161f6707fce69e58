//! The search translation: every text has a meaning, and SQLite's FTS5 accepts what comes of it. (What Postgres gets is for
//! `websearch_to_tsquery`, which takes any text.)
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
    for condition in query.to_websearch("x").unwrap_or_default() {
        assert!(condition.words.iter().all(|words| !words.is_empty()));
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
