//! `createImage`, `createImages`: idempotent by the id in the URL.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, each_database, image_url};

const CREATE: &str = "mutation($input: CreateImageInput!) { createImage(input: $input) {
    created image { id userId imageUrl originalPrompt deletedAt } userErrors { code path } } }";
const CREATE_MANY: &str = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) {
    results { created image { id userId } userErrors { code path } } userErrors { code path } } }";

const A: &str = "11111111-1111-4111-8111-111111111111";
const B: &str = "22222222-2222-4222-8222-222222222222";

async fn create(app: &TestApp, input: Value) -> Value {
    app.run(CREATE, json!({ "input": input })).await["createImage"].take()
}

async fn create_many(app: &TestApp, input: Value) -> Value {
    app.run(CREATE_MANY, json!({ "input": input })).await["createImages"].take()
}

async fn total(app: &TestApp) -> Value {
    let counts = "{ images { totalCount } deletedImages { totalCount } }";
    app.run(counts, json!({})).await
}

fn refused(code: &str, path: &Value) -> Value {
    json!({ "created": false, "image": null, "userErrors": [{ "code": code, "path": path }] })
}

#[apply(each_database!)]
async fn storing_a_url_again_gives_the_same_image_unchanged(app: TestApp) {
    let input = json!({ "userId": "alice", "imageUrl": image_url(A), "originalPrompt": "first" });
    let first = create(&app, input).await;
    assert_eq!(first["created"], json!(true));
    assert_eq!(first["image"]["id"], json!(A));
    for url in [
        image_url(A),
        image_url(&A.to_uppercase()),
        format!("https://res.cloudinary.com/other/{A}"),
    ] {
        let input = json!({ "userId": "alice", "imageUrl": url, "originalPrompt": "again" });
        let again = create(&app, input).await;
        assert_eq!(again["created"], json!(false), "{url}");
        assert_eq!(again["image"], first["image"], "{url}");
    }
}

#[apply(each_database!)]
async fn an_image_in_the_trash_is_returned_unchanged(app: TestApp) {
    let alice = app.user("alice");
    let image = alice.create(json!({})).await;
    alice
        .run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": image["id"] }),
        )
        .await;
    let again = create(
        &app,
        json!({ "userId": "alice", "imageUrl": image["imageUrl"] }),
    )
    .await;
    assert_eq!(again["created"], json!(false));
    assert!(again["image"]["deletedAt"].is_string());
}

#[apply(each_database!)]
async fn the_id_of_another_owner_is_taken_and_nothing_of_it_is_shown(app: TestApp) {
    create(&app, json!({ "userId": "alice", "imageUrl": image_url(A) })).await;
    let refusal = create(&app, json!({ "userId": "bob", "imageUrl": image_url(A) })).await;
    assert_eq!(
        refusal,
        refused("IMAGE_ID_TAKEN", &json!(["input", "imageUrl"]))
    );
}

#[apply(each_database!)]
async fn fifty_concurrent_creates_store_one_image(app: TestApp) {
    let input = json!({ "userId": "alice", "imageUrl": image_url(A) });
    let answers = join_all((0..50).map(|_| create(&app, input.clone()))).await;
    let created = answers
        .iter()
        .filter(|answer| answer["created"] == json!(true))
        .count();
    assert_eq!(created, 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer["image"] == answers[0]["image"])
    );
    assert_eq!(total(&app).await["images"]["totalCount"], json!(1));
}

#[apply(each_database!)]
async fn overlapping_batches_do_not_deadlock(app: TestApp) {
    let urls: Vec<String> = (0..60)
        .map(|number| image_url(&format!("{number:08x}-0000-4000-8000-000000000000")))
        .collect();
    let forwards: Vec<Value> = urls
        .iter()
        .map(|url| json!({ "userId": "alice", "imageUrl": url }))
        .collect();
    let backwards: Vec<Value> = forwards.iter().rev().cloned().collect();
    let answers = join_all((0..16).map(|turn| {
        create_many(
            &app,
            json!(if turn % 2 == 0 { &forwards } else { &backwards }),
        )
    }))
    .await;
    let results = answers
        .iter()
        .flat_map(|answer| answer["results"].as_array().expect("results"));
    assert_eq!(
        results
            .filter(|result| result["created"] == json!(true))
            .count(),
        60
    );
    assert_eq!(total(&app).await["images"]["totalCount"], json!(60));
}

#[apply(each_database!)]
async fn one_bad_input_does_not_stop_the_others(app: TestApp) {
    let answer = create_many(
        &app,
        json!([
            { "userId": "alice", "imageUrl": image_url(A) },
            { "userId": "alice", "imageUrl": "https://res.cloudinary.com/demo/cat.png" },
            { "userId": "bob", "imageUrl": image_url(A) },
            { "userId": "alice", "imageUrl": image_url(A) },
            { "userId": " ", "imageUrl": "http://x", "metadata": [] },
            { "userId": "bob", "imageUrl": image_url(B) },
        ]),
    )
    .await;
    assert_eq!(answer["userErrors"], json!([]));
    let image = |id: &str, owner: &str| json!({ "id": id, "userId": owner });
    assert_eq!(
        answer["results"],
        json!([
            { "created": true, "image": image(A, "alice"), "userErrors": [] },
            refused("UUID_NOT_FOUND", &json!(["input", "1", "imageUrl"])),
            refused("IMAGE_ID_TAKEN", &json!(["input", "2", "imageUrl"])),
            { "created": false, "image": image(A, "alice"), "userErrors": [] },
            { "created": false, "image": null, "userErrors": [
                { "code": "INVALID_USER_ID", "path": ["input", "4", "userId"] },
                { "code": "INVALID_IMAGE_URL", "path": ["input", "4", "imageUrl"] },
                { "code": "INVALID_METADATA", "path": ["input", "4", "metadata"] },
            ] },
            { "created": true, "image": image(B, "bob"), "userErrors": [] },
        ])
    );
}

#[apply(each_database!)]
async fn more_than_a_hundred_are_too_many_and_none_is_stored(app: TestApp) {
    let input = |count: u32| {
        let images = (0..count).map(|number| json!({ "userId": "a", "imageUrl": image_url(&format!("{number:08x}-0000-4000-8000-000000000000")) }));
        Value::Array(images.collect())
    };
    let answer = create_many(&app, input(101)).await;
    assert_eq!(
        answer,
        json!({ "results": [], "userErrors": [{ "code": "TOO_MANY_ITEMS", "path": ["input"] }] })
    );
    assert_eq!(total(&app).await["images"]["totalCount"], json!(0));
    let answer = create_many(&app, input(100)).await;
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(100));
    assert_eq!(
        create_many(&app, json!([])).await,
        json!({ "results": [], "userErrors": [] })
    );
}

/// The Django application used the first UUID in a URL.
#[apply(each_database!)]
async fn a_row_under_another_uuid_of_its_url_is_the_image(app: TestApp) {
    let url = format!("https://res.cloudinary.com/demo/image/upload/{A}/{B}.png");
    app.user("alice")
        .create(json!({ "imageUrl": image_url(A) }))
        .await;
    app.db_execute(&format!("UPDATE image_gallery SET image_url = '{url}'"))
        .await;
    let found = create(&app, json!({ "userId": "alice", "imageUrl": url })).await;
    assert_eq!(
        (&found["created"], &found["image"]["id"]),
        (&json!(false), &json!(A))
    );
    // For another owner the URL is taken.
    let taken = create(&app, json!({ "userId": "bob", "imageUrl": url })).await;
    assert_eq!(taken["userErrors"][0]["code"], "IMAGE_ID_TAKEN");
    // With another URL, the image is the one that the URL identifies.
    let url = url.replace(".png", ".jpg");
    let other = create(&app, json!({ "userId": "bob", "imageUrl": url })).await;
    assert_eq!(
        (&other["created"], &other["image"]["id"]),
        (&json!(true), &json!(B))
    );
}

#[apply(each_database!)]
async fn of_two_rows_with_one_url_the_exact_match_is_the_image(app: TestApp) {
    let (first, second) = (
        "33333333-3333-4333-8333-333333333333",
        "44444444-4444-4444-8444-444444444444",
    );
    let url = format!("https://res.cloudinary.com/demo/image/upload/{first}/{second}.png");
    for id in [first, second] {
        app.user("alice")
            .create(json!({ "imageUrl": image_url(id) }))
            .await;
    }
    app.db_execute(&format!(
        "UPDATE image_gallery SET image_url = '{url}' WHERE image_url = '{}'",
        image_url(first)
    ))
    .await;
    let again = create(&app, json!({ "userId": "alice", "imageUrl": url })).await;
    assert_eq!(
        (&again["image"]["id"], &again["created"]),
        (&json!(first), &json!(false))
    );
}

#[apply(each_database!)]
async fn a_disconnect_does_not_cancel_a_write(app: TestApp) {
    let batch = |turn: u32| {
        let images = (0..20).map(|number| json!({ "userId": format!("user{turn}"), "imageUrl": image_url(&format!("{turn:08x}-0000-4000-8000-{number:012x}")) }));
        json!({ "query": CREATE_MANY, "variables": { "input": images.collect::<Vec<_>>() } })
    };
    for turn in 0..20 {
        let request = app
            .client()
            .post(format!("{}/graphql", app.url()))
            .json(&batch(turn))
            .send();
        let patience = std::time::Duration::from_micros(u64::from(turn) * 500);
        let _ = tokio::time::timeout(patience, request).await;
    }
    // The last change queues behind the abandoned ones.
    create(&app, json!({ "userId": "alice", "imageUrl": image_url(A) })).await;
    for turn in 0..20 {
        let count = app
            .run(
                "query($user: String!) { images(userId: $user) { totalCount } }",
                json!({ "user": format!("user{turn}") }),
            )
            .await;
        let count = count["images"]["totalCount"].as_i64().expect("a count");
        assert!(count == 0 || count == 20, "{count} of 20 are stored");
    }
}
