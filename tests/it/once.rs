//! `createImage` with `onceKey` and `ifExists`: each image once, whatever its URL.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::id_literal;
use crate::harness::{Program, TestApp, TestDatabase, each_database, image_url, on_postgres};

const CREATE: &str = "mutation($input: CreateImageInput!) { createImage(input: $input) {
    created updated image { id userId imageUrl originalPrompt refinedPrompt intentLabel metadata updatedAt }
    userErrors { code path } } }";
const CREATE_MANY: &str = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) {
    results { created updated image { id imageUrl } userErrors { code path } } } }";

const A: &str = "11111111-1111-4111-8111-111111111111";
const B: &str = "22222222-2222-4222-8222-222222222222";
const C: &str = "33333333-3333-4333-8333-333333333333";

async fn create(app: &TestApp, input: Value) -> Value {
    app.run(CREATE, json!({ "input": input })).await["createImage"].take()
}

/// An input of `alice`'s.
fn input(id: &str, key: &str, more: Value) -> Value {
    let mut input = json!({ "userId": "alice", "imageUrl": image_url(id), "onceKey": key });
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    input
}

fn new_url() -> String {
    image_url(&Uuid::new_v4().to_string())
}

async fn purge(app: &TestApp, id: &str) {
    let purge = "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }";
    app.run(purge, json!({ "id": id })).await;
}

async fn keys(app: &TestApp) -> String {
    let count = "SELECT CAST(count(*) AS TEXT) FROM image_gallery_once_key";
    app.db_query_text(count).await.expect("a count")
}

async fn total(app: &TestApp) -> Value {
    let count = app.run("{ images { totalCount } }", json!({})).await;
    count["images"]["totalCount"].clone()
}

#[apply(each_database!)]
async fn a_key_gives_the_first_image_whatever_the_url(app: TestApp) {
    let first = create(&app, input(A, "task:1", json!({ "originalPrompt": "a" }))).await;
    assert_eq!(
        (&first["created"], &first["image"]["id"]),
        (&json!(true), &json!(A))
    );
    for (id, prompt) in [(A, "b"), (B, "c")] {
        let again = create(
            &app,
            input(id, "task:1", json!({ "originalPrompt": prompt })),
        )
        .await;
        let expected = json!({ "created": false, "updated": false, "image": first["image"], "userErrors": [] });
        assert_eq!(again, expected);
    }
    // Another key, and another owner's same key, are other images.
    let other = create(&app, input(B, "task:2", json!({}))).await;
    assert_eq!(other["created"], json!(true));
    let other = create(&app, input(C, "task:1", json!({ "userId": "bob" }))).await;
    assert_eq!(
        (&other["created"], &other["image"]["userId"]),
        (&json!(true), &json!("bob"))
    );
}

#[apply(each_database!)]
async fn fifty_at_once_with_one_key_and_fifty_urls_make_one_image(app: TestApp) {
    let inputs =
        (0..50).map(|_| json!({ "userId": "alice", "imageUrl": new_url(), "onceKey": "task:1" }));
    let answers = join_all(inputs.map(|input| create(&app, input))).await;
    let created = answers
        .iter()
        .filter(|answer| answer["created"] == json!(true));
    assert_eq!(created.count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer["image"] == answers[0]["image"])
    );
    assert_eq!(total(&app).await, json!(1));
    assert_eq!(keys(&app).await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_at_once_make_one_image_for_each_key() {
    on_postgres(&[], async |database: TestDatabase| {
        let program = Program::new().with("DATABASE_URL", &database.url());
        program.run(&["migrate", "up"]).await.expect_success();
        let servers = [program.serve().await, program.serve().await];
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let send = async |turn: usize| {
            let url = format!("http://{}/graphql", servers[turn % 2].address());
            let input = json!({ "userId": "alice", "imageUrl": new_url(), "onceKey": format!("task:{}", turn / 50) });
            let body = json!({ "query": CREATE, "variables": { "input": input } });
            let reply = client.post(url).json(&body).send().await.expect("an answer");
            let reply: Value = reply.json().await.expect("JSON");
            assert_eq!(reply.get("errors"), None, "{reply}");
            reply["data"]["createImage"].clone()
        };
        let answers = join_all((0..150).map(send)).await;
        for answers in answers.chunks(50) {
            let created = answers.iter().filter(|answer| answer["created"] == json!(true));
            assert_eq!(created.count(), 1);
            assert!(answers.iter().all(|answer| answer["image"] == answers[0]["image"]));
        }
        let stored = "SELECT count(*)::text FROM image_gallery";
        assert_eq!(database.db_query_text(stored).await.as_deref(), Some("3"));
        let events = "SELECT string_agg(type, ' ') FROM image_gallery_event";
        assert_eq!(database.db_query_text(events).await.as_deref(), Some("CREATED CREATED CREATED"));
    })
    .await;
}

#[apply(each_database!)]
async fn a_batch_makes_one_image_for_each_key(app: TestApp) {
    create(&app, input(A, "stored", json!({}))).await;
    create(&app, json!({ "userId": "bob", "imageUrl": image_url(B) })).await;
    let (first, second) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let inputs = json!([
        input(&first, "new", json!({})),
        input(&second, "new", json!({})),
        input(C, "stored", json!({})),
        // Another owner's id gives no image, and leaves the key free for the next one.
        input(B, "taken", json!({})),
        input(&second, "taken", json!({})),
        input(&second, "also", json!({})),
        { "userId": "alice", "imageUrl": image_url(&second) },
        input(C, " ", json!({})),
        input(C, &"x".repeat(256), json!({})),
        input(C, "\0", json!({})),
    ]);
    let mut answer = app.run(CREATE_MANY, json!({ "input": inputs })).await;
    let found = |created: bool, id: &str| {
        let image = json!({ "id": id, "imageUrl": image_url(id) });
        json!({ "created": created, "updated": false, "image": image, "userErrors": [] })
    };
    let refused = |place: usize, field: &str, code: &str| {
        let error = json!({ "code": code, "path": ["input", place.to_string(), field] });
        json!({ "created": false, "updated": false, "image": null, "userErrors": [error] })
    };
    let results = answer["createImages"]["results"].take();
    let created = |place: usize| results[place]["created"] == json!(true);
    assert_eq!(results[0], found(true, &first));
    assert_eq!(results[1], found(false, &first));
    assert_eq!(results[2], found(false, A));
    assert_eq!(results[3], refused(3, "imageUrl", "IMAGE_ID_TAKEN"));
    // Three inputs mean the image `second`; one of them created it.
    for place in 4..7 {
        assert_eq!(results[place], found(created(place), &second), "{place}");
    }
    assert_eq!((4..7).filter(|place| created(*place)).count(), 1);
    assert_eq!(results[7], refused(7, "onceKey", "INVALID_TEXT"));
    assert_eq!(results[8], refused(8, "onceKey", "VALUE_TOO_LONG"));
    assert_eq!(results[9], refused(9, "onceKey", "INVALID_TEXT"));
    assert_eq!(total(&app).await, json!(4));
}

#[apply(each_database!)]
async fn batches_with_the_same_keys_and_urls_neither_deadlock_nor_repeat(app: TestApp) {
    let id = |turn: usize, number: usize| format!("{turn:08x}-0000-4000-8000-{number:012x}");
    // Half of the URLs are the same in all batches, under keys that are not.
    let batch = |turn: usize| {
        let inputs = (0..40).map(move |number| {
            if number % 2 == 0 {
                input(&id(turn, number), &format!("task:{number}"), json!({}))
            } else {
                input(&id(0, number), &format!("turn {turn}, {number}"), json!({}))
            }
        });
        let mut inputs: Vec<Value> = inputs.collect();
        if turn % 2 == 1 {
            inputs.reverse();
        }
        json!({ "input": inputs })
    };
    let answers = join_all((0..12).map(|turn| app.run(CREATE_MANY, batch(turn)))).await;
    let results = answers.iter().flat_map(|answer| {
        answer["createImages"]["results"]
            .as_array()
            .expect("results")
    });
    let created = results.filter(|result| result["created"] == json!(true));
    assert_eq!(created.count(), 40);
    assert_eq!(total(&app).await, json!(40));
    assert_eq!(keys(&app).await, (20 + 20 * 12).to_string());
}

#[apply(each_database!)]
async fn a_key_can_be_given_to_an_image_that_exists(app: TestApp) {
    create(&app, json!({ "userId": "alice", "imageUrl": image_url(A) })).await;
    for (id, key) in [(A, "task:1"), (B, "task:1"), (A, "task:2"), (C, "task:2")] {
        let again = create(&app, input(id, key, json!({}))).await;
        let found = (&again["created"], &again["image"]["id"]);
        assert_eq!(found, (&json!(false), &json!(A)), "{id} {key}");
    }
    assert_eq!(total(&app).await, json!(1));
}

#[apply(each_database!)]
async fn purging_frees_the_key_whoever_purges(app: TestApp) {
    let by_us = async |id: &str| purge(&app, id).await;
    let by_another = async |_: &str| app.db_execute("DELETE FROM image_gallery").await;
    create(&app, input(A, "task:1", json!({}))).await;
    by_us(A).await;
    // The same URL stored without the key does not bring the key back.
    create(&app, json!({ "userId": "alice", "imageUrl": image_url(A) })).await;
    let again = create(&app, input(B, "task:1", json!({}))).await;
    assert_eq!(
        (&again["created"], &again["image"]["id"]),
        (&json!(true), &json!(B))
    );
    by_another(B).await;
    assert_eq!(keys(&app).await, "0");
    if let TestDatabase::Postgres(_) = app.database() {
        create(&app, input(C, "task:1", json!({}))).await;
        app.db_execute("TRUNCATE image_gallery").await;
        assert_eq!(keys(&app).await, "0");
    }
    // One in the trash keeps its key.
    create(&app, input(A, "task:1", json!({}))).await;
    let delete = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    app.run(delete, json!({ "id": A })).await;
    let again = create(&app, input(B, "task:1", json!({}))).await;
    assert_eq!(
        (&again["created"], &again["image"]["id"]),
        (&json!(false), &json!(A))
    );
}

#[apply(each_database!)]
async fn a_key_whose_image_was_given_to_another_owner_is_free(app: TestApp) {
    create(
        &app,
        input(A, "task:1", json!({ "originalPrompt": "secret" })),
    )
    .await;
    let id = id_literal(&app, Uuid::parse_str(A).expect("a UUID"));
    let give = format!("UPDATE image_gallery SET user_id = 'bob' WHERE image_id = {id}");
    app.db_execute(&give).await;
    let taken = create(&app, input(A, "task:1", json!({}))).await;
    assert_eq!(
        taken["userErrors"],
        json!([{ "code": "IMAGE_ID_TAKEN", "path": ["input", "imageUrl"] }])
    );
    assert_eq!(taken["image"], Value::Null);
    let new = create(&app, input(B, "task:1", json!({}))).await;
    assert_eq!(
        (&new["created"], &new["image"]["id"]),
        (&json!(true), &json!(B))
    );
}

#[apply(each_database!)]
async fn if_exists_update_replaces_what_is_sent_and_merges_metadata(app: TestApp) {
    let stored = json!({ "originalPrompt": "o", "refinedPrompt": "r", "intent": "EDIT", "metadata": { "a": 1, "b": { "c": 2 } } });
    let first = create(&app, input(A, "task:1", stored)).await;
    assert_eq!(
        (&first["created"], &first["updated"]),
        (&json!(true), &json!(false))
    );
    // The same again changes nothing.
    let same =
        json!({ "ifExists": "UPDATE", "refinedPrompt": "r", "metadata": { "b": { "c": 2 } } });
    let same = create(&app, input(A, "task:1", same)).await;
    assert_eq!(
        same,
        json!({ "created": false, "updated": false, "image": first["image"], "userErrors": [] })
    );

    let change = json!({ "ifExists": "UPDATE", "refinedPrompt": "new", "intentLabel": "Upscale", "metadata": { "a": null, "b": { "d": 3 } } });
    let updated = create(&app, input(B, "task:1", change)).await;
    let mut expected = first["image"].clone();
    expected["imageUrl"] = json!(image_url(B));
    expected["refinedPrompt"] = json!("new");
    expected["intentLabel"] = json!("upscale");
    expected["metadata"] = json!({ "b": { "c": 2, "d": 3 } });
    expected["updatedAt"] = updated["image"]["updatedAt"].clone();
    assert_eq!(
        updated,
        json!({ "created": false, "updated": true, "image": expected, "userErrors": [] })
    );
    assert!(updated["image"]["updatedAt"].as_str() > first["image"]["updatedAt"].as_str());

    // By the id as well, without a key, and in a batch that changes one image twice.
    let by_id = |prompt: &str| json!({ "userId": "alice", "imageUrl": image_url(A), "originalPrompt": prompt, "ifExists": "UPDATE" });
    let updated = create(&app, by_id("by id")).await;
    assert_eq!(
        (&updated["updated"], &updated["image"]["originalPrompt"]),
        (&json!(true), &json!("by id"))
    );
    let inputs = json!([by_id("one"), by_id("two"), by_id("two"), { "userId": "alice", "imageUrl": image_url(C), "ifExists": "UPDATE" }]);
    let answer = app.run(CREATE_MANY, json!({ "input": inputs })).await;
    let told = |field: &str| {
        let results = answer["createImages"]["results"]
            .as_array()
            .expect("results");
        Value::from(
            results
                .iter()
                .map(|result| result[field].clone())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(told("updated"), json!([true, true, false, false]));
    assert_eq!(told("created"), json!([false, false, false, true]));
    let events = "query($id: ID!) { galleryEvents(imageId: $id) { nodes { type } } }";
    let events = app.run(events, json!({ "id": A })).await;
    assert_eq!(
        events["galleryEvents"]["nodes"].as_array().map(Vec::len),
        Some(5)
    );
}

#[apply(each_database!)]
async fn if_exists_update_is_refused_in_the_trash_over_the_limits_and_on_anothers_url(
    app: TestApp,
) {
    create(
        &app,
        json!({ "userId": "bob", "imageUrl": image_url(B), "originalPrompt": "bob's" }),
    )
    .await;
    create(
        &app,
        input(
            A,
            "task:1",
            json!({ "metadata": { "a": "x".repeat(60_000) } }),
        ),
    )
    .await;
    let update = |id: &str, more: Value| {
        let mut input = input(id, "task:1", more);
        input["ifExists"] = json!("UPDATE");
        create(&app, input)
    };
    let refused = |code: &str, field: &str| json!([{ "code": code, "path": ["input", field] }]);
    let large = update(A, json!({ "metadata": { "b": "x".repeat(10_000) } })).await;
    assert_eq!(large["userErrors"], refused("INVALID_METADATA", "metadata"));
    let taken = update(B, json!({})).await;
    assert_eq!(taken["userErrors"], refused("IMAGE_ID_TAKEN", "imageUrl"));
    assert_eq!(taken["image"], Value::Null);
    app.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": A }),
    )
    .await;
    let deleted = update(C, json!({})).await;
    assert_eq!(deleted["userErrors"], refused("IMAGE_DELETED", "onceKey"));
    assert_eq!(deleted["image"]["id"], json!(A));
    let by_url = json!({ "userId": "alice", "imageUrl": image_url(A), "ifExists": "UPDATE" });
    assert_eq!(
        create(&app, by_url).await["userErrors"],
        refused("IMAGE_DELETED", "imageUrl")
    );
    let bob = json!({ "userId": "alice", "imageUrl": image_url(B), "ifExists": "UPDATE", "originalPrompt": "alice's" });
    assert_eq!(
        create(&app, bob).await["userErrors"],
        refused("IMAGE_ID_TAKEN", "imageUrl")
    );
    let read = app
        .run(
            "query($id: ID!) { image(id: $id) { originalPrompt } }",
            json!({ "id": B }),
        )
        .await;
    assert_eq!(read["image"]["originalPrompt"], json!("bob's"));
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_key_is_its_owners_alone(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mine = |key: &str| json!({ "input": { "imageUrl": new_url(), "onceKey": key } });
    let of_alice = alice.run(CREATE, mine("task:1")).await;
    let of_bob = bob.run(CREATE, mine("task:1")).await;
    assert_eq!(of_bob["createImage"]["created"], json!(true));
    assert_ne!(
        of_bob["createImage"]["image"]["id"],
        of_alice["createImage"]["image"]["id"]
    );
    // A worker's key is the owner's whom it names.
    let named =
        json!({ "input": { "userId": "alice", "imageUrl": new_url(), "onceKey": "task:1" } });
    let by_worker = app.worker().run(CREATE, named.clone()).await;
    assert_eq!(by_worker["createImage"]["created"], json!(false));
    assert_eq!(
        by_worker["createImage"]["image"],
        of_alice["createImage"]["image"]
    );
    assert_eq!(bob.graphql(CREATE, named).await.error_code(), "FORBIDDEN");
}

/// An image that got a new URL under its key is found by that URL too, by its owner alone.
#[apply(each_database!)]
async fn a_url_given_under_a_key_is_stored(app: TestApp) {
    create(&app, input(A, "task:1", json!({}))).await;
    let updated = create(&app, input(B, "task:1", json!({ "ifExists": "UPDATE" }))).await;
    assert_eq!(
        (&updated["image"]["id"], &updated["image"]["imageUrl"]),
        (&json!(A), &json!(image_url(B)))
    );
    let again = create(&app, json!({ "userId": "alice", "imageUrl": image_url(B) })).await;
    assert_eq!(
        (&again["created"], &again["image"]["id"]),
        (&json!(false), &json!(A))
    );
    let by_bob = json!({ "userId": "bob", "imageUrl": image_url(B) });
    let taken = json!([{ "code": "IMAGE_ID_TAKEN", "path": ["input", "imageUrl"] }]);
    assert_eq!(create(&app, by_bob.clone()).await["userErrors"], taken);
    // By another way of storing: with a key, and in a batch.
    let with_key = json!({ "userId": "bob", "imageUrl": image_url(B), "onceKey": "b" });
    assert_eq!(create(&app, with_key).await["userErrors"], taken);
    let batch = json!({ "input": [by_bob, { "userId": "alice", "imageUrl": image_url(B) }, { "userId": "bob", "imageUrl": image_url(C) }] });
    let batch = app.run(CREATE_MANY, batch).await;
    let results = &batch["createImages"]["results"];
    assert_eq!(results[0]["userErrors"][0]["code"], "IMAGE_ID_TAKEN");
    assert_eq!(results[1]["image"]["id"], A);
    assert_eq!(results[2]["created"], true);
    // Nor does an image of bob's take the URL under its key.
    let key_of_bob = json!({ "userId": "bob", "imageUrl": image_url(C), "onceKey": "c" });
    create(&app, key_of_bob).await;
    let update =
        json!({ "userId": "bob", "imageUrl": image_url(B), "onceKey": "c", "ifExists": "UPDATE" });
    assert_eq!(create(&app, update).await["userErrors"], taken);
    assert_eq!(total(&app).await, 2);
    // The URL is free again once the image has another one.
    create(&app, input(A, "task:1", json!({ "ifExists": "UPDATE" }))).await;
    let free = create(&app, json!({ "userId": "bob", "imageUrl": image_url(B) })).await;
    assert_eq!(free["created"], true);
}

/// Rows of other applications may have ids that are not in their URLs.
#[apply(each_database!)]
async fn a_url_of_another_applications_row_is_stored(app: TestApp) {
    let row = format!(
        "INSERT INTO image_gallery (image_id, user_id, image_url, metadata, created_at, updated_at)
         VALUES ({}, 'alice', '{}', '{{}}', '2026-01-15T10:30:00.123456Z', '2026-01-15T10:30:00.123456Z')",
        id_literal(&app, A.parse().expect("an id")),
        image_url(B)
    );
    app.db_execute(&row).await;
    for more in [
        json!({}),
        json!({ "ifExists": "UPDATE", "refinedPrompt": "p" }),
        json!({ "onceKey": "k" }),
    ] {
        let mut input = json!({ "userId": "alice", "imageUrl": image_url(B) });
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        let found = create(&app, input.clone()).await;
        assert_eq!(
            (&found["created"], &found["image"]["id"]),
            (&json!(false), &json!(A)),
            "{input}"
        );
    }
    let by_bob = create(&app, json!({ "userId": "bob", "imageUrl": image_url(B) })).await;
    assert_eq!(by_bob["userErrors"][0]["code"], "IMAGE_ID_TAKEN");
    assert_eq!(total(&app).await, 1);
}
