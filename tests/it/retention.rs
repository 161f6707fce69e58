//! `TRASH_RETENTION_DAYS`, `Image.purgeAt`, `purge-expired`: what has been in the trash long enough is purged, once,
//! and nothing else.

use std::collections::HashSet;

use futures_util::future::join_all;
use image_gallery::entity::Timestamp;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::harness::rows::{Row, db_fill_trash, db_insert, node_ids};
use crate::harness::token::now;
use crate::harness::{
    Output, Program, Socket, TestApp, TestDatabase, each_database, eventually, on_pgbouncer,
    on_postgres,
};

const DAY: i64 = 86_400_000_000;
const FOLLOW: &str =
    "subscription($after: String) { galleryEvents(after: $after) { type imageId actor } }";
const TRASH: &str = "{ deletedImages(first: 100) { nodes { id purgeAt } } }";

fn days_ago(days: i64) -> Timestamp {
    let now = i64::try_from(now()).expect("a time of our age") * 1_000_000;
    Timestamp::from_microseconds(now - days * DAY)
}

/// A row that another application has moved to the trash.
fn trashed(deleted_at: &str) -> Row {
    let mut row = Row::new();
    row.deleted_at = Some(deleted_at.to_owned());
    row
}

/// The program on the app's database.
fn program(database: &TestDatabase, days: u32) -> Program {
    Program::new()
        .with("DATABASE_URL", &database.url())
        .with("TRASH_RETENTION_DAYS", &days.to_string())
}

async fn purge_expired(app: &TestApp, days: u32) -> Output {
    program(app.database(), days).run(&["purge-expired"]).await
}

/// The number of purged images that the command prints.
fn purged(printed: &str) -> u64 {
    let line = printed.lines().next();
    let count = line.and_then(|line| line.strip_prefix("purged images: "));
    let count = count.and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("no count in {printed}"))
}

async fn in_trash(app: &TestApp) -> HashSet<Uuid> {
    let data = app.run(TRASH, json!({})).await;
    node_ids(&data["deletedImages"]).into_iter().collect()
}

async fn db_count(app: &TestApp, from: &str) -> u64 {
    let sql = format!("SELECT CAST(count(*) AS text) FROM {from}");
    let count = app.db_query_text(&sql).await.expect("a count");
    count.parse().expect("a number")
}

/// Asserts that retention purged each image once.
async fn assert_purged_once(app: &TestApp, images: u64) {
    let purges = "image_gallery_event WHERE type = 'PURGED' AND actor = 'system'";
    assert_eq!(db_count(app, purges).await, images);
    let distinct = format!("(SELECT DISTINCT image_id FROM {purges}) AS purged");
    assert_eq!(db_count(app, &distinct).await, images);
    assert_eq!(db_count(app, "image_gallery").await, 0);
}

async fn image(app: &TestApp, verb: &str, id: &str) -> Value {
    let mutation =
        format!("mutation($id: ID!) {{ it: {verb}(id: $id) {{ image {{ deletedAt purgeAt }} }} }}");
    let mut data = app.run(&mutation, json!({ "id": id })).await;
    data["it"]["image"].take()
}

#[apply(each_database!)]
#[settings("--trash-retention-days=30")]
async fn purge_at_is_so_many_days_after_the_deletion(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($id: ID!) { image(id: $id) { purgeAt } }";
    assert_eq!(
        app.run(query, json!({ "id": id })).await["image"]["purgeAt"],
        Value::Null
    );
    let trashed = image(&app, "softDeleteImage", &id).await;
    let instant = |name: &str| {
        let text = trashed[name].as_str().expect("an instant");
        chrono::DateTime::parse_from_rfc3339(text)
            .expect("RFC 3339")
            .timestamp_micros()
    };
    assert_eq!(instant("purgeAt") - instant("deletedAt"), 30 * DAY);
    assert_eq!(
        image(&app, "restoreImage", &id).await["purgeAt"],
        Value::Null
    );
}

#[apply(each_database!)]
#[settings("--trash-retention-days=30")]
async fn at_startup_old_trash_of_any_application_is_purged(app: TestApp) {
    let young = [
        trashed(&days_ago(29).to_string()),
        trashed(&days_ago(-400).to_string()),
    ];
    let active = Row::at("2020-01-15T10:30:00.000000Z");
    let old = [
        trashed(&days_ago(31).to_string()),
        trashed("2020-01-15 10:30:00.123"),
    ];
    let rows: Vec<_> = young.iter().chain(&old).chain([&active]).cloned().collect();
    db_insert(&app, &rows).await;
    app.restart().await;
    let expected: HashSet<_> = young.iter().map(|row| row.id).collect();
    eventually("the old ones are gone", async || {
        (in_trash(&app).await == expected).then_some(())
    })
    .await;
    let data = app.run("{ images { nodes { id } } galleryEvents(types: [PURGED]) { nodes { imageId userId actor } } }", json!({})).await;
    assert_eq!(node_ids(&data["images"]), [active.id]);
    let gone: HashSet<_> = old
        .iter()
        .map(|row| json!({ "imageId": row.id, "userId": "alice", "actor": "system" }).to_string())
        .collect();
    let events = data["galleryEvents"]["nodes"].as_array().expect("events");
    assert_eq!(
        events.iter().map(Value::to_string).collect::<HashSet<_>>(),
        gone
    );
    assert_eq!(events.len(), gone.len());
}

#[apply(each_database!)]
async fn without_a_setting_nothing_is_ever_purged(app: TestApp) {
    let row = trashed("2020-01-15T10:30:00.000000Z");
    db_insert(&app, std::slice::from_ref(&row)).await;
    let nodes = json!([{ "id": row.id, "purgeAt": null }]);
    assert_eq!(
        app.run(TRASH, json!({})).await["deletedImages"]["nodes"],
        nodes
    );
    let by_hand = Program::new().with("DATABASE_URL", &app.database().url());
    let printed = by_hand.run(&["purge-expired"]).await.expect_success();
    assert!(printed.contains("TRASH_RETENTION_DAYS"), "{printed}");
    let events_only = by_hand.with("EVENT_RETENTION_DAYS", "36500");
    let printed = events_only.run(&["purge-expired"]).await.expect_success();
    assert_eq!(
        printed,
        "purged images: none, TRASH_RETENTION_DAYS is not set\ndropped events: 0\n"
    );
    assert_eq!(in_trash(&app).await, HashSet::from([row.id]));
}

#[apply(each_database!)]
async fn fewer_days_purge_more(app: TestApp) {
    let row = trashed(&days_ago(10).to_string());
    db_insert(&app, std::slice::from_ref(&row)).await;
    app.db_execute("UPDATE image_gallery_event SET occurred_at = '2020-01-01T00:00:00.000000Z'")
        .await;
    assert_eq!(purged(&purge_expired(&app, 11).await.expect_success()), 0);
    let week = program(app.database(), 9).with("EVENT_RETENTION_DAYS", "9");
    let printed = week.run(&["purge-expired"]).await.expect_success();
    assert_eq!(printed, "purged images: 1\ndropped events: 1\n");
}

#[apply(each_database!)]
async fn subscribers_see_what_another_process_purges(app: TestApp) {
    let row = trashed("2020-01-15T10:30:00.000000Z");
    db_insert(&app, std::slice::from_ref(&row)).await;
    let end = app.run("{ trailCursor }", json!({})).await["trailCursor"].take();
    let mut socket = Socket::begun(&app, json!({})).await;
    socket.subscribe("1", FOLLOW, json!({ "after": end })).await;
    purge_expired(&app, 1).await.expect_success();
    let heard = socket.receive().await;
    let expected = json!({ "type": "PURGED", "imageId": row.id, "actor": "system" });
    assert_eq!(heard["payload"]["data"]["galleryEvents"], expected);
}

#[apply(each_database!)]
async fn concurrent_processes_purge_each_image_once(app: TestApp) {
    db_fill_trash(&app, 3000).await;
    let programs: Vec<_> = (0..3).map(|_| program(app.database(), 1)).collect();
    let outputs = join_all(
        programs
            .iter()
            .map(|program| program.run(&["purge-expired"])),
    )
    .await;
    let purged = outputs
        .into_iter()
        .map(|output| purged(&output.expect_success()));
    assert_eq!(purged.sum::<u64>(), 3000);
    assert_purged_once(&app, 3000).await;
}

#[apply(each_database!)]
async fn another_process_continues_after_a_killed_one(app: TestApp) {
    db_fill_trash(&app, 10_000).await;
    let first = program(app.database(), 1);
    let process = first.start(&["purge-expired"]);
    let rows = async || db_count(&app, "image_gallery").await;
    eventually("some are gone", async || {
        (rows().await < 10_000).then_some(())
    })
    .await;
    process.kill();
    let left = rows().await;
    assert!(left > 0, "it was killed too late");
    assert_eq!(left % 500, 0, "a transaction was torn");
    assert_eq!(purged(&purge_expired(&app, 1).await.expect_success()), left);
    assert_purged_once(&app, 10_000).await;
}

#[apply(each_database!)]
async fn an_unmigrated_database_is_reported_and_not_changed(database: TestDatabase) {
    let output = program(&database, 1).run(&["purge-expired"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        output.stdout,
        "purged images: 0\ndropped events: none, EVENT_RETENTION_DAYS is not set\n"
    );
    assert!(output.stderr.contains("migrate up"), "{}", output.stderr);
}

async fn connect(app: &TestApp) -> PgConnection {
    let connection = PgConnection::connect(&app.database().url()).await;
    connection.expect("it answers")
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_restored_concurrently_is_not_purged() {
    on_postgres(&[], async |app: TestApp| {
        let rows: Vec<_> = (0..5)
            .map(|_| trashed("2020-01-15T10:30:00.000000Z"))
            .collect();
        db_insert(&app, &rows).await;
        let mut restoring = connect(&app).await;
        execute(&mut restoring, "BEGIN").await;
        let restore = format!(
            "UPDATE image_gallery SET deleted_at = NULL WHERE image_id = '{}'",
            rows[2].id
        );
        execute(&mut restoring, &restore).await;
        // Locked rows are not waited for.
        assert_eq!(purged(&purge_expired(&app, 1).await.expect_success()), 4);
        execute(&mut restoring, "COMMIT").await;
        assert_eq!(purged(&purge_expired(&app, 1).await.expect_success()), 0);
        let data = app.run("{ images { nodes { id } } }", json!({})).await;
        assert_eq!(node_ids(&data["images"]), [rows[2].id]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_waits_for_the_lock_and_continues_after_the_other_one() {
    on_postgres(&[], async |app: TestApp| {
        db_fill_trash(&app, 3).await;
        let mut other = connect(&app).await;
        execute(
            &mut other,
            "BEGIN; SELECT pg_try_advisory_xact_lock(7598265189632274028)",
        )
        .await;
        let waiting = program(app.database(), 1).with("RUST_LOG", "image_gallery=debug");
        let process = waiting.start(&["purge-expired"]);
        let waits = async || {
            process
                .log()
                .contains("another process holds the retention lock")
                .then_some(())
        };
        eventually("it waits", waits).await;
        assert_eq!(db_count(&app, "image_gallery").await, 3);
        // Like a killed process: its lock is released.
        drop(other);
        assert_eq!(purged(&process.output().await.expect_success()), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_transaction_pooler_two_servers_purge_each_image_once() {
    let settings = ["--trash-retention-days=30", "--event-retention-days=30"];
    on_pgbouncer(false, &settings, async |app: TestApp| {
        db_fill_trash(&app, 3000).await;
        app.db_execute(
            "UPDATE image_gallery_event SET occurred_at = '2020-01-01T00:00:00.000000Z'",
        )
        .await;
        // The program connects to the database directly, and still takes turns with the server behind the pooler.
        let program = program(app.database(), 30);
        let (by_hand, ()) = tokio::join!(program.run(&["purge-expired"]), app.restart());
        by_hand.expect_success();
        let is_done = async || {
            let old = "image_gallery_event WHERE occurred_at < '2021-01-01'";
            let is_done =
                db_count(&app, "image_gallery").await == 0 && db_count(&app, old).await == 0;
            is_done.then_some(())
        };
        eventually("everything is done", is_done).await;
        assert_purged_once(&app, 3000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infinite_times_are_before_and_after_all_others() {
    on_postgres(&["--trash-retention-days=30"], async |app: TestApp| {
        let never = trashed("infinity");
        let rows = [never.clone(), trashed("-infinity")];
        db_insert(&app, &rows).await;
        let purge_at = app.run(TRASH, json!({})).await;
        let nodes = json!([
            { "id": never.id, "purgeAt": "9999-12-31T23:59:59.999999Z" },
            { "id": rows[1].id, "purgeAt": "0000-01-01T00:00:00.000000Z" },
        ]);
        assert_eq!(purge_at["deletedImages"]["nodes"], nodes);
        assert_eq!(purged(&purge_expired(&app, 30).await.expect_success()), 1);
        assert_eq!(in_trash(&app).await, HashSet::from([never.id]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_times_on_sqlite_are_kept() {
    crate::harness::on_sqlite(&["--trash-retention-days=30"], async |app: TestApp| {
        let rows = [
            trashed("yesterday"),
            trashed("1579084200"),
            trashed("2020-01-15"),
        ];
        db_insert(&app, &rows).await;
        let data = app.run(TRASH, json!({})).await;
        for node in data["deletedImages"]["nodes"].as_array().expect("nodes") {
            assert_eq!(node["purgeAt"], Value::Null);
        }
        assert_eq!(purged(&purge_expired(&app, 30).await.expect_success()), 0);
        assert_eq!(in_trash(&app).await.len(), 3);
    })
    .await;
}
