//! `updateImage`: absent fields are unchanged, null clears, and `updatedAt` moves forward if something changed.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestDatabase, each_database, image_url};

const UPDATE: &str = "mutation($input: UpdateImageInput!) { updateImage(input: $input) {
    image { id imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt }
    userErrors { code path } } }";

async fn update(app: &TestApp, id: &Value, changes: Value) -> Value {
    let mut input = json!({ "id": id });
    let changes = changes.as_object().expect("an object").clone();
    input.as_object_mut().expect("an object").extend(changes);
    app.run(UPDATE, json!({ "input": input })).await["updateImage"].take()
}

async fn stored(app: &TestApp) -> Value {
    app.user("alice")
        .create(json!({ "originalPrompt": "o", "refinedPrompt": "r", "intent": "EDIT", "metadata": { "a": 1, "b": { "c": 2 } } }))
        .await
}

fn text<'a>(image: &'a Value, field: &str) -> &'a str {
    image[field].as_str().expect("a text")
}

#[apply(each_database!)]
async fn absent_is_unchanged_and_null_clears(app: TestApp) {
    let before = stored(&app).await;
    let cases = [
        (
            json!({ "originalPrompt": "new" }),
            "originalPrompt",
            json!("new"),
        ),
        (
            json!({ "originalPrompt": null }),
            "originalPrompt",
            Value::Null,
        ),
        (json!({ "refinedPrompt": "" }), "refinedPrompt", json!("")),
        (
            json!({ "intent": "ENHANCE" }),
            "intentLabel",
            json!("enhance"),
        ),
        (
            json!({ "intent": null, "intentLabel": "Mine" }),
            "intentLabel",
            json!("mine"),
        ),
        (
            json!({ "intent": "EDIT", "intentLabel": null }),
            "intentLabel",
            json!("edit"),
        ),
        (json!({ "intentLabel": null }), "intentLabel", Value::Null),
        (
            json!({ "metadata": { "z": [] } }),
            "metadata",
            json!({ "z": [] }),
        ),
        (
            json!({ "metadataPatch": { "z": null, "y": { "x": 1 } } }),
            "metadata",
            json!({ "y": { "x": 1 } }),
        ),
        (json!({ "metadata": null }), "metadata", json!({})),
    ];
    let mut expected = before.clone();
    for (changes, field, value) in cases {
        let answer = update(&app, &before["id"], changes.clone()).await;
        assert_eq!(answer["userErrors"], json!([]), "{changes}");
        expected[field] = value;
        for field in [
            "imageUrl",
            "originalPrompt",
            "refinedPrompt",
            "intentLabel",
            "metadata",
            "createdAt",
        ] {
            assert_eq!(
                answer["image"][field], expected[field],
                "{field} after {changes}"
            );
        }
        assert!(
            text(&answer["image"], "updatedAt") > text(&expected, "updatedAt"),
            "{changes}"
        );
        expected["updatedAt"] = answer["image"]["updatedAt"].clone();
    }
}

#[apply(each_database!)]
async fn updates_without_changes_keep_updated_at(app: TestApp) {
    let before = stored(&app).await;
    for changes in [
        json!({}),
        json!({ "originalPrompt": "o", "intent": "EDIT", "imageUrl": before["imageUrl"] }),
        json!({ "imageUrl": null, "metadataPatch": null, "ifUpdatedAt": null }),
        json!({ "metadata": { "b": { "c": 2 }, "a": 1 } }),
        json!({ "metadataPatch": { "missing": null } }),
    ] {
        let answer = update(&app, &before["id"], changes.clone()).await;
        assert_eq!(
            answer["image"]["updatedAt"], before["updatedAt"],
            "{changes}"
        );
        assert_eq!(answer["userErrors"], json!([]), "{changes}");
    }
}

#[apply(each_database!)]
async fn a_variable_that_was_not_sent_leaves_its_field(app: TestApp) {
    let before = stored(&app).await;
    let mutation = "mutation($id: ID!, $original: String, $refined: String) {
            updateImage(input: { id: $id, originalPrompt: $original, refinedPrompt: $refined }) { image { originalPrompt refinedPrompt } } }";
    let answer = app
        .run(mutation, json!({ "id": before["id"], "refined": null }))
        .await;
    assert_eq!(
        answer["updateImage"]["image"],
        json!({ "originalPrompt": "o", "refinedPrompt": null })
    );
}

#[apply(each_database!)]
async fn updated_at_moves_forward_from_a_future_value(app: TestApp) {
    let before = stored(&app).await;
    for (stored, forward) in [
        ("2999-12-31T23:59:59.000009Z", "2999-12-31T23:59:59.000010Z"),
        ("2999-12-31T23:59:59.999999Z", "3000-01-01T00:00:00.000000Z"),
    ] {
        app.db_execute(&format!("UPDATE image_gallery SET updated_at = '{stored}'"))
            .await;
        let prompt = json!({ "refinedPrompt": stored });
        assert_eq!(
            update(&app, &before["id"], prompt).await["image"]["updatedAt"],
            json!(forward)
        );
        app.db_execute(&format!("UPDATE image_gallery SET updated_at = '{stored}'"))
            .await;
        let moved = app
            .run(
                "mutation($id: ID!) { softDeleteImage(id: $id) { image { updatedAt } } }",
                json!({ "id": before["id"] }),
            )
            .await;
        assert_eq!(
            moved["softDeleteImage"]["image"]["updatedAt"],
            json!(forward)
        );
        app.db_execute(&format!("UPDATE image_gallery SET updated_at = '{stored}'"))
            .await;
        app.run(
            "mutation { restoreTrash(all: true) { restoredCount } }",
            json!({}),
        )
        .await;
        let read = app
            .run(
                "query($id: ID!) { image(id: $id) { updatedAt } }",
                json!({ "id": before["id"] }),
            )
            .await;
        assert_eq!(read["image"]["updatedAt"], json!(forward));
    }
}

#[apply(each_database!)]
async fn only_the_first_of_two_that_read_the_same_state_changes_it(app: TestApp) {
    let before = stored(&app).await;
    let with =
        |prompt: &str| json!({ "refinedPrompt": prompt, "ifUpdatedAt": before["updatedAt"] });
    let first = update(&app, &before["id"], with("first")).await;
    assert_eq!(first["image"]["refinedPrompt"], json!("first"));
    let second = update(&app, &before["id"], with("second")).await;
    assert_eq!(
        second["userErrors"],
        json!([{ "code": "CONFLICT", "path": ["input", "ifUpdatedAt"] }])
    );
    assert_eq!(second["image"], first["image"]);
    let many = (0..20).map(|turn| {
            let changes = json!({ "refinedPrompt": format!("{turn}"), "ifUpdatedAt": first["image"]["updatedAt"] });
            update(&app, &before["id"], changes)
        });
    let answers = futures_util::future::join_all(many).await;
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer["userErrors"] == json!([]))
            .count(),
        1
    );
}

#[apply(each_database!)]
async fn an_updated_at_outside_rfc_3339_is_no_conflict_when_sent_as_printed(app: TestApp) {
    let before = stored(&app).await;
    let instants: &[&str] = match app.database() {
        TestDatabase::Postgres(_) => &[
            "infinity",
            "-infinity",
            "0044-03-15 12:00:00+00 BC",
            "11111-01-01T00:00:00Z",
        ],
        TestDatabase::Sqlite(_) => &["2026-01-15 10:30:00.1", "soon"],
    };
    for (turn, instant) in instants.iter().enumerate() {
        app.db_execute(&format!(
            "UPDATE image_gallery SET updated_at = '{instant}'"
        ))
        .await;
        let read = app
            .run(
                "query($id: ID!) { image(id: $id) { updatedAt } }",
                json!({ "id": before["id"] }),
            )
            .await;
        let changes = json!({ "refinedPrompt": format!("{turn}"), "ifUpdatedAt": read["image"]["updatedAt"] });
        let answer = update(&app, &before["id"], changes).await;
        assert_eq!(answer["userErrors"], json!([]), "{instant}");
        assert_eq!(
            answer["image"]["refinedPrompt"],
            json!(format!("{turn}")),
            "{instant}"
        );
    }
    let other = update(
        &app,
        &before["id"],
        json!({ "refinedPrompt": "x", "ifUpdatedAt": "2020-01-01T00:00:00Z" }),
    )
    .await;
    assert_eq!(other["userErrors"][0]["code"], json!("CONFLICT"));
}

#[apply(each_database!)]
async fn an_image_keeps_its_id_when_its_url_changes(app: TestApp) {
    let before = stored(&app).await;
    let id = text(&before, "id");
    let newer = format!("https://res.cloudinary.com/demo/image/upload/v2/{id}.webp");
    let answer = update(&app, &before["id"], json!({ "imageUrl": newer })).await;
    assert_eq!(answer["image"]["imageUrl"], json!(newer));
    for (url, code) in [
        (
            image_url("22222222-2222-4222-8222-222222222222"),
            "INVALID_IMAGE_URL",
        ),
        (image_url("cat"), "UUID_NOT_FOUND"),
        ("nonsense".to_owned(), "INVALID_IMAGE_URL"),
    ] {
        let answer = update(&app, &before["id"], json!({ "imageUrl": url })).await;
        assert_eq!(
            answer["userErrors"],
            json!([{ "code": code, "path": ["input", "imageUrl"] }])
        );
    }
}

#[apply(each_database!)]
async fn errors_are_in_the_order_of_the_fields(app: TestApp) {
    let before = stored(&app).await;
    let missing = json!("99999999-9999-4999-8999-999999999999");
    let wrong = json!({ "originalPrompt": "\0", "metadata": {}, "metadataPatch": {}, "ifUpdatedAt": "2020-01-01T00:00:00Z" });
    let input_errors = json!([
        { "code": "INVALID_TEXT", "path": ["input", "originalPrompt"] },
        { "code": "INVALID_METADATA", "path": ["input", "metadataPatch"] },
    ]);
    assert_eq!(
        update(&app, &missing, wrong.clone()).await["userErrors"],
        input_errors
    );
    let not_found = json!([{ "code": "IMAGE_NOT_FOUND", "path": ["input", "id"] }]);
    let other_url = json!({ "imageUrl": image_url("88888888-8888-4888-8888-888888888888") });
    for id in [&missing, &json!("no id"), &before["id"]] {
        let refused = update(&app, id, other_url.clone()).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": "INVALID_IMAGE_URL", "path": ["input", "imageUrl"] }]),
            "{id}"
        );
    }
    for id in [missing, json!("no id")] {
        assert_eq!(
            update(&app, &id, json!({ "ifUpdatedAt": "2020-01-01T00:00:00Z" })).await["userErrors"],
            not_found
        );
    }
    app.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": before["id"] }),
    )
    .await;
    assert_eq!(
        update(&app, &before["id"], wrong).await["userErrors"],
        input_errors
    );
    let deleted = update(
        &app,
        &before["id"],
        json!({ "refinedPrompt": "x", "ifUpdatedAt": "2020-01-01T00:00:00Z" }),
    )
    .await;
    assert_eq!(
        deleted["userErrors"],
        json!([{ "code": "IMAGE_DELETED", "path": ["input", "id"] }])
    );
    assert_eq!(deleted["image"]["refinedPrompt"], json!("r"));
    assert!(deleted["image"]["deletedAt"].is_string());
}

#[apply(each_database!)]
async fn the_result_of_a_patch_is_checked_against_the_limits(app: TestApp) {
    let before = stored(&app).await;
    update(
        &app,
        &before["id"],
        json!({ "metadata": { "a": "x".repeat(60_000) } }),
    )
    .await;
    let patch = json!({ "metadataPatch": { "b": "x".repeat(10_000) } });
    let refused = update(&app, &before["id"], patch).await;
    assert_eq!(
        refused["userErrors"],
        json!([{ "code": "INVALID_METADATA", "path": ["input", "metadataPatch"] }])
    );
    let patch = json!({ "metadataPatch": { "a": null, "b": "x".repeat(10_000) } });
    assert_eq!(
        update(&app, &before["id"], patch).await["userErrors"],
        json!([])
    );
    for (patch, code) in [
        (json!([]), "INVALID_METADATA"),
        (json!("x"), "INVALID_METADATA"),
        (json!({ "a": "\0" }), "INVALID_TEXT"),
    ] {
        let refused = update(&app, &before["id"], json!({ "metadataPatch": patch })).await;
        assert_eq!(refused["userErrors"][0]["code"], json!(code));
    }
}

#[apply(each_database!)]
async fn a_patch_changes_no_other_numbers(app: TestApp) {
    let before = stored(&app).await;
    let numbers = r#"{"huge": 1e400, "long": 0.1234567890123456789012345, "in": {"big": 123456789012345678901234567890, "x": 1}}"#;
    app.db_execute(&format!("UPDATE image_gallery SET metadata = '{numbers}'"))
        .await;
    let patch = json!({ "metadataPatch": { "in": { "x": 2 }, "new": [true], "gone": null } });
    let answer = update(&app, &before["id"], patch).await;
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(
        (
            &answer["image"]["metadata"]["in"]["x"],
            &answer["image"]["metadata"]["new"]
        ),
        (&json!(2), &json!([true]))
    );
    let text = app
        .db_query_text("SELECT CAST(metadata AS TEXT) FROM image_gallery")
        .await
        .expect("a text");
    for digits in [
        "0.1234567890123456789012345",
        "123456789012345678901234567890",
    ] {
        assert!(text.contains(digits), "{digits} in {text}");
    }
    assert!(!text.contains("\"1"), "{text}");
}

#[apply(each_database!)]
async fn a_key_with_u0000_is_refused_though_a_patch_would_take_it_away(app: TestApp) {
    let before = stored(&app).await;
    for patch in [json!({ "a\0": null }), json!({ "a": { "b\0": null } })] {
        let refused = update(&app, &before["id"], json!({ "metadataPatch": patch })).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": "INVALID_TEXT", "path": ["input", "metadataPatch"] }])
        );
    }
}

/// A row of the Django application may have another UUID of its URL as its id than our rule selects.
#[apply(each_database!)]
async fn a_row_under_another_uuid_of_its_url_takes_a_new_version(app: TestApp) {
    let (first, second) = (
        "11111111-1111-4111-8111-111111111111",
        "22222222-2222-4222-8222-222222222222",
    );
    let url = |version: &str| {
        format!("https://res.cloudinary.com/demo/image/upload/{version}/{first}/{second}.png")
    };
    app.user("alice")
        .create(json!({ "imageUrl": image_url(first) }))
        .await;
    app.db_execute(&format!(
        "UPDATE image_gallery SET image_url = '{}'",
        url("v1")
    ))
    .await;
    let answer = update(&app, &json!(first), json!({ "imageUrl": url("v2") })).await;
    assert_eq!(answer["image"]["imageUrl"], json!(url("v2")));
    let answer = update(
        &app,
        &json!(first),
        json!({ "imageUrl": image_url(second) }),
    )
    .await;
    assert_eq!(answer["userErrors"][0]["code"], json!("INVALID_IMAGE_URL"));
}
