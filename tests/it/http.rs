//! HTTP around GraphQL: media types, statuses, methods, health, and the page for browsers.

use macro_rules_attribute::apply;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, each_database, on_sqlite};

const JSON: &str = "application/json";
/// The content type of JSON responses.
const JSON_ANSWER: &str = "application/json; charset=utf-8";
const HELLO: &str = r#"{"query":"{ __typename }"}"#;

async fn post(app: &TestApp, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Reply {
    let mut request = app.client().post(format!("{}/graphql", app.url()));
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    let response = request.body(body.into()).send().await;
    Reply::read(response.expect("the server answers")).await
}

async fn get(app: &TestApp, path: &str, accept: Option<&str>) -> Reply {
    let mut request = app.client().get(format!("{}{path}", app.url()));
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    Reply::read(request.send().await.expect("the server answers")).await
}

/// Asserts a GraphQL response with error codes and without `data`.
#[track_caller]
fn assert_refused(reply: &Reply, status: StatusCode, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.body);
    assert_eq!(reply.headers[CONTENT_TYPE], JSON_ANSWER, "{what}");
    assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{what}");
    assert_eq!(reply.body.get("data"), None, "{what}: {}", reply.body);
    assert!(reply.headers.contains_key("x-request-id"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_json_is_read() {
    on_sqlite(&[], async |app: TestApp| {
        for content_type in [
            JSON,
            "application/json; charset=utf-8",
            r#"application/json;charset="utf-8""#,
            "Application/JSON ;charset=UTF-8",
        ] {
            let reply = post(&app, Some(content_type), HELLO).await;
            assert_eq!(reply.status, 200, "{content_type}");
            assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
            assert_eq!(reply.headers[CONTENT_TYPE], JSON_ANSWER);
        }
        let others = [
            "text/plain",
            "text/plain; a=application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/graphql",
            "application/jsonx",
            "application/json; charset=utf-16",
            "json",
            "",
        ];
        for content_type in others.map(Some).into_iter().chain([None]) {
            let reply = post(&app, content_type, HELLO).await;
            assert_refused(
                &reply,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                content_type.unwrap_or("none"),
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_a_graphql_request_is_rejected() {
    on_sqlite(&[], async |app: TestApp| {
        for body in [
            "",
            " ",
            "{",
            "null",
            "1",
            "\"{ __typename }\"",
            "[]",
            r#"["{ __typename }"]"#,
            "{}",
            "{} {}",
            "hello",
            r#"{"query":null}"#,
            r#"{"query":1}"#,
            r#"{"query":["{ __typename }"]}"#,
            r#"{"query":{}}"#,
            r#"{"query":"{ __typename }","variables":[]}"#,
            r#"{"query":"{ __typename }","variables":"{}"}"#,
            r#"{"query":"{ __typename }","variables":1}"#,
            r#"{"query":"{ __typename }","operationName":1}"#,
            r#"{"query":"{ __typename }","operationName":{}}"#,
            r#"{"query":"{ __typename }","extensions":[]}"#,
            r#"{"query":"{ __typename }","extensions":"x"}"#,
            r#"{"query":"{ __typename }","query":"{ a }"}"#,
            r#"{"query":"{ __typename }"} trailing"#,
            r#"{"Query":"{ __typename }"}"#,
            r#"{"query":"\ud800"}"#,
            r#"["a",null,"{}"]"#,
            r#"["{ __typename }",null,null,null]"#,
        ] {
            let reply = post(&app, Some(JSON), body).await;
            assert_refused(&reply, StatusCode::BAD_REQUEST, body);
        }
        let invalid_utf8 = [
            br#"{"query":"{ __typename }"#.as_slice(),
            b"\xff\xfe",
            br#""}"#,
        ]
        .concat();
        assert_refused(
            &post(&app, Some(JSON), invalid_utf8).await,
            StatusCode::BAD_REQUEST,
            "invalid UTF-8",
        );
    })
    .await;
}

#[apply(each_database!)]
async fn a_body_may_begin_with_a_byte_order_mark(app: TestApp) {
    let query = r#"{"query":"{ images { totalCount } }"}"#;
    let expected = json!({ "data": { "images": { "totalCount": 0 } } });
    let reply = post(&app, Some(JSON), format!("\u{feff}{query}")).await;
    assert_eq!(reply.body, expected);
    let reply = post(&app, Some(JSON), format!("\u{feff}\r\n[{query}]")).await;
    assert_eq!(reply.body, json!([expected]));
    // One byte order mark is allowed, two are not.
    let reply = post(&app, Some(JSON), format!("\u{feff}\u{feff}{query}")).await;
    assert_refused(&reply, StatusCode::BAD_REQUEST, "two marks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nulls_and_unknown_keys_of_a_request_count_as_left_out() {
    on_sqlite(&[], async |app: TestApp| {
        for body in [
            r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null}"#,
            r#"{"query":"{ __typename }","variables":{},"extensions":{"clientLibrary":{"name":"x"}},"more":[1]}"#,
            r#"{"query":"{ __typename }","variables":{"unknown":1}}"#,
        ] {
            let reply = post(&app, Some(JSON), body).await;
            assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }), "{body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused_as_such() {
    on_sqlite(&["--max-body-bytes=1000"], async |app: TestApp| {
        let body = |length: usize| {
            let padding = " ".repeat(length - HELLO.len());
            HELLO.replace("{ ", &format!("{{ {padding}"))
        };
        assert_eq!(post(&app, Some(JSON), body(1000)).await.status, 200);
        let reply = post(&app, Some(JSON), body(1001)).await;
        assert_refused(&reply, StatusCode::PAYLOAD_TOO_LARGE, "1001 bytes");
        // Every time, also while the body is still being sent.
        for length in [50_000, 5_000_000, 20_000_000] {
            for _ in 0..10 {
                let reply = post(&app, Some(JSON), body(length)).await;
                assert_refused(
                    &reply,
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &format!("{length} bytes"),
                );
            }
        }
        // The wrong type is reported first, so that the body need not be sent again.
        for length in [1001, 5_000_000] {
            let reply = post(&app, Some("text/plain"), body(length)).await;
            assert_refused(&reply, StatusCode::UNSUPPORTED_MEDIA_TYPE, "text");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_refused_with_those_allowed() {
    on_sqlite(&[], async |app: TestApp| {
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE] {
            let request = app
                .client()
                .request(method.clone(), format!("{}/graphql", app.url()));
            let request = request.header(CONTENT_TYPE, JSON).body(HELLO);
            let reply = Reply::read(request.send().await.expect("an answer")).await;
            assert_refused(&reply, StatusCode::METHOD_NOT_ALLOWED, method.as_str());
            let allowed = reply.headers[ALLOW].to_str().expect("text").to_owned();
            assert_eq!(allowed, "GET, POST, OPTIONS", "{method}");
        }
        let unknown = get(&app, "/nothing", None).await;
        assert_eq!(unknown.status, 404);
        assert_eq!(
            unknown.body["errors"][0]["message"],
            "there is nothing at this path; the paths are /graphql, /v1/gallery/, /healthz, /readyz and /metrics"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deeply_nested_variables_are_rejected_and_the_server_survives() {
    on_sqlite(&[], async |app: TestApp| {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            for (levels, is_closed) in [(10_000, true), (10_000, false), (1_000_000, true), (200, true)] {
                let end = if is_closed { format!("{}}}}}", close.repeat(levels)) } else { String::new() };
                let inner = if open == "[" { "" } else { "1" };
                let body = format!(
                    r#"{{"query":"query($a: JSON) {{ images(filter: {{ metadataContains: $a }}) {{ totalCount }} }}","variables":{{"a":{}{inner}{end}"#,
                    open.repeat(levels)
                );
                let reply = post(&app, Some(JSON), body).await;
                if is_closed {
                    // A request that is parsed, and exceeds a limit.
                    assert_eq!(reply.status, 200, "{open} {levels}: {}", reply.body);
                    assert_eq!(reply.error_code(), "QUERY_TOO_COMPLEX", "{open} {levels}");
                    assert_eq!(reply.body.get("data"), None, "{open} {levels}");
                } else {
                    assert_refused(&reply, StatusCode::BAD_REQUEST, &format!("{open} {levels}"));
                }
            }
        }
        assert_eq!(post(&app, Some(JSON), HELLO).await.status, 200);
    })
    .await;
}

#[apply(each_database!)]
async fn a_ready_server_reports_it(app: TestApp) {
    for path in ["/healthz", "/readyz"] {
        let reply = get(&app, path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    }
}

#[apply(each_database!)]
async fn every_response_has_a_new_request_id(app: TestApp) {
    let mut names = Vec::new();
    for _ in 0..3 {
        let request = app.client().post(format!("{}/graphql", app.url()));
        let request = request
            .header("x-request-id", "mine")
            .json(&json!({ "query": "{ images { totalCount } }" }));
        let reply = Reply::read(request.send().await.expect("an answer")).await;
        assert_eq!(reply.status, 200);
        names.push(reply.headers["x-request-id"].clone());
    }
    names.push(get(&app, "/healthz", None).await.headers["x-request-id"].clone());
    names.push(get(&app, "/nothing", None).await.headers["x-request-id"].clone());
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    names.dedup();
    assert_eq!(names.len(), 5);
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_gets_graphiql() {
    on_sqlite(&[], async |app: TestApp| {
        let reply = get(&app, "/graphql", Some(BROWSER)).await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.headers[CONTENT_TYPE]
                .to_str()
                .expect("text")
                .starts_with("text/html")
        );
        let Value::String(page) = reply.body else {
            panic!("no page")
        };
        assert!(page.contains("GraphiQL"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphiql_can_be_turned_off() {
    on_sqlite(&["--graphiql=false"], async |app: TestApp| {
        let reply = get(&app, "/graphql", Some(BROWSER)).await;
        assert!(reply.status.is_client_error(), "{}", reply.status);
        assert_eq!(reply.headers[CONTENT_TYPE], JSON_ANSWER);
        assert_eq!(post(&app, Some(JSON), HELLO).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syntax_errors_are_one_line() {
    on_sqlite(&[], async |app: TestApp| {
        let message = |reply: &Reply| {
            reply.body["errors"][0]["message"]
                .as_str()
                .expect("a message")
                .to_owned()
        };
        for document in ["{ a(", "query {", "{ a } }\n# x", "\n\n\"x"] {
            let reply = app.graphql(document, json!({})).await;
            assert_eq!(reply.error_code(), "GRAPHQL_PARSE_FAILED", "{document}");
            let message = message(&reply);
            assert!(
                message.starts_with("the document does not parse: ") && !message.contains('\n'),
                "{message}"
            );
            assert!(
                reply.body["errors"][0]["locations"][0]["line"].is_u64(),
                "{document}"
            );
        }
        // Depth that the JSON library itself parses.
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let body = format!(r#"{{"query":{deep}}}"#);
        for body in [body.clone(), format!("[{body}]"), deep] {
            let reply = post(&app, Some(JSON), body).await;
            assert_refused(&reply, StatusCode::BAD_REQUEST, "deep");
            let message = message(&reply);
            assert!(
                !message.contains('\n') && !message.contains("recursion"),
                "{message}"
            );
        }
    })
    .await;
}
