//! What is answered to whom: media types and their statuses, queries by GET, batches.

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
async fn the_most_welcome_type_is_answered() {
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
            // As urql sends it.
            (
                Some("application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"),
                NEWER,
            ),
            // As Apollo sends it.
            (
                Some("multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"),
                NEWER,
            ),
        ] {
            let reply = post(&app, accept, &query).await;
            assert_is(&reply, 200, expected, &format!("{accept:?}"));
            assert_eq!(reply.body, json!({ "data": { "__typename": "Query" } }));
        }
        for accept in ["text/plain", "image/png, text/html", "application/json;q=0", "application/json;q=0, */*"] {
            let reply = post(&app, Some(accept), &query).await;
            assert_is(&reply, 406, PLAIN, accept);
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_json_is_a_success_and_the_newer_type_tells_what_failed() {
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
                Some("GRAPHQL_VALIDATION_FAILED"),
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
async fn what_is_no_graphql_request_is_400_in_both_types() {
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

each_database! {
    async fn queries_go_by_get_and_mutations_do_not(app: TestApp) {
        let id = app.user("alice").create_image().await;
        let variables = json!({ "id": id }).to_string();
        let document = "query Other { __typename } query One($id: ID!) { image(id: $id) { id } } mutation Gone($id: ID!) { softDeleteImage(id: $id) { changed } }";
        let parameters = |operation| [("query", document), ("variables", &variables), ("operationName", operation), ("more", "x")];
        for accept in ["application/json", "*/*", "application/graphql-response+json"] {
            let reply = get(&app, accept, &parameters("One")).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.body, json!({ "data": { "image": { "id": id } } }));
            let reply = get(&app, accept, &parameters("Gone")).await;
            assert_eq!(reply.status, 405, "{}", reply.body);
            assert_eq!(reply.headers[ALLOW], "POST");
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        }
        let reply = get(&app, "*/*", &[("query", "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }"), ("variables", &variables)]).await;
        assert_eq!(reply.status, 405);
        let still = app.run("query($id: ID!) { image(id: $id) { deletedAt } }", json!({ "id": id })).await;
        assert_eq!(still["image"]["deletedAt"], Value::Null);
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_tells_the_methods_and_head_is_none_of_them() {
    on_sqlite(&[], async |app: TestApp| {
        let ask = async |method: Method| {
            let request = app
                .client()
                .request(method, format!("{}/graphql", app.url()));
            request.send().await.expect("the server answers")
        };
        assert!(ask(Method::OPTIONS).await.status().is_success());
        let head = ask(Method::HEAD).await;
        assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(head.headers()[ALLOW], "GET, POST, OPTIONS");
    })
    .await;
}

each_database! {
    async fn a_batch_runs_in_order(app: TestApp) {
        let id = app.user("alice").create_image().await;
        let image = |key: &str| json!({ "query": format!("query($id: ID!) {{ image(id: $id, includeDeleted: true) {{ {key}: deletedAt }} }}"), "variables": { "id": id } });
        let change = |mutation: &str| json!({ "query": format!("mutation($id: ID!) {{ {mutation}(id: $id) {{ changed }} }}"), "variables": { "id": id } });
        let batch = json!([image("first"), change("softDeleteImage"), { "query": "{ nothing }" }, image("then"), change("restoreImage"), image("last")]);
        let reply = post(&app, None, &batch).await;
        assert_is(&reply, 200, PLAIN, "a batch");
        let replies = reply.body.as_array().expect("a list");
        assert_eq!(replies.len(), 6);
        assert_eq!(replies[0], json!({ "data": { "image": { "first": null } } }));
        assert_eq!(replies[1], json!({ "data": { "softDeleteImage": { "changed": true } } }));
        assert_eq!(replies[2].get("data"), None);
        assert_eq!(replies[2]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        assert!(replies[3]["data"]["image"]["then"].is_string());
        assert_eq!(replies[5], json!({ "data": { "image": { "last": null } } }));
    }
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
