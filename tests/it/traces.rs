//! `OTEL_EXPORTER_OTLP_ENDPOINT`: a request, its operation and its SQL as spans of the caller's trace, without values.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::collector::{Collector, Span};
use crate::harness::{Program, TestDatabase, each_database, image_url};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const SECRET: &str = "the prompt that nobody may read";

async fn send(url: &str, document: &str, variables: Value) {
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client
        .expect("a client")
        .post(url)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&json!({ "query": document, "variables": variables }));
    let response = request.send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
}

#[track_caller]
fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
    assert!(found.next().is_none(), "several {name} in {spans:#?}");
    span
}

#[apply(each_database!)]
async fn a_request_its_operation_and_its_sql_are_spans_of_the_callers_trace(
    database: TestDatabase,
) {
    let collector = Collector::start().await;
    let program = Program::new()
        .with("DATABASE_URL", &database.url())
        .with("AUTO_MIGRATE", "true")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .with(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        );
    let server = program.serve().await;
    let url = format!("http://{}/graphql", server.address());
    let input = json!({
        "userId": "alice", "imageUrl": image_url("3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"), "refinedPrompt": SECRET,
    });
    let store =
        "mutation Store($input: CreateImageInput!) { createImage(input: $input) { created } }";
    send(&url, store, json!({ "input": input })).await;
    let search = "query($search: String!) { images(filter: { search: $search }) { totalCount } nothing: image(id: \"x\") { id } }";
    send(&url, search, json!({ "search": SECRET })).await;
    send(&url, "{ images(first: 1000) { totalCount } }", json!({})).await;
    server.terminate();
    // Flushes pending spans.
    assert_eq!(server.output().await.code, Some(0));

    let spans = collector.spans();
    let mutation = only(&spans, "mutation");
    assert_eq!(mutation.attributes["graphql.operation.name"], "Store");
    assert!(!mutation.is_error);
    let request = spans
        .iter()
        .find(|span| span.id == mutation.parent_id)
        .expect("a request");
    assert_eq!(request.name, "POST /graphql");
    assert_eq!(
        (request.trace_id.as_str(), request.parent_id.as_str()),
        (TRACE, PARENT)
    );
    assert_eq!(request.attributes["url.path"], "/graphql");
    assert!(
        request.attributes["http.response.status_code"].contains("200"),
        "{request:?}"
    );
    assert_eq!(request.resource["service.name"], "image-gallery");
    assert_eq!(request.resource["deployment.environment.name"], "test");
    let queries: Vec<&Span> = spans.iter().filter(|span| span.name == "query").collect();
    assert_eq!(queries.len(), 2, "{spans:#?}");
    let failed: Vec<_> = queries.iter().filter(|span| span.is_error).collect();
    assert_eq!(failed.len(), 1, "{queries:#?}");
    assert_eq!(failed[0].attributes["error.type"], "BAD_USER_INPUT");

    let statements: Vec<&Span> = spans
        .iter()
        .filter(|span| span.attributes.contains_key("db.query.text"))
        .collect();
    let insert = statements
        .iter()
        .find(|span| span.name == "INSERT")
        .expect("an INSERT");
    assert_eq!(insert.parent_id, mutation.id);
    assert!(insert.attributes["db.query.text"].contains("image_gallery"));
    let system = match &database {
        TestDatabase::Postgres(_) => "postgresql",
        TestDatabase::Sqlite(_) => "sqlite",
    };
    let parents: Vec<&str> = spans
        .iter()
        .filter(|span| !span.attributes.contains_key("db.query.text"))
        .map(|span| span.id.as_str())
        .collect();
    for statement in &statements {
        assert_eq!(statement.attributes["db.system.name"], system);
        assert!(
            parents.contains(&statement.parent_id.as_str()),
            "{statement:?}"
        );
        assert_eq!(statement.trace_id, TRACE);
    }
    let everything = format!("{spans:?}");
    for secret in [SECRET, "nobody", "alice", "3f2b8c1e"] {
        assert!(!everything.contains(secret), "{secret} in {spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_collector_delays_nothing() {
    // Nothing listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let program = Program::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}/"));
    let server = program.serve().await;
    let url = format!("http://{}/graphql", server.address());
    send(&url, "{ images { totalCount } }", json!({})).await;
    server.terminate();
    assert_eq!(server.output().await.code, Some(0));
}
