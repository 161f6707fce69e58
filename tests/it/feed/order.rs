//! Many writers, and a subscriber that is disconnected repeatedly: it receives every change once, in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::Process;
use crate::harness::rows::{Dice, Row, db_insert, id_literal};
use crate::harness::{TestApp, TestDatabase, each_database};

const WRITERS: usize = 8;
const TRANSACTIONS: usize = 120;
const EVENTS: &str = "subscription($after: String) { galleryEvents(after: $after) { id cursor imageId imageUrl type } }";

/// The connection of another application.
enum Writer {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Writer {
    async fn connect(app: &TestApp) -> Self {
        match app.database() {
            TestDatabase::Postgres(url) => {
                Self::Postgres(PgConnection::connect(url).await.expect("it answers"))
            }
            file @ TestDatabase::Sqlite(_) => {
                let url = file.url();
                let connection = SqliteConnection::connect(&url).await.expect("it opens");
                let mut writer = Self::Sqlite(connection);
                writer
                    .execute("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF")
                    .await;
                writer
            }
        }
    }

    fn begin(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "BEGIN",
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    async fn execute(&mut self, sql: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = match self {
            Self::Postgres(connection) => connection.execute(statement).await.map(drop),
            Self::Sqlite(connection) => connection.execute(statement).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Increments the number in the URL of a few images per transaction, some of which are rolled back.
async fn write(app: TestApp, ids: Vec<Uuid>, mut dice: Dice) {
    let mut writer = Writer::connect(&app).await;
    let is_sqlite = matches!(writer, Writer::Sqlite(_));
    for _ in 0..TRANSACTIONS * Dice::scale() {
        writer.execute(writer.begin()).await;
        let mut places: Vec<usize> = (0..=dice.roll(3)).map(|_| dice.roll(ids.len())).collect();
        // In a fixed order, to prevent deadlocks.
        places.sort_unstable();
        for place in places {
            let id = id_literal(&app, ids[place]);
            writer
                .execute(&format!(
                    "UPDATE image_gallery SET image_url = CAST(CAST(image_url AS integer) + 1 AS text) WHERE image_id = {id}"
                ))
                .await;
            // SQLite has one writer, whose pauses add up.
            if !is_sqlite || dice.one_in(8) {
                let milliseconds = u64::try_from(dice.roll(6)).expect("a small number");
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
        }
        let end = if dice.one_in(6) { "ROLLBACK" } else { "COMMIT" };
        writer.execute(end).await;
    }
}

/// The position in a cursor.
fn position(event: &Value) -> i64 {
    use base64::Engine;
    let cursor = event["cursor"].as_str().expect("a cursor");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor);
    let bytes = bytes.expect("base64url");
    i64::from_be_bytes(bytes[2..].try_into().expect("eight bytes"))
}

/// Follows until all committed changes have arrived, with random disconnects.
async fn follow(app: &TestApp, process: &Process, writers_are_done: &AtomicBool) -> Vec<Value> {
    let mut dice = Dice::new();
    let mut events: Vec<Value> = Vec::new();
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let after = events
            .last()
            .map_or(json!(""), |event| event["cursor"].clone());
        let mut replies = process.subscribe(EVENTS, json!({ "after": after }));
        for _ in 0..=dice.roll(150) {
            let next = tokio::time::timeout(
                Duration::from_millis(300),
                futures_util::StreamExt::next(&mut replies.0),
            );
            let Ok(Some(reply)) = next.await else {
                break;
            };
            assert_eq!(reply.get("errors"), None, "{reply}");
            events.push(reply["data"]["galleryEvents"].clone());
        }
        if writers_are_done.load(Ordering::Relaxed) {
            let data = app.run("{ trailCursor }", json!({})).await;
            if events
                .last()
                .is_some_and(|event| event["cursor"] == data["trailCursor"])
            {
                return events;
            }
        }
        assert!(Instant::now() < deadline, "{} events came", events.len());
    }
}

#[apply(each_database!)]
async fn eight_writers_and_a_subscriber_that_is_cut_off_miss_nothing_and_see_nothing_twice(
    app: TestApp,
) {
    let process = Process::beside(&app).await;
    let rows: Vec<Row> = (0..20).map(|_| Row::new()).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    db_insert(&app, &rows).await;
    app.db_execute("UPDATE image_gallery SET image_url = '0'")
        .await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(write(app.clone(), ids.clone(), Dice::new())))
        .collect();
    let are_done = AtomicBool::new(false);
    let started = Instant::now();
    let written = async {
        for writer in writers {
            writer.await.expect("a writer ends");
        }
        are_done.store(true, Ordering::Relaxed);
    };
    let (events, ()) = tokio::join!(follow(&app, &process, &are_done), written);
    eprintln!("{} events in {:?}", events.len(), started.elapsed());

    let mut positions: BTreeMap<i64, usize> = BTreeMap::new();
    let mut numbers: HashMap<&str, i64> = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(
            position(event),
            i64::try_from(place).expect("few") + 1,
            "dense, in order, each once"
        );
        positions.insert(position(event), place);
        if event["type"] == "UPDATED" {
            let number: i64 = event["imageUrl"]
                .as_str()
                .and_then(|url| url.parse().ok())
                .expect("a number");
            // The first update changed the URL to a 0.
            let before = numbers.insert(event["imageId"].as_str().expect("an id"), number);
            assert_eq!(number, before.map_or(0, |before| before + 1), "{event}");
        }
    }
    assert_eq!(positions.len(), events.len());
    for id in &ids {
        let sql = format!(
            "SELECT image_url FROM image_gallery WHERE image_id = {}",
            id_literal(&app, *id)
        );
        let stored: i64 = app
            .db_query_text(&sql)
            .await
            .and_then(|url| url.parse().ok())
            .expect("a number");
        assert_eq!(numbers.get(id.to_string().as_str()), Some(&stored));
    }
}
