//! Each call as the replaced application's front end sends it, with and without the slash at its end.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Caller, assert_error, ids};
use crate::harness::rows::{Row, db_insert};
use crate::harness::{Reply, TestApp, each_database, image_url};

const ID: &str = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b";

fn new_image() -> Value {
    json!({
        "user_id": "alice",
        "image_url": image_url(ID),
        "refined_prompt": "a tabby cat",
        "intent": "Generate",
        "metadata": { "task_id": "t1", "seed": 42 },
    })
}

/// Returns one part of a response, after checking the others.
#[track_caller]
fn unwrapped(mut body: Value, is_code: bool) -> Value {
    let object = body.as_object().expect("an object");
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert!(body["message"].is_string(), "{body}");
    if is_code {
        assert_eq!(names, ["code", "message", "result"], "{body}");
        assert_eq!(body["code"], 1000, "{body}");
        return body["result"].take();
    }
    assert_eq!(names, ["data", "message", "success"], "{body}");
    assert_eq!(body["success"], true, "{body}");
    body["data"].take()
}

/// The life of an image, by every call.
async fn walk(app: &TestApp, is_code: bool, slash: &str) {
    let caller = Caller::anyone(app);
    let one = format!("/{ID}{slash}");
    let mine = "?user_id=alice";

    let reply = caller.post(slash, Some(new_image())).await;
    assert_eq!(reply.status, 201);
    let created = unwrapped(reply.body, is_code);
    assert_eq!(created["image_id"], ID);
    assert_eq!(created["intent"], "generate");
    assert_eq!(created["metadata"], json!({ "task_id": "t1", "seed": 42 }));
    assert_eq!(created["is_deleted"], false);
    let names: Vec<&str> = created
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    for name in [
        "image_id",
        "user_id",
        "image_url",
        "original_prompt",
        "refined_prompt",
        "intent",
        "metadata",
        "created_at",
        "updated_at",
        "deleted_at",
        "is_deleted",
        "tags",
    ] {
        assert!(names.contains(&name), "{name} in {created}");
    }

    let reply = caller.post(slash, Some(new_image())).await;
    assert_eq!(reply.status, 200, "it is stored once");
    assert_eq!(unwrapped(reply.body, is_code), created);

    let reply = caller.get(&format!("{slash}{mine}")).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.headers.contains_key("link"));
    let item = json!({
        "image_id": ID, "user_id": "alice", "image_url": image_url(ID), "refined_prompt": "a tabby cat",
        "intent": "generate", "created_at": created["created_at"], "is_deleted": false, "tags": [],
    });
    assert_eq!(unwrapped(reply.body, is_code), json!([item]));

    let reply = caller.get(&format!("/count{slash}{mine}")).await;
    assert_eq!(unwrapped(reply.body, is_code), json!({ "count": 1 }));
    assert_eq!(unwrapped(caller.get(&one).await.body, is_code), created);

    let reply = caller.post(&format!("/{ID}/restore{slash}"), None).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["message"], "Image is not deleted");
    let failed = if is_code { json!(9999) } else { json!(false) };
    assert_eq!(reply.body[if is_code { "code" } else { "success" }], failed);

    for _ in 0..2 {
        let reply = caller.delete(&one).await;
        assert_eq!(reply.status, 200);
        assert_eq!(unwrapped(reply.body, is_code)["is_deleted"], true);
    }
    assert_eq!(
        unwrapped(caller.get(&format!("{slash}{mine}")).await.body, is_code),
        json!([])
    );
    let deleted = unwrapped(
        caller.get(&format!("/deleted{slash}{mine}")).await.body,
        is_code,
    );
    assert_eq!(
        (&deleted[0]["image_id"], &deleted[0]["is_deleted"]),
        (&json!(ID), &json!(true))
    );
    let found = unwrapped(caller.get(&one).await.body, is_code);
    assert!(
        found["deleted_at"].is_string(),
        "one in the trash is found: {found}"
    );
    let reply = caller.post(slash, Some(new_image())).await;
    assert_eq!(
        (
            reply.status.as_u16(),
            unwrapped(reply.body, is_code)["is_deleted"].clone()
        ),
        (200, json!(true))
    );

    let reply = caller.post(&format!("/{ID}/restore{slash}"), None).await;
    assert_eq!(unwrapped(reply.body, is_code)["is_deleted"], false);

    let reply = caller.delete(&format!("/{ID}/permanent{slash}")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(unwrapped(reply.body, is_code), json!({ "image_id": ID }));
    for (method, below) in [
        (Method::GET, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("/{ID}/restore{slash}")),
        (Method::DELETE, format!("/{ID}/permanent{slash}")),
        // Not UTF-8.
        (Method::GET, format!("/%FF{slash}")),
        (Method::POST, format!("/%FF/restore{slash}")),
    ] {
        let reply = caller.send(method, &below, None).await;
        assert_eq!(reply.status, 404, "{below}");
        assert_eq!(reply.body["message"], "Image not found");
    }
}

#[apply(each_database!)]
async fn the_manuals_envelope_with_and_without_slash(app: TestApp) {
    walk(&app, false, "/").await;
    walk(&app, false, "").await;
}

#[apply(each_database!)]
#[settings("--rest-api=code")]
async fn the_codes_envelope_with_and_without_slash(app: TestApp) {
    walk(&app, true, "/").await;
    walk(&app, true, "").await;
}

#[apply(each_database!)]
async fn wrong_fields_are_named(app: TestApp) {
    let caller = Caller::anyone(&app);
    let url = image_url(ID);
    for (body, field, message) in [
        (json!({ "user_id": "alice" }), "image_url", "required"),
        (
            json!({ "user_id": "alice", "image_url": null }),
            "image_url",
            "required",
        ),
        (
            json!({ "user_id": "alice", "image_url": 7 }),
            "image_url",
            "must be a text",
        ),
        (
            json!({ "user_id": "alice", "image_url": "https://example.com/x.png" }),
            "image_url",
            "example.com",
        ),
        (
            json!({ "user_id": "alice", "image_url": "https://res.cloudinary.com/x.png" }),
            "image_url",
            "UUID",
        ),
        (json!({ "image_url": url }), "user_id", "is required"),
        (
            json!({ "user_id": " ", "image_url": url }),
            "user_id",
            "blank",
        ),
        (
            json!({ "user_id": ["alice"], "image_url": url }),
            "user_id",
            "must be a text",
        ),
        (
            json!({ "user_id": "a".repeat(256), "image_url": url }),
            "user_id",
            "256 characters",
        ),
        (
            json!({ "user_id": "alice", "image_url": url, "metadata": [] }),
            "metadata",
            "an array was given",
        ),
        (
            json!({ "user_id": "alice", "image_url": url, "metadata": "{}" }),
            "metadata",
            "a string was given",
        ),
        (
            json!({ "user_id": "alice", "image_url": url, "intent": "a".repeat(101) }),
            "intent",
            "101 characters",
        ),
        (
            json!({ "user_id": "alice", "image_url": url, "refined_prompt": "\u{0}" }),
            "refined_prompt",
            "U+0000",
        ),
        (json!([]), "non_field_errors", "not a JSON object"),
        (json!("x"), "non_field_errors", "not a JSON object"),
    ] {
        let reply = caller.post("/", Some(body.clone())).await;
        assert_error(&reply, 400, message);
        let errors = reply.body["errors"].as_object().expect("errors");
        let names: Vec<&String> = errors.keys().collect();
        assert_eq!(names, [field], "{body}: {}", reply.body);
        let text = errors[field][0].as_str().expect("a text");
        assert!(text.contains(message), "{body}: {}", reply.body);
    }
    assert_eq!(ids(&caller.get("/").await), Vec::<String>::new());

    // A number that would lose digits, in a text that no client library writes.
    let body = format!(
        r#"{{"user_id":"alice","image_url":"{url}","metadata":{{"n":12345678901234567890123}}}}"#
    );
    let request = app.client().post(format!("{}/v1/gallery", app.url()));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let reply = Reply::read(request.send().await.expect("an answer")).await;
    assert_error(
        &reply,
        400,
        "metadata: holds the number 12345678901234567890123",
    );
}

#[apply(each_database!)]
async fn fields_that_are_empty_or_unknown_do_not_matter(app: TestApp) {
    let caller = Caller::anyone(&app);
    let body = json!({
        "user_id": "alice", "image_url": image_url(ID), "intent": "", "metadata": null, "refined_prompt": null,
        "image_id": "11111111-1111-4111-8111-111111111111", "is_deleted": true, "extra": { "a": [1] },
    });
    let reply = caller.post("/", Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let image = &reply.body["data"];
    assert_eq!(
        (&image["image_id"], &image["intent"]),
        (&json!(ID), &Value::Null)
    );
    assert_eq!(
        (&image["metadata"], &image["is_deleted"]),
        (&json!({}), &json!(false))
    );
}

#[apply(each_database!)]
async fn a_list_can_be_narrowed(app: TestApp) {
    let rows: Vec<Row> = [
        ("alice", Some("generate")),
        ("alice", Some("Upscale")),
        ("bob", Some("generate")),
        ("bob", None),
    ]
    .into_iter()
    .map(|(user_id, intent)| Row {
        user_id: user_id.to_owned(),
        intent: intent.map(str::to_owned),
        ..Row::new()
    })
    .collect();
    db_insert(&app, &rows).await;
    let caller = Caller::anyone(&app);
    for (query, count) in [
        ("", 4),
        ("?user_id=", 4),
        ("?user_id=alice", 2),
        ("?user_id=alice&user_id=alice", 2),
        ("?user_id=carol", 0),
        ("?intent=generate", 2),
        ("?intent=GENERATE&user_id=bob", 1),
        ("?intent=upscale", 1),
        ("?intent=edit", 0),
        ("?unknown=1", 4),
        ("?limit=3", 3),
        ("?limit=100000", 4),
    ] {
        assert_eq!(
            ids(&caller.get(&format!("/{query}")).await).len(),
            count,
            "{query}"
        );
    }
    for query in ["?user_id=bob", "?user_id=bob&intent="] {
        let reply = caller.get(&format!("/count/{query}")).await;
        assert_eq!(reply.body["data"]["count"], 2, "{query}");
    }
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?user_id=%20", "user_id"),
        ("?user_id=alice&user_id=bob", "user_id"),
        ("?user_id=a%00", "user_id"),
        ("?intent=%00", "intent"),
        ("?after=x", "after"),
    ] {
        let reply = caller.get(&format!("/{query}")).await;
        assert_error(&reply, 400, field);
        assert!(
            reply.body["errors"][field][0].is_string(),
            "{query}: {}",
            reply.body
        );
    }
}

/// Its code requires an owner, its manual does not.
#[apply(each_database!)]
#[settings("--rest-api=code")]
async fn with_the_codes_envelope_an_owner_is_required(app: TestApp) {
    let caller = Caller::anyone(&app);
    for below in ["/", "/deleted", "/count"] {
        let reply = caller.get(below).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.body["code"], 9999);
        assert_eq!(reply.body["result"], Value::Null);
        assert_eq!(
            reply.body["errors"]["user_id"][0],
            "This field is required."
        );
    }
}

/// A label that counts as an intent is found by it, and by its own name; it is shown as stored.
#[apply(each_database!)]
#[settings("--intent-aliases=image_generation=generate")]
async fn labels_of_another_application_are_found_by_their_intent(app: TestApp) {
    let rows: Vec<Row> = ["image_generation", "generate", "upscale"]
        .into_iter()
        .map(|label| Row {
            intent: Some(label.to_owned()),
            ..Row::new()
        })
        .collect();
    db_insert(&app, &rows).await;
    let caller = Caller::anyone(&app);
    for (label, count) in [("generate", 2), ("image_generation", 1), ("upscale", 1)] {
        let reply = caller.get(&format!("/?intent={label}")).await;
        assert_eq!(ids(&reply).len(), count, "{label}");
    }
    let reply = caller.get("/?intent=image_generation").await;
    assert_eq!(reply.body["data"][0]["intent"], "image_generation");
}

#[apply(each_database!)]
async fn keys_of_metadata_have_no_meaning_of_their_own(app: TestApp) {
    let caller = Caller::anyone(&app);
    let private = "$serde_json::private::RawValue";
    for metadata in [
        json!({ private: "{\"b\": 2}" }),
        json!({ "x": { private: "1" } }),
        json!({ "x": [{ private: "[1" }] }),
        json!({ "$serde_json::private::Number": "18446744073709551616" }),
    ] {
        let id = uuid::Uuid::new_v4().to_string();
        let body = json!({ "user_id": "alice", "image_url": image_url(&id), "metadata": metadata });
        let reply = caller.post("/", Some(body)).await;
        // As text: parsed, the key would have its meaning here too.
        assert_eq!(reply.status, 201, "{metadata}");
        let stored =
            "SELECT CAST(metadata AS text) FROM image_gallery ORDER BY created_at DESC LIMIT 1";
        let stored = app.db_query_text(stored).await.expect("a row");
        let compact = |text: &str| text.replace(' ', "");
        assert_eq!(compact(&stored), compact(&metadata.to_string()));
    }
}

/// The library for JSON passes both on without looking at them.
#[apply(each_database!)]
async fn metadata_that_cannot_be_read_is_refused(app: TestApp) {
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    let url = image_url(ID);
    for (metadata, expected) in [
        (deep.as_str(), "is nested too deeply"),
        (
            r#"{"a": {"b": ["\ud800"]}}"#,
            "has a string that is not Unicode",
        ),
        (
            r#"{"a": {"\udc00": 1}}"#,
            "has a string that is not Unicode",
        ),
    ] {
        let body = format!(
            "{{\"user_id\": \"alice\", \"image_url\": \"{url}\", \"metadata\": {metadata}}}"
        );
        let request = app.client().post(format!("{}/v1/gallery/", app.url()));
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let reply = Reply::read(request.send().await.expect("an answer")).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
        let error = reply.body["errors"]["metadata"][0].as_str();
        assert!(
            error.is_some_and(|error| error.starts_with(expected)),
            "{}",
            reply.body
        );
    }
}
