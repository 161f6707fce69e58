//! Numbers in metadata keep their value or are rejected, also in the document itself.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, each_database, image_url};

const A: &str = "11111111-1111-4111-8111-111111111111";

const CREATE: &str = "mutation($input: CreateImageInput!) { createImage(input: $input) {
    image { metadata } userErrors { code path message } } }";

fn assert_refused(payload: &Value, path: &Value, number: &str) {
    let error = &payload["userErrors"][0];
    assert_eq!(error["code"], "INVALID_METADATA", "{payload}");
    assert_eq!(error["path"], *path, "{payload}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(number), "{payload}");
    assert_eq!(payload["image"], Value::Null, "{payload}");
}

#[apply(each_database!)]
async fn a_number_in_a_document_that_would_lose_digits_is_refused(app: TestApp) {
    let id = app
        .user("alice")
        .create(json!({ "metadata": { "a": 1 } }))
        .await["id"]
        .take();
    let url = image_url(A);
    for number in [
        "18446744073709551616",
        "-9223372036854775809",
        "0.12345678901234567890",
        "1e400",
    ] {
        let created = app.run(&format!("mutation {{ createImage(input: {{ userId: \"alice\", imageUrl: \"{url}\", metadata: {{ deep: [{{ n: {number} }}] }} }}) {{
                image {{ id }} userErrors {{ code path message }} }} }}"), json!({})).await;
        assert_refused(
            &created["createImage"],
            &json!(["input", "metadata"]),
            number,
        );
        for field in ["metadata", "metadataPatch"] {
            let updated = app.run(&format!("mutation($id: ID!, $m: JSON = {{ n: {number} }}) {{
                    literal: updateImage(input: {{ id: $id, {field}: {{ a: 2, n: {number} }} }}) {{ image {{ id }} userErrors {{ code path message }} }}
                    default: updateImage(input: {{ id: $id, {field}: $m }}) {{ image {{ id }} userErrors {{ code path message }} }} }}"), json!({ "id": id })).await;
            assert_refused(&updated["literal"], &json!(["input", field]), number);
            assert_refused(&updated["default"], &json!(["input", field]), number);
        }
        let first = app
            .graphql(
                &format!("{{ images(first: {number}) {{ totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(first.error_code(), "GRAPHQL_VALIDATION_FAILED", "{number}");
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
async fn a_number_that_keeps_its_value_is_stored_however_it_is_written(app: TestApp) {
    let metadata = "{ \"a\": [-0, 1E5, 1.50, 1e-7, 18446744073709551615, 100000000000000000000] }";
    let input = format!(
        "{{\"userId\": \"alice\", \"imageUrl\": \"{}\", \"metadata\": {metadata}}}",
        image_url(A)
    );
    let body = format!(
        "{{\"query\": {}, \"variables\": {{\"input\": {input}}}}}",
        Value::from(CREATE)
    );
    let request = app
        .client()
        .post(format!("{}/graphql", app.url()))
        .body(body);
    let request = request.header("content-type", "application/json");
    let created = Reply::read(request.send().await.expect("an answer"))
        .await
        .into_data();
    let expected: Value = serde_json::from_str(metadata).expect("JSON");
    let numbers = |value: &Value| -> Vec<Option<f64>> {
        value["a"]
            .as_array()
            .expect("a list")
            .iter()
            .map(Value::as_f64)
            .collect()
    };
    assert_eq!(
        numbers(&created["createImage"]["image"]["metadata"]),
        numbers(&expected),
        "{created}"
    );
}
