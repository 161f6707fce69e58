//! `softDeleteMatching`.

use std::collections::BTreeSet;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::harness::rows::{Row, db_fill_trash, db_insert, id_literal};
use crate::harness::{TestApp, TestDatabase, User, each_database, on_postgres};

const DELETE: &str = "mutation($user: String, $all: Boolean! = false, $filter: ImageFilter!, $dry: Boolean! = false) {
    softDeleteMatching(userId: $user, all: $all, filter: $filter, dryRun: $dry) {
        matchingCount softDeletedIds sample { id refinedPrompt } hasMore operationId
    }
}";

async fn delete(user: &User, variables: Value) -> Value {
    user.run(DELETE, variables).await["softDeleteMatching"].take()
}

async fn counts(app: &TestApp) -> (i64, i64) {
    let counts = "{ images { totalCount } deletedImages { totalCount } }";
    let counts = app.run(counts, json!({})).await;
    let count = |list: &str| counts[list]["totalCount"].as_i64().expect("a count");
    (count("images"), count("deletedImages"))
}

fn ids(payload: &Value, field: &str) -> Vec<String> {
    let ids = payload[field].as_array().expect("ids").iter();
    ids.map(|id| id.as_str().expect("an id").to_owned())
        .collect()
}

async fn undo(user: &User, operation: &Value) -> Value {
    let undo = "mutation($id: ID!) { undo(operationId: $id) { restoredIds leftAloneIds userErrors { code } } }";
    user.run(undo, json!({ "id": operation })).await["undo"].take()
}

/// Active images of `mass`, all created at once.
async fn db_fill(app: &TestApp, rows: usize) {
    db_fill_trash(app, rows).await;
    let activate = "UPDATE image_gallery SET deleted_at = NULL";
    app.db_execute(activate).await;
}

#[apply(each_database!)]
async fn favorites_stay_unless_told_otherwise(app: TestApp) {
    let alice = app.user("alice");
    let mut created = Vec::new();
    for _ in 0..3 {
        let image = alice.create(json!({ "refinedPrompt": "a cat" })).await;
        created.push(image["id"].as_str().expect("an id").to_owned());
    }
    let mark =
        "mutation($ids: [ID!]!) { setFavorite(ids: $ids, isFavorite: true) { images { id } } }";
    alice.run(mark, json!({ "ids": [created[1]] })).await;
    let variables = json!({ "user": "alice", "filter": { "search": "cat" } });
    let mut dry = variables.clone();
    dry["dry"] = json!(true);
    assert_eq!(delete(&alice, dry).await["matchingCount"], 2);
    let moved: BTreeSet<String> = ids(&delete(&alice, variables).await, "softDeletedIds")
        .into_iter()
        .collect();
    assert_eq!(
        moved,
        BTreeSet::from([created[0].clone(), created[2].clone()])
    );
    let everything = "mutation($filter: ImageFilter!, $keep: Boolean!) {
        softDeleteMatching(userId: \"alice\", filter: $filter, keepFavorites: $keep) { softDeletedIds } }";
    for (keep, expected) in [(true, json!([])), (false, json!([created[1]]))] {
        let variables = json!({ "filter": { "search": "cat" }, "keep": keep });
        let moved = alice.run(everything, variables).await;
        assert_eq!(
            moved["softDeleteMatching"]["softDeletedIds"], expected,
            "{keep}"
        );
    }
}

#[apply(each_database!)]
async fn what_holds_the_filter_is_moved_and_an_undo_takes_it_back(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut cats = Vec::new();
    for (user, prompt) in [
        (&alice, "a cat"),
        (&alice, "a dog"),
        (&alice, "two cat toys"),
        (&bob, "a cat"),
    ] {
        let image = user.create(json!({ "refinedPrompt": prompt })).await;
        if prompt.contains("cat") {
            cats.push(image["id"].as_str().expect("an id").to_owned());
        }
    }
    let [first, second, bobs] = &cats[..] else {
        panic!("three cats")
    };
    let filter = json!({ "search": "cat" });
    let hers = json!({ "user": "alice", "filter": filter });
    let mut dry = hers.clone();
    dry["dry"] = json!(true);
    let found = delete(&alice, dry).await;
    let sample = json!([
        { "id": second, "refinedPrompt": "two cat toys" },
        { "id": first, "refinedPrompt": "a cat" },
    ]);
    assert_eq!(
        found,
        json!({ "matchingCount": 2, "softDeletedIds": [], "sample": sample, "hasMore": false, "operationId": null })
    );
    assert_eq!(counts(&app).await, (4, 0));

    let deleted = delete(&alice, hers.clone()).await;
    assert_eq!(
        (&deleted["matchingCount"], &deleted["softDeletedIds"]),
        (&json!(2), &json!([second, first]))
    );
    assert_eq!(
        (&deleted["hasMore"], &deleted["sample"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(counts(&app).await, (2, 2));
    let again = delete(&alice, hers).await;
    assert_eq!(
        again,
        json!({ "matchingCount": 0, "softDeletedIds": [], "sample": [], "hasMore": false, "operationId": null })
    );

    let all = delete(&alice, json!({ "all": true, "filter": filter })).await;
    assert_eq!(all["softDeletedIds"], json!([bobs]));
    let undone = undo(&alice, &deleted["operationId"]).await;
    let restored: BTreeSet<_> = ids(&undone, "restoredIds").into_iter().collect();
    assert_eq!(restored, BTreeSet::from([first.clone(), second.clone()]));
    assert_eq!(counts(&app).await, (3, 1));
}

#[apply(each_database!)]
async fn a_filter_without_a_condition_or_an_owner_is_rejected(app: TestApp) {
    let alice = app.user("alice");
    alice.create_image().await;
    for (variables, filter) in [
        (json!({ "all": true }), json!({})),
        (json!({ "all": true, "dry": true }), json!({})),
        (json!({ "user": "alice" }), json!({ "search": "  " })),
        (
            json!({ "user": "alice" }),
            json!({ "intents": [], "intentLabels": [], "metadataHasKeys": [] }),
        ),
        (
            json!({ "user": "alice" }),
            json!({ "metadataContains": {}, "search": null }),
        ),
        (json!({}), json!({ "search": "-cat" })),
        (json!({ "dry": true }), json!({ "search": "-cat" })),
        (
            json!({ "user": "alice", "all": true }),
            json!({ "search": "-cat" }),
        ),
        (json!({ "user": "" }), json!({ "search": "-cat" })),
    ] {
        let mut variables = variables;
        variables["filter"] = filter;
        let code = app.error_code(DELETE, variables.clone()).await;
        assert_eq!(code, "BAD_USER_INPUT", "{variables}");
    }
    assert_eq!(counts(&app).await, (1, 0));
}

#[apply(each_database!)]
#[settings("--request-timeout-seconds=60")]
async fn one_call_moves_ten_thousand_at_most_and_each_is_undone_by_itself(app: TestApp) {
    db_fill(&app, 10_001).await;
    let others: Vec<_> = (0..3).map(|_| Row::new()).collect();
    db_insert(&app, &others).await;
    let worker = app.user("worker");
    let old = json!({ "createdBefore": "2021-01-01T00:00:00Z" });
    let dry = delete(&worker, json!({ "all": true, "filter": old, "dry": true })).await;
    assert_eq!(
        (&dry["matchingCount"], &dry["hasMore"]),
        (&json!(10_001), &json!(true))
    );
    assert_eq!(dry["sample"].as_array().map(Vec::len), Some(10));
    let (mut calls, mut moved) = (Vec::new(), BTreeSet::new());
    loop {
        let deleted = delete(&worker, json!({ "all": true, "filter": old })).await;
        assert_eq!(deleted["matchingCount"], json!(10_001 - moved.len()));
        let ids = ids(&deleted, "softDeletedIds");
        assert!(!ids.is_empty() && ids.len() <= 10_000, "{}", ids.len());
        for id in &ids {
            assert!(moved.insert(id.clone()), "{id} was moved twice");
        }
        calls.push((deleted["operationId"].clone(), ids));
        if deleted["hasMore"] == json!(false) {
            break;
        }
    }
    assert_eq!(moved.len(), 10_001);
    assert!(calls.len() > 1);
    assert_eq!(counts(&app).await, (3, 10_001));
    let (operation, ids) = &calls[0];
    let undone = undo(&worker, operation).await;
    assert_eq!(undone["leftAloneIds"], json!([]));
    let restored = undone["restoredIds"].as_array().expect("ids");
    assert_eq!(restored.len(), ids.len());
    assert_eq!(
        counts(&app).await,
        (
            3 + i64::try_from(ids.len()).expect("a count"),
            10_001 - i64::try_from(ids.len()).expect("a count")
        )
    );
}

/// A trigger that rejects changes of rows with a condition.
async fn db_reject(app: &TestApp, condition: &str) {
    let sql = match app.database() {
        TestDatabase::Postgres(_) => format!(
            "CREATE OR REPLACE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'rejected'; END $$;
             CREATE TRIGGER reject BEFORE UPDATE ON image_gallery FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION reject()"
        ),
        TestDatabase::Sqlite(_) => format!(
            "CREATE TRIGGER reject BEFORE UPDATE ON image_gallery WHEN {condition} BEGIN SELECT raise(ABORT, 'rejected'); END"
        ),
    };
    app.db_execute(&sql).await;
}

async fn db_accept(app: &TestApp) {
    app.db_execute(match app.database() {
        TestDatabase::Postgres(_) => "DROP TRIGGER reject ON image_gallery",
        TestDatabase::Sqlite(_) => "DROP TRIGGER reject",
    })
    .await;
}

#[apply(each_database!)]
async fn a_call_that_fails_halfway_reports_what_it_moved_and_an_undo_that_does_is_repeated(
    app: TestApp,
) {
    let rows: Vec<_> = (0..1100)
        .map(|number| Row {
            id: Uuid::from_u128((number + 1) << 64 | 0x4000_8000_0000_0000_0000),
            intent: Some(if number == 50 { "bad" } else { "good" }.to_owned()),
            ..Row::at(&format!("2026-01-15T10:30:00.{number:06}Z"))
        })
        .collect();
    for rows in rows.chunks(100) {
        db_insert(&app, rows).await;
    }
    let alice = app.user("alice");
    let call = json!({ "user": "alice", "filter": { "intentLabels": ["good", "bad"] } });
    db_reject(&app, "new.intent = 'bad'").await;
    let deleted = delete(&alice, call.clone()).await;
    assert_eq!(ids(&deleted, "softDeletedIds").len(), 1000);
    assert_eq!(
        (&deleted["matchingCount"], &deleted["hasMore"]),
        (&json!(1100), &json!(true))
    );
    // Now the first batch fails.
    assert_eq!(
        app.error_code(DELETE, call.clone()).await,
        "INTERNAL_SERVER_ERROR"
    );
    assert_eq!(counts(&app).await, (100, 1000));
    let whole = undo(&alice, &deleted["operationId"]).await;
    assert_eq!(ids(&whole, "restoredIds").len(), 1000);
    db_accept(&app).await;

    // The third batch fails.
    let deleted = delete(&alice, call).await;
    assert_eq!(ids(&deleted, "softDeletedIds").len(), 1100);
    let last = app.db_query_text(match app.database() {
        TestDatabase::Postgres(_) => "SELECT max(image_id::text) FROM image_gallery",
        TestDatabase::Sqlite(_) => "SELECT max(hex(image_id)) FROM image_gallery",
    });
    let last: Uuid = last.await.expect("an id").parse().expect("an id");
    let last = id_literal(&app, last);
    db_reject(&app, &format!("new.image_id = {last}")).await;
    let undo_again = "mutation($id: ID!) { undo(operationId: $id) { restoredIds } }";
    let operation = json!({ "id": deleted["operationId"] });
    let code = app.error_code(undo_again, operation).await;
    assert_eq!(code, "INTERNAL_SERVER_ERROR");
    assert_eq!(counts(&app).await, (1000, 100));
    db_accept(&app).await;
    let whole = undo(&alice, &deleted["operationId"]).await;
    let expected: BTreeSet<_> = ids(&deleted, "softDeletedIds").into_iter().collect();
    let restored: BTreeSet<_> = ids(&whole, "restoredIds").into_iter().collect();
    assert_eq!(restored, expected);
    assert_eq!(whole["leftAloneIds"], json!([]));
    assert_eq!(counts(&app).await, (1100, 0));
}

/// An open transaction of another application.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_images_are_left_for_the_next_call() {
    on_postgres(&[], async |app: TestApp| {
        let alice = app.user("alice");
        let (locked, free) = (alice.create_image().await, alice.create_image().await);
        let mut session = app.database().db_connect().await;
        let lock =
            format!("BEGIN; SELECT FROM image_gallery WHERE image_id = '{locked}' FOR UPDATE");
        session
            .execute(sqlx::raw_sql(AssertSqlSafe(lock)))
            .await
            .expect("it is locked");
        let call = json!({ "user": "alice", "filter": { "createdAfter": "2020-01-01T00:00:00Z" } });
        let deleted = delete(&alice, call.clone()).await;
        assert_eq!(deleted["softDeletedIds"], json!([free]));
        assert_eq!(deleted["hasMore"], json!(true));
        session.execute("COMMIT").await.expect("it is free");
        let deleted = delete(&alice, call).await;
        assert_eq!(deleted["softDeletedIds"], json!([locked]));
        assert_eq!(deleted["hasMore"], json!(false));
    })
    .await;
}
