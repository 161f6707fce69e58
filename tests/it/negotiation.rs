//! Content negotiation: media types and statuses, queries by GET, batches.

use macro_rules_attribute::apply;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, each_database, on_sqlite};

const PLAIN: &str = "application/json; charset=utf-8";
const NEWER: &str = "application/graphql-response+json; charset=utf-8";

async fn post(app: &TestApp, accept: Option<&str>, body: &Value) -> Reply {
    let mut request = app
        .client()
        .post(format!("{}/graphql", app.url()))
        .json(body);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    Reply::read(request.send().await.expect("the server answers")).await
}

async fn get(app: &TestApp, accept: &str, parameters: &[(&str, &str)]) -> Reply {
    let mut url = url::Url::parse(&format!("{}/graphql", app.url())).expect("a URL");
    url.query_pairs_mut().extend_pairs(parameters);
    let request = app.client().get(url).header(ACCEPT, accept);
    Reply::read(request.send().await.expect("the server answers")).await
}

#[track_caller]
fn assert_is(reply: &Reply, status: u16, content_type: &str, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.body);
    assert_eq!(reply.headers[CONTENT_TYPE], content_type, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preferred_type_is_used() {
    on_sqlite(&[], async |app: TestApp| {
        let query = json!({ "query": "{ __typename }" });
        for (accept, expected) in [
            (None, PLAIN),
            (Some("*/*"), PLAIN),
            (Some("application/*"), PLAIN),
            (Some("application/json"), PLAIN),
            (Some("application/graphql-response+json"), NEWER),
            (Some("application/graphql-response+json,application/json;q=0.9"), NEWER),
            (Some("application/json;q=0.9,application/graphql-response+json;q=0.8"), PLAIN),
            (Some("application/json;q=0, */*"), NEWER),
            // As sent by urql.
            (
                Some("application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"),
                NEWER,
            ),
            // As sent by Apollo.
            (
                Some("multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"),
                NEWER,
            ),
        ] {
            let reply = post(&app, accept, &query).await;
            assert_is(&reply, 200, expected, &format!("{accept:?}"));
            assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
        }
        for accept in ["text/plain", "image/png, text/html", "application/json;q=0", "application/*;q=0, */*"] {
            let reply = post(&app, Some(accept), &query).await;
            assert_is(&reply, 406, PLAIN, accept);
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_json_has_status_200_and_the_newer_type_an_error_status() {
    on_sqlite(&["--graphql-max-aliases=2"], async |app: TestApp| {
        let cases = [
            ("{ images { totalCount } }", json!({}), None, true),
            ("{", json!({}), Some("GRAPHQL_PARSE_FAILED"), false),
            (
                "{ nothing }",
                json!({}),
                Some("GRAPHQL_VALIDATION_FAILED"),
                false,
            ),
            (
                "{ a: __typename b: __typename c: __typename }",
                json!({}),
                Some("QUERY_TOO_COMPLEX"),
                false,
            ),
            (
                "query($a: ID!) { image(id: $a) { id } }",
                json!({}),
                Some("BAD_USER_INPUT"),
                false,
            ),
            (
                "query($a: Boolean!) { image(id: 1, includeDeleted: $a) { id } }",
                json!({ "a": "x" }),
                Some("BAD_USER_INPUT"),
                false,
            ),
            // The field failed, not the request.
            (
                "{ images(first: 0) { totalCount } }",
                json!({}),
                Some("BAD_USER_INPUT"),
                true,
            ),
        ];
        for (query, variables, code, has_data) in cases {
            let body = json!({ "query": query, "variables": variables });
            let plain = post(&app, Some("application/json"), &body).await;
            assert_is(&plain, 200, PLAIN, query);
            let newer = post(&app, Some("application/graphql-response+json"), &body).await;
            assert_is(&newer, if has_data { 200 } else { 400 }, NEWER, query);
            for reply in [plain, newer] {
                assert_eq!(
                    reply.body.get("data").is_some(),
                    has_data,
                    "{query}: {}",
                    reply.body
                );
                match code {
                    Some(code) => assert_eq!(reply.error_code(), code, "{query}"),
                    None => assert_eq!(reply.body.get("errors"), None, "{query}"),
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_graphql_request_is_400_in_both_types() {
    on_sqlite(&[], async |app: TestApp| {
        for (accept, content_type) in [
            ("application/json", PLAIN),
            ("application/graphql-response+json", NEWER),
        ] {
            for body in [
                json!({}),
                json!({ "query": 1 }),
                json!({ "query": "{ __typename }", "variables": [] }),
            ] {
                let reply = post(&app, Some(accept), &body).await;
                assert_is(&reply, 400, content_type, &body.to_string());
                assert_eq!(reply.error_code(), "BAD_USER_INPUT");
            }
        }
    })
    .await;
}

#[apply(each_database!)]
async fn queries_go_by_get_and_mutations_do_not(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let variables = json!({ "id": id }).to_string();
    let document = "query Other { __typename } query One($id: ID!) { image(id: $id) { id } } mutation Gone($id: ID!) { softDeleteImage(id: $id) { changed } }";
    let parameters = |operation| {
        [
            ("query", document),
            ("variables", &variables),
            ("operationName", operation),
            ("more", "x"),
        ]
    };
    for accept in [
        "application/json",
        "*/*",
        "application/graphql-response+json",
    ] {
        let reply = get(&app, accept, &parameters("One")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, json!({ "data": { "image": { "id": id } } }));
        let reply = get(&app, accept, &parameters("Gone")).await;
        assert_eq!(reply.status, 405, "{}", reply.body);
        assert_eq!(reply.headers[ALLOW], "POST");
        assert_eq!(reply.error_code(), "BAD_USER_INPUT");
    }
    let reply = get(
        &app,
        "*/*",
        &[
            (
                "query",
                "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            ),
            ("variables", &variables),
        ],
    )
    .await;
    assert_eq!(reply.status, 405);
    let still = app
        .run(
            "query($id: ID!) { image(id: $id) { deletedAt } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(still["image"]["deletedAt"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_a_get_are_read_as_those_of_a_post() {
    on_sqlite(&[], async |app: TestApp| {
        let hello = ("query", "{ __typename }");
        for parameters in [
            vec![
                hello,
                ("variables", ""),
                ("operationName", ""),
                ("extensions", ""),
            ],
            vec![hello, ("variables", "null"), ("extensions", "null")],
            vec![hello, ("variables", "{}"), ("extensions", "{\"a\":1}")],
        ] {
            let reply = get(&app, "*/*", &parameters).await;
            assert_eq!(reply.status, 200, "{parameters:?}: {}", reply.body);
        }
        for parameters in [
            vec![],
            vec![("query", "")],
            vec![("variables", "{}")],
            vec![hello, hello],
            vec![hello, ("variables", "[]")],
            vec![hello, ("variables", "{")],
            vec![hello, ("variables", "1")],
            vec![hello, ("extensions", "[]")],
            vec![hello, ("extensions", "x")],
        ] {
            let reply = get(&app, "*/*", &parameters).await;
            assert_is(&reply, 400, PLAIN, &format!("{parameters:?}"));
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        }
        let reply = get(&app, "text/plain", &[hello]).await;
        assert_eq!(reply.status, 406);
    })
    .await;
}

async fn ask(app: &TestApp, method: Method, path: &str) -> reqwest::Response {
    let request = app.client().request(method, format!("{}{path}", app.url()));
    request.send().await.expect("the server answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_returns_the_methods_of_a_path() {
    on_sqlite(&[], async |app: TestApp| {
        for path in ["/graphql", "/graphql/"] {
            let options = ask(&app, Method::OPTIONS, path).await;
            assert_eq!(options.status(), StatusCode::NO_CONTENT, "{path}");
            assert_eq!(options.headers()[ALLOW], "GET, POST, OPTIONS", "{path}");
            let head = ask(&app, Method::HEAD, path).await;
            assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(head.headers()[ALLOW], "GET, POST, OPTIONS", "{path}");
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            let options = ask(&app, Method::OPTIONS, path).await;
            assert_eq!(options.status(), StatusCode::NO_CONTENT, "{path}");
            assert_eq!(options.headers()[ALLOW], "GET, HEAD, OPTIONS", "{path}");
            let head = ask(&app, Method::HEAD, path).await;
            assert_eq!(head.status(), StatusCode::OK, "{path}");
            let reply = Reply::read(ask(&app, Method::POST, path).await).await;
            assert_is(&reply, 405, PLAIN, path);
            assert_eq!(reply.headers[ALLOW], "GET,HEAD", "{path}");
            assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{path}");
        }
        let nothing = ask(&app, Method::OPTIONS, "/nothing").await;
        assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    })
    .await;
}

#[apply(each_database!)]
async fn a_slash_at_the_end_of_the_endpoint_makes_no_difference(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let url = format!("{}/graphql/", app.url());
    let body =
        json!({ "query": "query($id: ID!) { image(id: $id) { id } }", "variables": { "id": id } });
    let posted = app.client().post(&url).json(&body).send().await;
    let reply = Reply::read(posted.expect("an answer")).await;
    assert_is(&reply, 200, PLAIN, "POST");
    assert_eq!(reply.body, json!({ "data": { "image": { "id": id } } }));
    let reply = Reply::read(ask(&app, Method::GET, "/graphql/?query={__typename}").await).await;
    assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
    // But for the page, whose scripts have relative URLs.
    let page = app.client().get(&url).header("accept", "text/html");
    let page = page.send().await.expect("an answer");
    assert_eq!(page.url().path(), "/graphql");
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_path_returns_the_existing_paths() {
    on_sqlite(&[], async |app: TestApp| {
        for path in [
            "/",
            "/nothing",
            "/graphql/x",
            "/graphql//",
            "/Graphql",
            "/assets/x",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                if method != Method::GET && path == "/assets/x" {
                    continue;
                }
                let reply = Reply::read(ask(&app, method, path).await).await;
                assert_is(&reply, 404, PLAIN, path);
                assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{path}");
                let message = reply.body["errors"][0]["message"].as_str();
                let message = message.expect("a message");
                for known in ["/graphql", "/healthz", "/readyz", "/metrics"] {
                    assert!(message.contains(known), "{path}: {message}");
                }
            }
        }
    })
    .await;
}

/// Sends a query with headers, which may repeat.
async fn post_with(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    let mut request = app.client().post(format!("{}/graphql", app.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(r#"{"query":"{ __typename }"}"#);
    Reply::read(request.send().await.expect("the server answers")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_may_be_empty_or_repeated() {
    on_sqlite(&[], async |app: TestApp| {
        let json = ("content-type", "application/json");
        for (more, status, content_type) in [
            (vec![("accept", "")], 200, PLAIN),
            (vec![("accept", " , ")], 200, PLAIN),
            (
                vec![
                    ("accept", ""),
                    ("accept", "application/graphql-response+json"),
                ],
                200,
                NEWER,
            ),
            (
                vec![("accept", "text/plain"), ("accept", "application/json")],
                200,
                PLAIN,
            ),
            (vec![("accept", "application/*;q=0, */*")], 406, PLAIN),
            (vec![("accept", "*/*;q=0")], 406, PLAIN),
            (vec![("content-encoding", "")], 200, PLAIN),
            (vec![("content-encoding", "identity")], 200, PLAIN),
            (vec![("content-encoding", "gzip")], 415, PLAIN),
            (vec![("content-encoding", "identity, gzip")], 415, PLAIN),
            (
                vec![("content-encoding", "identity"), ("content-encoding", "br")],
                415,
                PLAIN,
            ),
            (
                vec![("content-type", "application/json; charset=utf8")],
                200,
                PLAIN,
            ),
            (vec![("content-type", "text/plain")], 415, PLAIN),
            (vec![("x-graphql-cost", "")], 200, PLAIN),
            (vec![("x-gallery-read", "")], 200, PLAIN),
            (
                vec![("x-gallery-read", "replica"), ("x-gallery-position", "")],
                200,
                PLAIN,
            ),
        ] {
            let headers: Vec<_> = [json].into_iter().chain(more).collect();
            let reply = post_with(&app, &headers).await;
            assert_is(&reply, status, content_type, &format!("{headers:?}"));
        }
        let shown = [json, ("x-graphql-cost", ""), ("x-graphql-cost", "1")];
        let reply = post_with(&app, &shown).await;
        assert!(reply.body["extensions"]["cost"].is_object());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_depends_on_accept_has_vary() {
    on_sqlite(
        &["--cors-allowed-origins=https://app.example"],
        async |app: TestApp| {
            let vary = |reply: &reqwest::Response| {
                let values = reply.headers().get_all("vary").iter();
                let values: Vec<_> = values.map(|value| value.to_str().expect("text")).collect();
                values.join(", ").to_ascii_lowercase()
            };
            for accept in ["text/html", "application/json", "text/plain"] {
                for method in [Method::GET, Method::POST] {
                    let url = format!("{}/graphql?query={{__typename}}", app.url());
                    let request = app.client().request(method.clone(), url);
                    let request = request.header(ACCEPT, accept).json(&json!({}));
                    let reply = request.send().await.expect("an answer");
                    let vary = vary(&reply);
                    assert!(vary.contains("accept"), "{method} {accept}: {vary}");
                    assert!(vary.contains("origin"), "{method} {accept}: {vary}");
                }
            }
            let probe = ask(&app, Method::GET, "/healthz").await;
            assert!(!vary(&probe).contains("accept,"), "{}", vary(&probe));
        },
    )
    .await;
}

#[apply(each_database!)]
async fn a_batch_runs_in_order(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let image = |key: &str| json!({ "query": format!("query($id: ID!) {{ image(id: $id, includeDeleted: true) {{ {key}: deletedAt }} }}"), "variables": { "id": id } });
    let change = |mutation: &str| json!({ "query": format!("mutation($id: ID!) {{ {mutation}(id: $id) {{ changed }} }}"), "variables": { "id": id } });
    let batch = json!([image("first"), change("softDeleteImage"), { "query": "{ nothing }" }, image("then"), change("restoreImage"), image("last")]);
    let reply = post(&app, None, &batch).await;
    assert_is(&reply, 200, PLAIN, "a batch");
    let replies = reply.body.as_array().expect("a list");
    assert_eq!(replies.len(), 6);
    assert_eq!(
        replies[0],
        json!({ "data": { "image": { "first": null } } })
    );
    assert_eq!(
        replies[1],
        json!({ "data": { "softDeleteImage": { "changed": true } } })
    );
    assert_eq!(replies[2].get("data"), None);
    assert_eq!(
        replies[2]["errors"][0]["extensions"]["code"],
        "GRAPHQL_VALIDATION_FAILED"
    );
    assert!(replies[3]["data"]["image"]["then"].is_string());
    assert_eq!(replies[5], json!({ "data": { "image": { "last": null } } }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_limited_and_none_of_its_entries_malformed() {
    on_sqlite(&["--graphql-max-batch=3"], async |app: TestApp| {
        let hello = json!({ "query": "{ __typename }" });
        let of = |entries: usize| Value::Array(vec![hello.clone(); entries]);
        for accept in ["application/json", "application/graphql-response+json"] {
            let reply = post(&app, Some(accept), &of(3)).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.body.as_array().map(Vec::len), Some(3));
            for (batch, code) in [
                (of(4), "QUERY_TOO_COMPLEX"),
                (of(1000), "QUERY_TOO_COMPLEX"),
                (of(0), "BAD_USER_INPUT"),
                (json!([hello, "{ __typename }"]), "BAD_USER_INPUT"),
                (json!([hello, null]), "BAD_USER_INPUT"),
                (json!([hello, [hello]]), "BAD_USER_INPUT"),
                (json!([hello, {}]), "BAD_USER_INPUT"),
            ] {
                let reply = post(&app, Some(accept), &batch).await;
                assert_eq!(reply.status, 400, "{batch}");
                assert_eq!(reply.error_code(), code, "{batch}");
                assert_eq!(reply.body.get("data"), None);
            }
        }
        let failing = json!([{ "query": "{" }, { "query": "{ nothing }" }]);
        assert_eq!(
            post(&app, Some("application/json"), &failing).await.status,
            200
        );
        assert_eq!(
            post(&app, Some("application/graphql-response+json"), &failing)
                .await
                .status,
            400
        );
    })
    .await;
}
