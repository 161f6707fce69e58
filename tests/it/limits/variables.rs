//! Nesting and number of values in variables.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{QUICKLY, assert_refused, get_url, nested};
use crate::harness::{Reply, Socket, TestApp, each_database, image_url, on_sqlite};

const CONTAINS: &str =
    "query($a: JSON) { images(filter: { metadataContains: $a }) { totalCount } }";

/// Sends JSON as text, which the harness need not parse.
async fn send(app: &TestApp, body: String) -> Reply {
    let started = std::time::Instant::now();
    let request = app.client().post(format!("{}/graphql", app.url()));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let reply = Reply::read(request.send().await.expect("an answer")).await;
    assert!(started.elapsed() < QUICKLY, "{:?}", started.elapsed());
    let alive = app.run("{ __typename }", json!({})).await;
    assert_eq!(alive, json!({ "__typename": "Query" }));
    reply
}

fn body(query: &str, a: &str) -> String {
    format!(r#"{{"query":{},"variables":{{"a":{a}}}}}"#, json!(query))
}

fn lists(levels: usize) -> String {
    nested("[", "", "]", levels)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_nest_at_most_64_levels() {
    on_sqlite(&[], async |app: TestApp| {
        for deep in [
            lists(65),
            lists(100),
            lists(126),
            nested(r#"{"a":"#, "1", "}", 65),
        ] {
            for query in [CONTAINS, "{ __typename }"] {
                let body = body(query, &deep);
                let reply = send(&app, body.clone()).await;
                assert_refused(&reply, &deep, "at most 64 levels");
                let reply = send(&app, format!(r#"[{body},{{"query":"{{ __typename }}"}}]"#)).await;
                assert_eq!(
                    reply.body[0]["errors"][0]["extensions"]["code"],
                    "QUERY_TOO_COMPLEX"
                );
                assert_eq!(reply.body[1], json!({ "data": { "__typename": "Query" } }));
            }
        }
        let reply = send(&app, body(CONTAINS, &lists(65))).await;
        let message =
            "variables: nested 65 deep; at most 64 levels of lists and objects are allowed";
        assert_eq!(reply.body["errors"][0]["message"], message);
        // Just within the limit: parsed, and rejected by the field.
        let reply = send(&app, body(CONTAINS, &nested(r#"{"a":"#, "1", "}", 64))).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{}", reply.body);
        let reply = send(&app, body("query($a: [[Int]]) { __typename }", &lists(64))).await;
        assert_ne!(reply.error_code(), "QUERY_TOO_COMPLEX", "{}", reply.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_are_limited_for_get_and_sockets_too() {
    on_sqlite(&[], async |app: TestApp| {
        let variables = format!(r#"{{"a":{}}}"#, lists(65));
        let url = get_url(&app, &[("query", CONTAINS), ("variables", &variables)]);
        let request = app.client().get(url);
        let reply = Reply::read(request.send().await.expect("an answer")).await;
        assert_refused(&reply, "GET", "at most 64 levels");
        let mut socket = Socket::begun(&app, Value::Null).await;
        let variables: Value = serde_json::from_str(&variables).expect("JSON");
        socket.subscribe("1", CONTAINS, variables).await;
        let error = socket.receive().await;
        assert_eq!(error["type"], "error");
        assert_eq!(
            error["payload"][0]["extensions"]["code"],
            "QUERY_TOO_COMPLEX"
        );
        socket.subscribe("2", "{ __typename }", json!({})).await;
        assert_eq!(socket.receive().await["type"], "next");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_have_at_most_a_million_values() {
    on_sqlite(&[], async |app: TestApp| {
        let zeros = |count: usize| format!("[0{}]", ",0".repeat(count - 1));
        for (count, query) in [(1_000_000, CONTAINS), (3_000_000, "{ __typename }")] {
            let reply = send(&app, body(query, &zeros(count))).await;
            let message = format!(
                "variables: {} values; at most 1000000 are allowed",
                count + 1
            );
            assert_refused(&reply, "zeros", &message);
        }
        // The maximum that is parsed.
        let zeros = zeros(999_999);
        for (query, code) in [
            (CONTAINS, "BAD_USER_INPUT"),
            (
                "query($a: [ID!]!) { nodes(ids: $a) { id } }",
                "BAD_USER_INPUT",
            ),
            (
                "query($a: [GalleryEventType!]) { galleryEvents(types: $a) { nodes { id } } }",
                "BAD_USER_INPUT",
            ),
        ] {
            let reply = send(&app, body(query, &zeros)).await;
            assert_eq!(reply.error_code(), code, "{query}: {}", reply.body);
        }
        let mutation = "mutation($a: [ID!]!) { purgeImages(ids: $a) { userErrors { code } } }";
        let data = send(&app, body(mutation, &zeros)).await.into_data();
        assert_eq!(
            data["purgeImages"]["userErrors"][0]["code"],
            "TOO_MANY_ITEMS"
        );
    })
    .await;
}

#[apply(each_database!)]
async fn a_hundred_images_with_as_much_metadata_as_they_may_have_are_stored(app: TestApp) {
    // About 7,000 numbers each.
    let metadata = json!({ "v": vec![1234.567; (64 * 1024 - 8) / 9] });
    assert!(metadata.to_string().len() > 65_000);
    let input = |_| {
        json!({
            "userId": "alice", "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()), "metadata": metadata,
        })
    };
    let inputs: Vec<_> = (0..100).map(input).collect();
    let mutation = "mutation($inputs: [CreateImageInput!]!) {
            createImages(input: $inputs) { results { created userErrors { code message } } userErrors { code } } }";
    let data = app.run(mutation, json!({ "inputs": inputs })).await;
    for result in data["createImages"]["results"].as_array().expect("results") {
        assert_eq!(*result, json!({ "created": true, "userErrors": [] }));
    }
}

#[apply(each_database!)]
async fn metadata_that_is_too_deep_is_a_user_error(app: TestApp) {
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let input = |levels| {
        json!({
            "userId": "alice", "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()), "metadata": deep(levels),
        })
    };
    let mutation = "mutation($inputs: [CreateImageInput!]!) {
            createImages(input: $inputs) { results { userErrors { code } } } }";
    let data = app
        .run(mutation, json!({ "inputs": [input(33), input(60)] }))
        .await;
    for result in data["createImages"]["results"].as_array().expect("results") {
        assert_eq!(
            result["userErrors"],
            json!([{ "code": "INVALID_METADATA" }])
        );
    }
}

/// Each of these bypassed the limits for values of variables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_not_counted_is_not_built() {
    on_sqlite(&[], async |app: TestApp| {
        let lists = lists(60);
        // An id that is not a string is ignored, whatever its structure.
        let numbered = format!(r#"{{"query":"{{ __typename }}","id":{lists}}}"#);
        let reply = send(&app, numbered).await;
        assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
        // A string is a string, under any name.
        let hidden = json!({ "a": { "$serde_json::private::RawValue": lists } });
        let reply = send(&app, body(CONTAINS, &hidden.to_string())).await;
        assert_eq!(
            reply.body,
            json!({ "data": { "images": { "totalCount": 0 } } })
        );
        let mut socket = Socket::begun(&app, json!({})).await;
        socket
            .send(json!({ "type": "ping", "payload": "x".repeat(70_000) }))
            .await;
        assert_eq!(socket.close_code().await, 4400);
    })
    .await;
}
