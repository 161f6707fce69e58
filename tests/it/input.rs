//! Stored values are returned unchanged, and invalid ones are rejected with a code.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, each_database, image_url};

const A: &str = "11111111-1111-4111-8111-111111111111";

const CREATE: &str = "mutation($input: CreateImageInput!) { createImage(input: $input) {
    image { intent intentLabel metadata originalPrompt } userErrors { code path message } } }";

async fn create(app: &TestApp, input: Value) -> Value {
    let mut whole = json!({ "userId": "alice", "imageUrl": image_url(A) });
    let given = input.as_object().expect("an object").clone();
    whole.as_object_mut().expect("an object").extend(given);
    app.run(CREATE, json!({ "input": whole })).await["createImage"].take()
}

/// With variables as text: the tests' JSON library would lose digits.
async fn send(app: &TestApp, query: &str, variables: &str) -> Reply {
    Reply::read(post(app, query, variables).await).await
}

async fn post(app: &TestApp, query: &str, variables: &str) -> reqwest::Response {
    let query = Value::from(query);
    let body = format!("{{\"query\": {query}, \"variables\": {variables}}}");
    let url = format!("{}/graphql", app.url());
    let request = app.client().post(url).body(body);
    let request = request.header("content-type", "application/json");
    request.send().await.expect("the server answers")
}

/// Compares text: the tests' JSON library treats text under certain keys as JSON.
async fn assert_shows(app: &TestApp, query: &str, variables: &str, expected: &str) {
    let text = post(app, query, variables)
        .await
        .text()
        .await
        .expect("a text");
    assert!(
        text.replace(' ', "").contains(expected),
        "{expected} in {text}"
    );
}

fn assert_refused(payload: &Value, path: &Value, number: &str) {
    let error = &payload["userErrors"][0];
    assert_eq!(error["code"], "INVALID_METADATA", "{payload}");
    assert_eq!(error["path"], *path, "{payload}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(number), "{payload}");
    assert_eq!(payload["image"], Value::Null, "{payload}");
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

fn of_bytes(bytes: usize) -> Value {
    json!({ "a": "é".repeat((bytes - 8) / 2) + if bytes.is_multiple_of(2) { "" } else { "x" } })
}

/// Invalid inputs, with the code and the field.
fn refused_inputs() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({ "userId": "" }), "INVALID_USER_ID", "userId"),
        (json!({ "userId": " \t" }), "INVALID_USER_ID", "userId"),
        (json!({ "userId": null }), "INVALID_USER_ID", "userId"),
        (
            json!({ "userId": "猫".repeat(256) }),
            "VALUE_TOO_LONG",
            "userId",
        ),
        (json!({ "userId": "a\0" }), "INVALID_TEXT", "userId"),
        (json!({ "imageUrl": "" }), "INVALID_IMAGE_URL", "imageUrl"),
        (
            json!({ "imageUrl": format!("{}\0", image_url(A)) }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": format!(" {}", image_url(A)) }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": format!("https://evil.example/{A}") }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": image_url(&format!("{A}{}", "x".repeat(1000))) }),
            "INVALID_IMAGE_URL",
            "imageUrl",
        ),
        (
            json!({ "imageUrl": image_url("cat") }),
            "UUID_NOT_FOUND",
            "imageUrl",
        ),
        (
            json!({ "originalPrompt": "猫".repeat(20_001) }),
            "VALUE_TOO_LONG",
            "originalPrompt",
        ),
        (
            json!({ "refinedPrompt": "a\0b" }),
            "INVALID_TEXT",
            "refinedPrompt",
        ),
        (
            json!({ "intentLabel": "x".repeat(101) }),
            "VALUE_TOO_LONG",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "a\0" }),
            "INVALID_TEXT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intentLabel": "  " }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intent": "OTHER" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intent": "OTHER", "intentLabel": "edit" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (
            json!({ "intent": "EDIT", "intentLabel": "upscale" }),
            "INVALID_INTENT",
            "intentLabel",
        ),
        (json!({ "metadata": [] }), "INVALID_METADATA", "metadata"),
        (json!({ "metadata": "{}" }), "INVALID_METADATA", "metadata"),
        (json!({ "metadata": 1 }), "INVALID_METADATA", "metadata"),
        (
            json!({ "metadata": nested(33) }),
            "INVALID_METADATA",
            "metadata",
        ),
        (
            json!({ "metadata": of_bytes(65_537) }),
            "INVALID_METADATA",
            "metadata",
        ),
        (
            json!({ "metadata": { "a": ["\0"] } }),
            "INVALID_TEXT",
            "metadata",
        ),
        (
            json!({ "metadata": { "a": { "\0": 1 } } }),
            "INVALID_TEXT",
            "metadata",
        ),
    ]
}

#[apply(each_database!)]
async fn invalid_values_are_rejected_with_their_code(app: TestApp) {
    for (input, code, field) in refused_inputs() {
        let answer = create(&app, input.clone()).await;
        assert_eq!(answer["image"], Value::Null, "{code}");
        assert_eq!(
            answer["userErrors"].as_array().map(Vec::len),
            Some(1),
            "{answer}"
        );
        assert_eq!(answer["userErrors"][0]["code"], json!(code), "{answer}");
        assert_eq!(
            answer["userErrors"][0]["path"],
            json!(["input", field]),
            "{answer}"
        );
    }
    let stored = app.run("{ images { totalCount } }", json!({})).await;
    assert_eq!(stored["images"]["totalCount"], json!(0));
}

#[apply(each_database!)]
async fn values_at_their_limits_are_stored(app: TestApp) {
    let alice = app.user("alice");
    for input in [
        json!({ "userId": "猫".repeat(255) }),
        json!({ "originalPrompt": "猫".repeat(20_000), "refinedPrompt": "🎉".repeat(20_000) }),
        json!({ "intentLabel": "é".repeat(100) }),
        json!({ "metadata": nested(32) }),
        json!({ "metadata": of_bytes(65_536) }),
        json!({ "metadata": null }),
    ] {
        alice.create(input).await;
    }
}

#[apply(each_database!)]
async fn metadata_is_returned_with_the_same_values(app: TestApp) {
    let metadata = json!({
        "numbers": [9_007_199_254_740_993_i64, i64::MIN, u64::MAX, 0.1, 1e308, 5e-324, 1.5e-7, -2.5, 0, 1.0],
        "texts": ["", "é\u{301}", "\u{1F389}", "\"\\/\n", "\u{FEFF}"],
        "": { "null": null, "true": true, "deep": [[], {}, [{}]] },
        "key with \"quotes\" and $.paths[0]": 1,
    });
    let image = app
        .user("alice")
        .create(json!({ "metadata": metadata }))
        .await;
    assert_eq!(image["metadata"], metadata);
    let read = app
        .run(
            "query($id: ID!) { image(id: $id) { metadata } }",
            json!({ "id": image["id"] }),
        )
        .await;
    assert_eq!(read["image"]["metadata"], metadata);
    let literal = "mutation($url: URL!) { createImage(input: { userId: \"alice\", imageUrl: $url,
            metadata: { big: 9007199254740993, small: 1e-7, list: [1, \"two\", null] } }) { image { metadata } } }";
    let stored = app.run(literal, json!({ "url": image_url(A) })).await;
    assert_eq!(
        stored["createImage"]["image"]["metadata"],
        json!({ "big": 9_007_199_254_740_993_i64, "small": 1e-7, "list": [1, "two", null] })
    );
}

#[apply(each_database!)]
async fn a_number_that_would_lose_digits_is_refused_and_nothing_is_stored(app: TestApp) {
    let id = app
        .user("alice")
        .create(json!({ "metadata": { "a": 1 } }))
        .await["id"]
        .take();
    for number in [
        "18446744073709551616",
        "-9223372036854775809",
        "0.12345678901234567890",
        "1e400",
    ] {
        let metadata = format!("{{\"deep\": [{{\"n\": {number}}}]}}");
        let url = image_url(A);
        let input =
            format!("{{\"userId\": \"alice\", \"imageUrl\": \"{url}\", \"metadata\": {metadata}}}");
        let created = send(&app, CREATE, &format!("{{\"input\": {input}}}"))
            .await
            .into_data();
        assert_refused(
            &created["createImage"],
            &json!(["input", "metadata"]),
            number,
        );
        let many = "mutation($input: [CreateImageInput!]!) {
                createImages(input: $input) { results { image { id } userErrors { code path message } } } }";
        let created = send(&app, many, &format!("{{\"input\": [{input}]}}"))
            .await
            .into_data();
        assert_refused(
            &created["createImages"]["results"][0],
            &json!(["input", "0", "metadata"]),
            number,
        );
        let update = "mutation($input: UpdateImageInput!) {
                updateImage(input: $input) { image { id } userErrors { code path message } } }";
        for field in ["metadata", "metadataPatch"] {
            let input = format!("{{\"input\": {{\"id\": {id}, \"{field}\": {metadata}}}}}");
            let updated = send(&app, update, &input).await.into_data();
            assert_refused(&updated["updateImage"], &json!(["input", field]), number);
        }
        let filter = "query($m: JSON) { images(filter: { metadataContains: $m }) { totalCount } }";
        let reply = send(&app, filter, &format!("{{\"m\": {metadata}}}")).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{number}");
        let literal = format!(
            "{{ images(filter: {{ metadataContains: {{ n: {number} }} }}) {{ totalCount }} }}"
        );
        let reply = app.graphql(&literal, json!({})).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{number}");
        assert!(reply.body.to_string().contains(number), "{}", reply.body);
        let page = "query($first: Int) { images(first: $first) { totalCount } }";
        let reply = send(&app, page, &format!("{{\"first\": {number}}}")).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{number}");
    }
    let stored = app
        .run("{ images { nodes { metadata } } }", json!({}))
        .await;
    assert_eq!(
        stored,
        json!({ "images": { "nodes": [{ "metadata": { "a": 1 } }] } })
    );
}

#[apply(each_database!)]
async fn keys_of_metadata_have_no_meaning_of_their_own(app: TestApp) {
    let alice = app.user("alice");
    for metadata in [
        r#"{"$serde_json::private::RawValue":"1"}"#,
        r#"{"$serde_json::private::Number":"18446744073709551616"}"#,
        r#"{"a":[{"$serde_json::private::RawValue":"[1"}],"b":{"$serde_json::private::Number":1}}"#,
    ] {
        let id = alice.create_image().await;
        let update = "mutation($input: UpdateImageInput!) { updateImage(input: $input) { image { metadata } } }";
        let input = format!("{{\"input\": {{\"id\": \"{id}\", \"metadata\": {metadata}}}}}");
        assert_shows(&app, update, &input, metadata).await;
        let patch = format!(
            "{{\"input\": {{\"id\": \"{id}\", \"metadataPatch\": {{\"z\": {metadata}}}}}}}"
        );
        assert_shows(&app, update, &patch, &format!("\"z\":{metadata}")).await;
        let contains =
            "query($m: JSON) { images(filter: { metadataContains: $m }) { nodes { metadata } } }";
        assert_shows(
            &app,
            contains,
            &format!("{{\"m\": {{\"z\": {metadata}}}}}"),
            metadata,
        )
        .await;
    }
}

#[apply(each_database!)]
async fn labels_are_stored_in_lower_case_and_intents_are_labels(app: TestApp) {
    let alice = app.user("alice");
    for (input, intent, label) in [
        (json!({}), Value::Null, Value::Null),
        (
            json!({ "intent": "GENERATE" }),
            json!("GENERATE"),
            json!("generate"),
        ),
        (
            json!({ "intentLabel": "Enhance" }),
            json!("ENHANCE"),
            json!("enhance"),
        ),
        (
            json!({ "intent": "EDIT", "intentLabel": "EDIT" }),
            json!("EDIT"),
            json!("edit"),
        ),
        (
            json!({ "intent": "OTHER", "intentLabel": "UpScale" }),
            json!("OTHER"),
            json!("upscale"),
        ),
        (
            json!({ "intent": null, "intentLabel": "Äpfel" }),
            json!("OTHER"),
            json!("äpfel"),
        ),
    ] {
        let image = alice.create(input.clone()).await;
        assert_eq!(
            (&image["intent"], &image["intentLabel"]),
            (&intent, &label),
            "{input}"
        );
    }
}

#[apply(each_database!)]
async fn arguments_of_queries_that_no_row_could_match_are_bad_input(app: TestApp) {
    for arguments in [
        r#"userId: """#,
        r#"userId: "\u0000""#,
        r#"filter: { intentLabels: ["\u0000"] }"#,
        r#"filter: { createdAfter: "yesterday" }"#,
        r#"filter: { createdAfter: "2026-01-15" }"#,
        "filter: { metadataContains: 1 }",
    ] {
        let code = app
            .error_code(
                &format!("{{ images({arguments}) {{ totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(code, "BAD_USER_INPUT", "{arguments}");
    }
}
