//! Every code of `userErrors`, in each mutation that returns it, with the path to the field.

use std::collections::BTreeSet;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{TestApp, each_database, image_url};

const BOBS: &str = "22222222-2222-4222-8222-222222222222";
const NONE: &str = "33333333-3333-4333-8333-333333333333";

fn new_url() -> String {
    image_url(&Uuid::new_v4().to_string())
}

/// Invalid images, with the code and the field.
fn wrong_images() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({ "userId": null }), "INVALID_USER_ID", "userId"),
        (json!({ "userId": " " }), "INVALID_USER_ID", "userId"),
        (json!({ "userId": "a\0" }), "INVALID_TEXT", "userId"),
        (
            json!({ "userId": "x".repeat(256) }),
            "VALUE_TOO_LONG",
            "userId",
        ),
        (
            json!({ "imageUrl": "http://x" }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": image_url("cat") }),
            "UUID_NOT_FOUND",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": image_url(BOBS) }),
            "IMAGE_ID_TAKEN",
            "imageUrl",
        ),
        (
            json!({ "originalPrompt": "\0" }),
            "INVALID_TEXT",
            "originalPrompt",
        ),
        (
            json!({ "originalPrompt": "x".repeat(20_001) }),
            "VALUE_TOO_LONG",
            "originalPrompt",
        ),
        (
            json!({ "refinedPrompt": "\0" }),
            "INVALID_TEXT",
            "refinedPrompt",
        ),
        (
            json!({ "refinedPrompt": "x".repeat(20_001) }),
            "VALUE_TOO_LONG",
            "refinedPrompt",
        ),
        (
            json!({ "intent": "OTHER" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intent": "EDIT", "intentLabel": "mine" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": " " }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "\0" }),
            "INVALID_TEXT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "x".repeat(101) }),
            "VALUE_TOO_LONG",
            "intentLabel",
        ),
        (json!({ "metadata": [] }), "INVALID_METADATA", "metadata"),
        (
            json!({ "metadata": { "a": "\0" } }),
            "INVALID_TEXT",
            "metadata",
        ),
    ]
}

/// Invalid changes of an active image.
fn wrong_changes(trashed: &Value) -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({ "id": "nonsense" }), "IMAGE_NOT_FOUND", "id"),
        (json!({ "id": NONE }), "IMAGE_NOT_FOUND", "id"),
        (
            json!({ "id": trashed, "refinedPrompt": "x" }),
            "IMAGE_DELETED",
            "id",
        ),
        (
            json!({ "ifUpdatedAt": "2020-01-01T00:00:00Z" }),
            "CONFLICT",
            "ifUpdatedAt",
        ),
        (
            json!({ "imageUrl": image_url(NONE) }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": "http://x" }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": image_url("cat") }),
            "UUID_NOT_FOUND",
            "imageUrl",
        ),
        (
            json!({ "originalPrompt": "\0" }),
            "INVALID_TEXT",
            "originalPrompt",
        ),
        (
            json!({ "refinedPrompt": "x".repeat(20_001) }),
            "VALUE_TOO_LONG",
            "refinedPrompt",
        ),
        (
            json!({ "intent": "OTHER" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": " " }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "x".repeat(101) }),
            "VALUE_TOO_LONG",
            "intentLabel",
        ),
        (json!({ "metadata": [] }), "INVALID_METADATA", "metadata"),
        (
            json!({ "metadata": { "a": "\0" } }),
            "INVALID_TEXT",
            "metadata",
        ),
        (
            json!({ "metadataPatch": [] }),
            "INVALID_METADATA",
            "metadataPatch",
        ),
        (
            json!({ "metadataPatch": { "a": "\0" } }),
            "INVALID_TEXT",
            "metadataPatch",
        ),
        (
            json!({ "metadata": {}, "metadataPatch": {} }),
            "INVALID_METADATA",
            "metadataPatch",
        ),
        (
            json!({ "metadataPatch": { "a": "x".repeat(65_536) } }),
            "INVALID_METADATA",
            "metadataPatch",
        ),
    ]
}

/// The errors of a mutation with one argument of this name and type.
async fn errors(app: &TestApp, mutation: &str, argument: (&str, &str), value: Value) -> Value {
    let (name, of) = argument;
    let fields = if mutation == "createImages" {
        "results { userErrors { code path } } userErrors { code path }"
    } else {
        "userErrors { code path }"
    };
    let document = format!("mutation($a: {of}) {{ {mutation}({name}: $a) {{ {fields} }} }}");
    let mut payload = app.run(&document, json!({ "a": value })).await[mutation].take();
    match payload["results"].as_array() {
        Some(results) if !results.is_empty() => results[results.len() - 1]["userErrors"].clone(),
        _ => payload["userErrors"].take(),
    }
}

fn with(whole: &Value, given: &Value) -> Value {
    let mut whole = whole.clone();
    let given = given.as_object().expect("an object").clone();
    whole.as_object_mut().expect("an object").extend(given);
    whole
}

/// Mutations of one image and of several, with an id that they reject.
fn wrong_moves(active: &Value) -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        (
            "softDeleteImage",
            "softDeleteImages",
            json!("nonsense"),
            "IMAGE_NOT_FOUND",
        ),
        (
            "softDeleteImage",
            "softDeleteImages",
            json!(NONE),
            "IMAGE_NOT_FOUND",
        ),
        (
            "restoreImage",
            "restoreImages",
            json!(NONE),
            "IMAGE_NOT_FOUND",
        ),
        ("purgeImage", "purgeImages", json!(NONE), "IMAGE_NOT_FOUND"),
        (
            "purgeImage",
            "purgeImages",
            active.clone(),
            "IMAGE_NOT_DELETED",
        ),
    ]
}

#[apply(each_database!)]
async fn a_user_error_has_the_path_of_its_field(app: TestApp) {
    let alice = app.user("alice");
    app.user("bob")
        .create(json!({ "imageUrl": image_url(BOBS) }))
        .await;
    let active = alice.create(json!({})).await["id"].take();
    let trashed = alice.create(json!({})).await["id"].take();
    assert_eq!(
        errors(&app, "softDeleteImage", ("id", "ID!"), trashed.clone()).await,
        json!([])
    );
    // The last one is of `tags`.
    let mut seen = BTreeSet::from(["TOO_MANY_ITEMS", "INVALID_TAG"]);

    for (wrong, code, field) in wrong_images() {
        let good = || json!({ "userId": "alice", "imageUrl": new_url() });
        let input = with(&good(), &wrong);
        let single = errors(
            &app,
            "createImage",
            ("input", "CreateImageInput!"),
            input.clone(),
        )
        .await;
        assert_eq!(
            single,
            json!([{ "code": code, "path": ["input", field] }]),
            "{wrong}"
        );
        let batch = json!([good(), good(), input]);
        let in_batch = errors(
            &app,
            "createImages",
            ("input", "[CreateImageInput!]!"),
            batch,
        )
        .await;
        assert_eq!(
            in_batch,
            json!([{ "code": code, "path": ["input", "2", field] }]),
            "{wrong}"
        );
        seen.insert(code);
    }
    for (wrong, code, field) in wrong_changes(&trashed) {
        let input = with(&json!({ "id": active }), &wrong);
        let updated = errors(&app, "updateImage", ("input", "UpdateImageInput!"), input).await;
        assert_eq!(
            updated,
            json!([{ "code": code, "path": ["input", field] }]),
            "{wrong}"
        );
        seen.insert(code);
    }
    for (single, batch, id, code) in wrong_moves(&active) {
        let one = errors(&app, single, ("id", "ID!"), id.clone()).await;
        assert_eq!(
            one,
            json!([{ "code": code, "path": ["id"] }]),
            "{single} {id}"
        );
        let several = errors(&app, batch, ("ids", "[ID!]!"), json!(["", id])).await;
        let expected = json!([
            { "code": "IMAGE_NOT_FOUND", "path": ["ids", "0"] },
            { "code": code, "path": ["ids", "1"] },
        ]);
        assert_eq!(several, expected, "{batch} {id}");
        let many = errors(&app, batch, ("ids", "[ID!]!"), json!(vec![NONE; 101])).await;
        assert_eq!(
            many,
            json!([{ "code": "TOO_MANY_ITEMS", "path": ["ids"] }]),
            "{batch}"
        );
        seen.insert(code);
    }
    let many: Vec<_> = (0..101)
        .map(|_| json!({ "userId": "alice", "imageUrl": new_url() }))
        .collect();
    let many = errors(
        &app,
        "createImages",
        ("input", "[CreateImageInput!]!"),
        json!(many),
    )
    .await;
    assert_eq!(
        many,
        json!([{ "code": "TOO_MANY_ITEMS", "path": ["input"] }])
    );

    for wrong in [NONE, "nonsense"] {
        let refused = errors(&app, "undo", ("operationId", "ID!"), json!(wrong)).await;
        let code = "OPERATION_NOT_FOUND";
        assert_eq!(refused, json!([{ "code": code, "path": ["operationId"] }]));
        seen.insert(code);
    }

    let codes = app
        .run(
            "{ __type(name: \"UserErrorCode\") { enumValues { name } } }",
            json!({}),
        )
        .await;
    let codes = codes["__type"]["enumValues"]
        .as_array()
        .expect("the codes")
        .clone();
    let codes: BTreeSet<_> = codes
        .iter()
        .filter_map(|code| code["name"].as_str())
        .collect();
    assert_eq!(seen, codes, "a code has no case here");
}
