//! `X-GraphQL-Cost: 1`: `extensions.cost`, the same for all transports.

use macro_rules_attribute::apply;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::get_url;
use crate::harness::{Reply, Socket, TestApp, each_database, on_sqlite};

const HEADER: &str = "x-graphql-cost";
const LIST: &str = "{ a: images(first: 10) { totalCount nodes { id userId } } }";

fn cost(complexity: usize, depth: usize, aliases: usize, tokens: usize) -> Value {
    json!({
        "complexity": complexity, "maximumComplexity": 10_000, "depth": depth, "maximumDepth": 15,
        "aliases": aliases, "maximumAliases": 30, "tokens": tokens, "maximumTokens": 5000,
    })
}

fn cost_of_list() -> Value {
    cost(1 + 50 + 10 * 2, 3, 1, 18)
}

async fn post(app: &TestApp, body: Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = app.client().post(format!("{}/graphql", app.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::read(request.json(&body).send().await.expect("an answer")).await
}

/// The data of server-sent events, or the parts of a multipart body.
fn payloads(body: &Value) -> Vec<Value> {
    let text = body.as_str().expect("no JSON as a whole");
    let lines = text.lines();
    let payload = lines.filter_map(|line| {
        let payload: Value =
            serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).ok()?;
        Some(payload.get("payload").cloned().unwrap_or(payload))
    });
    payload.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_includes_its_cost_on_request() {
    on_sqlite(&[], async |app: TestApp| {
        let body = json!({ "query": LIST });
        let reply = post(&app, body.clone(), &[(HEADER, "1")]).await;
        assert_eq!(reply.body["extensions"], json!({ "cost": cost_of_list() }));
        assert!(reply.body["data"]["a"].is_object());
        for headers in [vec![], vec![(HEADER, "0")], vec![(HEADER, "")]] {
            let reply = post(&app, body.clone(), &headers).await;
            assert_eq!(reply.body.get("extensions"), None, "{headers:?}");
        }
        let get = app.client().get(get_url(&app, &[("query", LIST)]));
        let get = get.header(HEADER, "1").send().await.expect("an answer");
        assert_eq!(
            Reply::read(get).await.body["extensions"]["cost"],
            cost_of_list()
        );
        let batch = json!([{ "query": LIST }, { "query": "{ trailCursor }" }, { "query": "{" }]);
        let reply = post(&app, batch, &[(HEADER, "1")]).await;
        assert_eq!(reply.body[0]["extensions"]["cost"], cost_of_list());
        assert_eq!(reply.body[1]["extensions"]["cost"], cost(1, 1, 0, 3));
        assert_eq!(reply.body[2]["extensions"]["cost"]["tokens"], 1);
        for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
            let reply = post(
                &app,
                body.clone(),
                &[(HEADER, "1"), (ACCEPT.as_str(), accept)],
            )
            .await;
            let payloads = payloads(&reply.body);
            assert_eq!(payloads.len(), 1, "{accept}: {}", reply.body);
            assert_eq!(
                payloads[0]["extensions"]["cost"],
                cost_of_list(),
                "{accept}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_error_reports_the_value() {
    on_sqlite(&[], async |app: TestApp| {
        let deep = format!("{}{}", "{a".repeat(16), "}".repeat(16));
        let aliases = super::numbered(31, |n| format!("a{n}: __typename "));
        for (document, name, value) in [
            (
                "{ images(first: 100) { nodes { events(first: 100) { nodes { id } } } } }"
                    .to_owned(),
                "complexity",
                12_001,
            ),
            (deep, "depth", 16),
            (format!("{{ {aliases} }}"), "aliases", 31),
            (format!("{{ {} }}", "a ".repeat(5000)), "tokens", 5002),
        ] {
            for accept in ["application/json", "text/event-stream", "multipart/mixed"] {
                let headers = [(HEADER, "1"), (ACCEPT.as_str(), accept)];
                let reply = post(&app, json!({ "query": document }), &headers).await;
                let body = match &reply.body {
                    Value::String(_) => payloads(&reply.body).remove(0),
                    body => body.clone(),
                };
                assert_eq!(body["errors"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX");
                assert_eq!(body["extensions"]["cost"][name], value, "{accept}: {name}");
            }
        }
        // Rejected for other reasons.
        for (query, status) in [
            ("{ nothing }", 200),
            ("subscription { galleryEvents { id } }", 200),
        ] {
            let reply = post(&app, json!({ "query": query }), &[(HEADER, "1")]).await;
            assert_eq!(reply.status, status);
            assert!(
                reply.body["extensions"]["cost"]["complexity"].is_u64(),
                "{}",
                reply.body
            );
        }
        let query = "mutation { emptyTrash { hasMore } }";
        let get = app.client().get(get_url(&app, &[("query", query)]));
        let reply = Reply::read(get.header(HEADER, "1").send().await.expect("an answer")).await;
        assert_eq!(reply.status, 405);
        assert_eq!(reply.body["extensions"]["cost"]["complexity"], 1001);
    })
    .await;
}

#[apply(each_database!)]
async fn a_socket_reports_the_cost_of_all_its_operations(app: TestApp) {
    app.user("alice").create_image().await;
    let by_header = Socket::open(&app, "graphql-transport-ws", &[(HEADER, "1")]).await;
    let mut by_header = by_header.expect("the upgrade is answered");
    by_header.send(json!({ "type": "connection_init" })).await;
    assert_eq!(by_header.receive().await["type"], "connection_ack");
    let payloads = [
        json!({ "X-GraphQL-Cost": "1" }),
        json!({ "headers": { "x-graphql-cost": 1 } }),
    ];
    let mut sockets = vec![by_header];
    for payload in payloads {
        sockets.push(Socket::begun(&app, payload).await);
    }
    for mut socket in sockets {
        socket.subscribe("1", LIST, json!({})).await;
        let next = socket.receive().await;
        assert_eq!(
            next["payload"]["extensions"]["cost"],
            cost_of_list(),
            "{next}"
        );
        assert_eq!(socket.receive().await["type"], "complete");
        // The cost of a subscription is that of one event.
        let events = "subscription { galleryEvents(after: \"\") { type image { id } } }";
        socket.subscribe("2", events, json!({})).await;
        let next = socket.receive().await;
        assert_eq!(
            next["payload"]["data"]["galleryEvents"]["type"], "CREATED",
            "{next}"
        );
        assert_eq!(next["payload"]["extensions"]["cost"]["complexity"], 4);
        socket.send(json!({ "type": "complete", "id": "2" })).await;
        // The message is only a list of errors.
        let bomb = "{ images(first: 100) { nodes { events(first: 100) { nodes { id } } } } }";
        socket.subscribe("3", bomb, json!({})).await;
        let error = socket.receive().await;
        assert_eq!(error["type"], "error", "{error}");
        assert_eq!(
            error["payload"][0]["extensions"]["code"],
            "QUERY_TOO_COMPLEX"
        );
        assert_eq!(
            error["payload"][0]["extensions"]["cost"]["complexity"],
            12_001
        );
    }
    for payload in [json!({}), json!({ "X-GraphQL-Cost": "0" })] {
        let mut socket = Socket::begun(&app, payload).await;
        socket.subscribe("1", LIST, json!({})).await;
        assert_eq!(socket.receive().await["payload"].get("extensions"), None);
    }
}

#[apply(each_database!)]
async fn server_sent_events_report_their_cost(app: TestApp) {
    app.user("alice").create_image().await;
    let request = app.client().post(format!("{}/graphql", app.url()));
    let request = request
        .header(HEADER, "1")
        .header(ACCEPT, "text/event-stream");
    let query = "subscription { galleryEvents(after: \"\") { type } }";
    let mut response = request
        .json(&json!({ "query": query }))
        .send()
        .await
        .expect("an answer");
    let mut text = String::new();
    while !text.contains("event: next") || !text.ends_with("\n\n") {
        let chunk = response
            .chunk()
            .await
            .expect("the stream goes on")
            .expect("an event");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let payload = &payloads(&json!(text))[0];
    assert_eq!(payload["data"]["galleryEvents"]["type"], "CREATED");
    assert_eq!(payload["extensions"]["cost"]["complexity"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_listed_origins_may_ask_for_it() {
    let settings = ["--cors-allowed-origins=https://app.example"];
    on_sqlite(&settings, async |app: TestApp| {
        let preflight = app
            .client()
            .request(reqwest::Method::OPTIONS, format!("{}/graphql", app.url()))
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-graphql-cost",
            );
        let response = preflight.send().await.expect("an answer");
        let allowed = response.headers()["access-control-allow-headers"].to_str();
        assert!(allowed.expect("text").contains(HEADER));
    })
    .await;
}
