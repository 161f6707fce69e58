//! `eraseUser`: after it, no table has the owner's id, URLs or prompts.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::rows::{db_fill_trash, id_literal};
use crate::harness::{
    TestApp, TestDatabase, User, each_database, image_url, on_postgres, on_sqlite,
};

const ERASE: &str = "mutation($user: String!, $dry: Boolean! = false) {
    eraseUser(userId: $user, dryRun: $dry) { imageCount eventCount hasMore } }";
const EVENTS: &str = "query($after: String) { galleryEvents(first: 100, after: $after) {
    nodes { cursor type imageId userId imageUrl actor image { id } } pageInfo { endCursor } } }";

async fn erase(caller: &User, user: &str) -> Value {
    let erased = caller.run(ERASE, json!({ "user": user })).await;
    erased["eraseUser"].clone()
}

async fn erase_all(caller: &User, user: &str) {
    while erase(caller, user).await["hasMore"] == true {}
}

async fn events(app: &TestApp, after: Value) -> Vec<Value> {
    let data = app.run(EVENTS, json!({ "after": after })).await;
    let events = data["galleryEvents"]["nodes"].as_array().expect("events");
    events.clone()
}

/// Every value of every table, on SQLite as hexadecimal digits, with those of the search index.
async fn db_dump(app: &TestApp) -> String {
    let list = async |sql: &str| {
        let names = app.db_query_text(sql).await.expect("names");
        let names = names.split(',').map(str::to_owned);
        names.collect::<Vec<String>>()
    };
    let mut dump = String::new();
    match app.database() {
        TestDatabase::Sqlite(_) => {
            let tables = "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'";
            for table in list(tables).await {
                let columns =
                    format!("SELECT group_concat(name) FROM pragma_table_info('{table}')");
                let values: Vec<_> = (list(&columns).await.iter())
                    .map(|column| format!("hex(\"{column}\")"))
                    .collect();
                let sql = format!(
                    "SELECT group_concat({}) FROM \"{table}\"",
                    values.join(" || ' ' || ")
                );
                dump.extend(app.db_query_text(&sql).await);
            }
        }
        TestDatabase::Postgres(_) => {
            let tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = current_schema()";
            for table in list(tables).await {
                let sql = format!("SELECT string_agg(CAST(t AS text), ' ') FROM \"{table}\" AS t");
                dump.extend(app.db_query_text(&sql).await);
            }
        }
    }
    dump
}

/// Whether a table has this text somewhere.
async fn db_has(app: &TestApp, text: &str) -> bool {
    let written = match app.database() {
        TestDatabase::Sqlite(_) => text
            .bytes()
            .fold(String::new(), |text, byte| format!("{text}{byte:02X}")),
        TestDatabase::Postgres(_) => text.to_owned(),
    };
    db_dump(app).await.contains(&written)
}

async fn nothing_of_the_owner_is_left(app: TestApp) {
    let (alice, bob) = (app.user("alice-wonder"), app.user("bob"));
    let url = image_url("11111111-1111-4111-8111-111111111111");
    let image = alice
        .create(json!({ "imageUrl": url, "originalPrompt": "zephyrium one", "refinedPrompt": "zephyrium two", "onceKey": "alice-key",
            "metadata": { "note": "quixotic" } }))
        .await;
    let id = image["id"].as_str().expect("an id");
    let tag = "mutation($id: ID!) {
        tagImages(ids: [$id], add: [\"vexing tag\"]) { userErrors { code } }
        setFavorite(ids: [$id], isFavorite: true) { userErrors { code } }
        updateImage(input: { id: $id, originalPrompt: \"jumbled\" }) { userErrors { code } }
        softDeleteImage(id: $id) { changed } }";
    alice.run(tag, json!({ "id": id })).await;
    let kept = bob
        .create(json!({ "refinedPrompt": "a harmless prompt" }))
        .await;
    let kept = kept["id"].as_str().expect("an id").to_owned();
    // Another application gives an image to another owner; its key stays with the first.
    let given = alice
        .create(json!({ "onceKey": "given-key", "refinedPrompt": "given" }))
        .await;
    let given = given["id"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("a UUID");
    let give = format!(
        "UPDATE image_gallery SET user_id = 'bob' WHERE image_id = {}",
        id_literal(&app, given)
    );
    app.db_execute(&give).await;
    app.db_execute("UPDATE image_gallery_event SET actor = 'alice-wonder' WHERE user_id = 'bob'")
        .await;
    let secrets = [
        "alice-wonder",
        &url,
        "zephyrium",
        "jumbled",
        "quixotic",
        "vexing tag",
        "alice-key",
        "given-key",
    ];
    for secret in secrets {
        assert!(db_has(&app, secret).await, "{secret}");
    }

    erase_all(&bob, "alice-wonder").await;
    for secret in secrets {
        assert!(!db_has(&app, secret).await, "{secret}");
    }
    for other in ["bob", "harmless", "given"] {
        assert!(db_has(&app, other).await, "{other}");
    }
    let data = app
        .run("{ images { nodes { id userId } } }", json!({}))
        .await;
    let left = data["images"]["nodes"].as_array().expect("images");
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(|image| image["id"] == kept));
    assert_eq!(
        erase(&bob, "alice-wonder").await,
        json!({ "imageCount": 0, "eventCount": 0, "hasMore": false })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_owner_is_left_in_any_table() {
    for keeps_trail in ["--erasure-keeps-trail=true", "--erasure-keeps-trail=false"] {
        on_sqlite(&[keeps_trail], nothing_of_the_owner_is_left).await;
        on_postgres(&[keeps_trail], nothing_of_the_owner_is_left).await;
    }
}

#[apply(each_database!)]
async fn tombstones_stay_under_their_cursors(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    alice.create(json!({})).await;
    bob.create(json!({})).await;
    alice.create(json!({})).await;
    let before = events(&app, Value::Null).await;
    let dry = alice
        .run(ERASE, json!({ "user": "alice", "dry": true }))
        .await;
    assert_eq!(
        dry["eraseUser"],
        json!({ "imageCount": 2, "eventCount": 2, "hasMore": false })
    );
    assert_eq!(events(&app, Value::Null).await, before);

    let erased = erase(&bob, "alice").await;
    assert_eq!(
        erased,
        json!({ "imageCount": 2, "eventCount": 4, "hasMore": false })
    );
    let after = events(&app, Value::Null).await;
    let cursors = |events: &[Value]| {
        events
            .iter()
            .map(|event| event["cursor"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(cursors(&after)[..3], cursors(&before)[..]);
    assert_eq!(after[1], before[1]);
    for (place, kind) in [(0, "CREATED"), (2, "CREATED"), (3, "PURGED"), (4, "PURGED")] {
        let event = &after[place];
        assert_eq!(event["type"], kind);
        assert_eq!(
            (
                &event["userId"],
                &event["imageUrl"],
                &event["actor"],
                &event["image"]
            ),
            (&json!(""), &json!(""), &Value::Null, &Value::Null)
        );
    }
    // A reader that had seen the first two goes on.
    let rest = events(&app, before[1]["cursor"].clone()).await;
    assert_eq!(rest, after[2..]);
}

async fn drops_the_events(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    alice.create(json!({})).await;
    bob.create(json!({})).await;
    alice.create(json!({})).await;
    let before = events(&app, Value::Null).await;
    let erased = erase(&bob, "alice").await;
    assert_eq!(
        erased,
        json!({ "imageCount": 2, "eventCount": 4, "hasMore": false })
    );
    assert_eq!(events(&app, Value::Null).await, before[1..2]);
    // The cursor of a dropped event still leads on.
    assert_eq!(
        events(&app, before[0]["cursor"].clone()).await,
        before[1..2]
    );
    let later = bob.create(json!({})).await;
    let last = events(&app, before[2]["cursor"].clone()).await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["imageId"], later["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tombstones_the_events_are_dropped() {
    on_sqlite(&["--erasure-keeps-trail=false"], drops_the_events).await;
    on_postgres(&["--erasure-keeps-trail=false"], drops_the_events).await;
}

#[apply(each_database!)]
async fn a_call_ends_at_its_bound_and_the_next_one_continues(app: TestApp) {
    db_fill_trash(&app, 10_200).await;
    let caller = app.user("anybody");
    let dry = caller
        .run(ERASE, json!({ "user": "mass", "dry": true }))
        .await;
    assert_eq!(dry["eraseUser"]["hasMore"], true);
    let (mut images, mut calls) = (0, 0);
    loop {
        let erased = erase(&caller, "mass").await;
        let count = erased["imageCount"].as_i64().expect("a count");
        assert!(count <= 10_000, "{erased}");
        images += count;
        calls += 1;
        if erased["hasMore"] == false {
            break;
        }
    }
    assert!(calls > 1);
    assert_eq!(images, 10_200);
    assert!(!db_has(&app, "mass").await);
}

#[apply(each_database!)]
async fn an_owner_who_goes_on_writing_is_erased_in_the_end(app: TestApp) {
    let alice = app.user("alice");
    let writer = tokio::spawn({
        let alice = app.user("alice");
        async move {
            for round in 0..40 {
                let created = alice
                    .create(json!({ "refinedPrompt": format!("zephyrium {round}") }))
                    .await;
                let change = "mutation($id: ID!) { updateImage(input: { id: $id, refinedPrompt: \"x\" }) { userErrors { code } } }";
                alice.run(change, json!({ "id": created["id"] })).await;
            }
        }
    });
    while !writer.is_finished() {
        erase(&alice, "alice").await;
    }
    writer.await.expect("every write is answered");
    erase_all(&alice, "alice").await;
    assert!(!db_has(&app, "alice").await);
    assert!(!db_has(&app, "zephyrium").await);
}

#[apply(each_database!)]
async fn an_owner_that_cannot_exist_is_refused(app: TestApp) {
    let caller = app.user("anybody");
    for user in ["", "a\u{0}b", &"x".repeat(256)] {
        let reply = caller.graphql(ERASE, json!({ "user": user })).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{user:?}");
    }
    let nobody = erase(&caller, "nobody").await;
    assert_eq!(
        nobody,
        json!({ "imageCount": 0, "eventCount": 0, "hasMore": false })
    );
}
