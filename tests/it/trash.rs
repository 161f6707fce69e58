//! `softDeleteImage(s)`, `restoreImage(s)`, `purgeImage(s)`.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, each_database};

const MISSING: &str = "99999999-9999-4999-8999-999999999999";

async fn one(app: &TestApp, verb: &str, id: &str) -> Value {
    let fields = if verb.starts_with("purge") {
        "purgedId"
    } else {
        "image { id deletedAt updatedAt }"
    };
    let mutation = format!(
        "mutation($id: ID!) {{ it: {verb}(id: $id) {{ changed {fields} userErrors {{ code path }} }} }}"
    );
    app.run(&mutation, json!({ "id": id })).await["it"].take()
}

async fn many(app: &TestApp, verb: &str, ids: &[&str]) -> Value {
    let fields = if verb.starts_with("purge") {
        "purgedIds"
    } else {
        "images { id }"
    };
    let mutation = format!(
        "mutation($ids: [ID!]!) {{ it: {verb}(ids: $ids) {{ {fields} userErrors {{ code path }} }} }}"
    );
    app.run(&mutation, json!({ "ids": ids })).await["it"].take()
}

async fn counts(app: &TestApp) -> (i64, i64) {
    let counts = app
        .run(
            "{ images { totalCount } deletedImages { totalCount } }",
            json!({}),
        )
        .await;
    let count = |list: &str| counts[list]["totalCount"].as_i64().expect("a count");
    (count("images"), count("deletedImages"))
}

fn error(code: &str, path: &Value) -> Value {
    json!([{ "code": code, "path": path }])
}

#[apply(each_database!)]
async fn an_image_is_soft_deleted_restored_and_purged(app: TestApp) {
    let id = &app.user("alice").create_image().await;
    let deleted = one(&app, "softDeleteImage", id).await;
    assert_eq!(deleted["changed"], json!(true));
    assert!(deleted["image"]["deletedAt"].is_string());
    assert_eq!(counts(&app).await, (0, 1));

    let again = one(&app, "softDeleteImage", id).await;
    assert_eq!(
        (&again["changed"], &again["image"]),
        (&json!(false), &deleted["image"])
    );

    let restored = one(&app, "restoreImage", id).await;
    assert_eq!(
        (&restored["changed"], &restored["image"]["deletedAt"]),
        (&json!(true), &Value::Null)
    );
    assert!(restored["image"]["updatedAt"].as_str() > deleted["image"]["updatedAt"].as_str());
    let again = one(&app, "restoreImage", id).await;
    assert_eq!(
        (&again["changed"], &again["image"]),
        (&json!(false), &restored["image"])
    );

    let active = one(&app, "purgeImage", id).await;
    assert_eq!(
        active,
        json!({ "changed": false, "purgedId": null, "userErrors": error("IMAGE_NOT_DELETED", &json!(["id"])) })
    );
    one(&app, "softDeleteImage", id).await;
    let purged = one(&app, "purgeImage", id).await;
    assert_eq!(
        purged,
        json!({ "changed": true, "purgedId": id, "userErrors": [] })
    );
    let again = one(&app, "purgeImage", id).await;
    assert_eq!(
        again,
        json!({ "changed": false, "purgedId": id, "userErrors": [] })
    );
    assert_eq!(counts(&app).await, (0, 0));
}

#[apply(each_database!)]
async fn force_purges_an_active_image(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let purged = app
        .run(
            "mutation($id: ID!) { purgeImage(id: $id, force: true) { purgedId } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(purged["purgeImage"]["purgedId"], json!(id));
}

#[apply(each_database!)]
async fn unknown_images_are_not_found(app: TestApp) {
    for verb in ["softDeleteImage", "restoreImage", "purgeImage"] {
        for id in [MISSING, "", "no id", "99999999999949998999999999999999"] {
            let answer = one(&app, verb, id).await;
            assert_eq!(
                answer["userErrors"],
                error("IMAGE_NOT_FOUND", &json!(["id"])),
                "{verb} {id}"
            );
            assert_eq!(answer["changed"], json!(false));
        }
    }
}

#[apply(each_database!)]
async fn a_batch_succeeds_partially_and_reports_the_rest(app: TestApp) {
    let alice = app.user("alice");
    let (a, b, c) = (
        alice.create_image().await,
        alice.create_image().await,
        alice.create_image().await,
    );
    one(&app, "softDeleteImage", &b).await;
    let upper = a.to_uppercase();
    let answer = many(
        &app,
        "softDeleteImages",
        &[&c, MISSING, &a, "no id", &upper, &b, MISSING],
    )
    .await;
    assert_eq!(
        answer["images"],
        json!([{ "id": c }, { "id": a }, { "id": b }])
    );
    assert_eq!(
        answer["userErrors"],
        json!([
            { "code": "IMAGE_NOT_FOUND", "path": ["ids", "1"] },
            { "code": "IMAGE_NOT_FOUND", "path": ["ids", "3"] },
        ])
    );
    let answer = many(&app, "restoreImages", &[&a, &b]).await;
    assert_eq!(
        answer,
        json!({ "images": [{ "id": a }, { "id": b }], "userErrors": [] })
    );
    let answer = many(&app, "purgeImages", &[&a, &c, &c]).await;
    assert_eq!(
        answer,
        json!({ "purgedIds": [c], "userErrors": error("IMAGE_NOT_DELETED", &json!(["ids", "0"])) })
    );
    let answer = many(&app, "purgeImages", &[MISSING, &c, &a, &c.to_uppercase()]).await;
    assert_eq!(
        answer,
        json!({ "purgedIds": [c], "userErrors": [
            { "code": "IMAGE_NOT_FOUND", "path": ["ids", "0"] },
            { "code": "IMAGE_NOT_DELETED", "path": ["ids", "2"] },
        ] })
    );
    let forced = app
        .run(
            "mutation($ids: [ID!]!) { purgeImages(ids: $ids, force: true) { purgedIds } }",
            json!({ "ids": [b, a] }),
        )
        .await;
    assert_eq!(forced["purgeImages"]["purgedIds"], json!([b, a]));
    assert_eq!(
        many(&app, "softDeleteImages", &[]).await,
        json!({ "images": [], "userErrors": [] })
    );
}

#[apply(each_database!)]
async fn more_than_a_hundred_ids_are_too_many_and_nothing_is_done(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let ids = vec![id.as_str(); 101];
    for (verb, done) in [
        ("softDeleteImages", "images"),
        ("restoreImages", "images"),
        ("purgeImages", "purgedIds"),
    ] {
        let answer = many(&app, verb, &ids).await;
        assert_eq!(
            answer,
            json!({ done: [], "userErrors": error("TOO_MANY_ITEMS", &json!(["ids"])) }),
            "{verb}"
        );
    }
    assert_eq!(counts(&app).await, (1, 0));
}

#[apply(each_database!)]
async fn overlapping_batches_all_complete(app: TestApp) {
    let alice = app.user("alice");
    let ids = join_all((0..40).map(|_| alice.create_image())).await;
    let forwards: Vec<&str> = ids.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = forwards.iter().rev().copied().collect();
    let turns = (0..24).map(|turn| {
        let verb = if turn % 3 == 0 {
            "restoreImages"
        } else {
            "softDeleteImages"
        };
        many(
            &app,
            verb,
            if turn % 2 == 0 { &forwards } else { &backwards },
        )
    });
    for answer in join_all(turns).await {
        assert_eq!(
            answer["images"].as_array().map(Vec::len),
            Some(40),
            "{answer}"
        );
    }
    let (active, deleted) = counts(&app).await;
    assert!(
        (active, deleted) == (40, 0) || (active, deleted) == (0, 40),
        "a batch is done as one"
    );
}
