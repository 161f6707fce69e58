//! Malicious requests: each is rejected quickly, and the server still works.

mod answer;
mod complexity;
mod cost;
mod growth;
mod places;
mod variables;

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use serde_json::json;

use crate::harness::{Reply, TestApp, each_database, on_sqlite};

/// Far more than an unoptimised build needs on a busy machine, and far less than the attacks took.
const QUICKLY: Duration = Duration::from_secs(5);

/// Runs a document within the time limit, and checks that the server still works.
async fn run(app: &TestApp, document: &str) -> Reply {
    let started = Instant::now();
    let reply = app.graphql(document, json!({})).await;
    let elapsed = started.elapsed();
    let start: String = document.chars().take(60).collect();
    assert!(elapsed < QUICKLY, "{elapsed:?} for {start}");
    let alive = app.run("{ __typename }", json!({})).await;
    assert_eq!(alive, json!({ "__typename": "Query" }), "after {start}");
    reply
}

async fn assert_too_complex(app: &TestApp, document: &str, limit: &str) {
    let reply = run(app, document).await;
    assert_refused(&reply, document, limit);
}

fn assert_refused(reply: &Reply, document: &str, limit: &str) {
    let start: String = document.chars().take(60).collect();
    assert_eq!(reply.status, 200, "{start}");
    assert_eq!(reply.body.get("data"), None, "{start}");
    assert_eq!(reply.error_code(), "QUERY_TOO_COMPLEX", "{start}");
    let message = reply.body["errors"][0]["message"]
        .as_str()
        .expect("a message");
    assert!(message.contains(limit), "{start}: {message}");
}

async fn assert_invalid(app: &TestApp, document: &str) {
    let reply = run(app, document).await;
    let code = reply.error_code();
    assert!(
        code == "GRAPHQL_VALIDATION_FAILED" || code == "GRAPHQL_PARSE_FAILED",
        "{code}: {document}"
    );
    assert_eq!(reply.body.get("data"), None);
}

/// Fragments that each spread the next one twice.
fn doubling(levels: usize, last: &str) -> String {
    let fragment = |level| {
        format!(
            "fragment f{level} on Query {{ ...f{next} ...f{next} }} ",
            next = level + 1
        )
    };
    let fragments: String = (0..levels).map(fragment).collect();
    format!("{{ ...f0 }} {fragments} fragment f{levels} on Query {{ {last} }}")
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().concat()
}

/// The URL of a GET.
fn get_url(app: &TestApp, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    format!("{}/graphql?{}", app.url(), query.finish())
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_that_overflows_the_parser_is_refused() {
    on_sqlite(&[], async |app: TestApp| {
        for levels in [65, 1_600, 100_000] {
            let documents = [
                format!("{{f(x:{})}}", nested("[", "", "]", levels)),
                format!("{{f(x:{}", "[".repeat(levels)),
                format!("{{f(x:{})}}", nested("{a:", "1", "}", levels)),
                format!("{{f(x:{})}}", nested("[{a:", "1", "}]", levels)),
                format!(
                    "query($a:{}){{__typename}}",
                    nested("[", "Int", "]", levels)
                ),
                format!(
                    "query($a:[Int]={}){{__typename}}",
                    nested("[", "1", "]", levels)
                ),
                nested("{a", "", "}", levels),
                nested("{...", "", "}", levels),
                format!(
                    "{{a{}}}",
                    nested("@d(x:", "1", ")", 1).replace('1', &nested("[", "", "]", levels))
                ),
                format!(
                    "#\u{feff}\n\u{feff}{{f(x:\"\\\"\",y:\"\"\"\\\"\"\"\"\"\",z:{})}}",
                    nested("[", "", "]", levels)
                ),
            ];
            for document in documents {
                let reply = run(&app, &document).await;
                assert_eq!(
                    reply.error_code(),
                    "QUERY_TOO_COMPLEX",
                    "{levels}: {}",
                    reply.body
                );
            }
        }
        // Just within the limit: parsed, and rejected for its content.
        assert_invalid(&app, &format!("{{f(x:{})}}", nested("[", "", "]", 62))).await;
        // Brackets in strings do not count.
        let text = "[{(".repeat(500);
        let reply = run(
            &app,
            &format!("{{ node(id: \"{text}\") {{ id }} }} # {text}"),
        )
        .await;
        assert_eq!(reply.into_data(), json!({ "node": null }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_that_double_are_refused() {
    on_sqlite(&[], async |app: TestApp| {
        for levels in [14, 20, 40, 60] {
            let bomb = doubling(levels, "__typename");
            assert_too_complex(&app, &bomb, "10000").await;
            // Validation also visits fragments that no operation spreads.
            assert_too_complex(
                &app,
                &bomb.replacen("{ ...f0 }", "{ __typename }", 1),
                "10000",
            )
            .await;
        }
        assert_too_complex(&app, &doubling(400, "__typename"), "64").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_of_fragments_is_invalid() {
    on_sqlite(&[], async |app: TestApp| {
        for document in [
            "{ ...a } fragment a on Query { ...a }",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
            "{ images { nodes { ...a } } } fragment a on Image { id ... on Node { ...a } }",
            "{ __typename } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }",
            "{ ...a @skip(if: true) } fragment a on Query { ...a @include(if: false) }",
        ] {
            assert_invalid(&app, document).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_limited_to_five_thousand() {
    on_sqlite(&[], async |app: TestApp| {
        let fields = |count: usize| format!("{{{}}}", "__typename ".repeat(count));
        assert_eq!(
            run(&app, &fields(4_998)).await.into_data(),
            json!({ "__typename": "Query" })
        );
        assert_too_complex(&app, &fields(4_999), "GRAPHQL_MAX_TOKENS").await;
        for unit in [
            "a ",
            "1 ",
            "\"\" ",
            "\"\"\"\"\"\" ",
            "$a ",
            "... ",
            "@a ",
            "! ",
            ": ",
            "é",
            "\u{0}",
            "} ",
            "-1 ",
        ] {
            assert_too_complex(
                &app,
                &format!("{{{}", unit.repeat(5_100)),
                "GRAPHQL_MAX_TOKENS",
            )
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_and_depth_count_through_fragments() {
    on_sqlite(&[], async |app: TestApp| {
        let aliases = |count: usize| numbered(count, |n| format!("a{n}: __typename "));
        let reply = run(&app, &format!("{{ {} }}", aliases(30))).await;
        assert_eq!(
            reply.into_data().as_object().map(serde_json::Map::len),
            Some(30)
        );
        assert_too_complex(
            &app,
            &format!("{{ {} }}", aliases(31)),
            "GRAPHQL_MAX_ALIASES",
        )
        .await;
        let spread = format!("{{ ...f ...f }} fragment f on Query {{ {} }}", aliases(16));
        assert_too_complex(&app, &spread, "GRAPHQL_MAX_ALIASES").await;
        let deep = |levels: usize| nested("{a", "", "}", levels);
        assert_invalid(&app, &deep(15)).await;
        assert_too_complex(&app, &deep(16), "GRAPHQL_MAX_DEPTH").await;
        let through = format!("{{ b {{ ...f }} }} fragment f on Query {}", deep(15));
        assert_too_complex(&app, &through, "GRAPHQL_MAX_DEPTH").await;
        let inline = format!("{{ ... {{ b {{ ... on Query {} }} }} }}", deep(15));
        assert_too_complex(&app, &inline, "GRAPHQL_MAX_DEPTH").await;
        // Each operation is measured separately: the other one is not executed.
        let two = format!("query a {{ __typename }} query b {}", deep(20));
        let body = json!({ "query": two, "operationName": "a" });
        let response = app
            .client()
            .post(format!("{}/graphql", app.url()))
            .json(&body)
            .send()
            .await;
        let code = Reply::read(response.expect("an answer")).await.error_code();
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_directives_are_refused() {
    on_sqlite(&[], async |app: TestApp| {
        assert_invalid(
            &app,
            &format!(
                "{{ images {} {{ totalCount }} }}",
                "@skip(if: false) ".repeat(700)
            ),
        )
        .await;
        assert_invalid(
            &app,
            &format!(
                "{{ images {} {{ totalCount }} }}",
                "@nothing ".repeat(2_000)
            ),
        )
        .await;
        assert_too_complex(
            &app,
            &format!(
                "{{ images {} {{ totalCount }} }}",
                "@nothing ".repeat(3_000)
            ),
            "TOKENS",
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_introspection_of_clients_passes_the_limits() {
    on_sqlite(&[], async |app: TestApp| {
        let of_type = nested("ofType { kind name ", "", "}", 9);
        let query = format!("query IntrospectionQuery {{ __schema {{
            queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} types {{ ...FullType }}
            directives {{ name description locations args {{ ...InputValue }} }} }} }}
            fragment FullType on __Type {{ kind name description fields(includeDeprecated: true) {{
                name description args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }}
                inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }}
                enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...TypeRef }} }}
            fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue }}
            fragment TypeRef on __Type {{ kind name {of_type} }}");
        let data = run(&app, &query).await.into_data();
        assert_eq!(data["__schema"]["queryType"]["name"], "Query");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_are_settings() {
    let settings = [
        "--graphql-max-tokens=30",
        "--graphql-max-depth=3",
        "--graphql-max-aliases=1",
    ];
    on_sqlite(&settings, async |app: TestApp| {
        for (within, beyond, variable) in [
            (
                "{ images { nodes { id } } }",
                "{ images { edges { node { id } } } }",
                "GRAPHQL_MAX_DEPTH",
            ),
            (
                "{ a: __typename }",
                "{ a: __typename b: __typename }",
                "GRAPHQL_MAX_ALIASES",
            ),
            (
                "{ __typename }",
                &format!("{{{}}}", "__typename ".repeat(29)),
                "GRAPHQL_MAX_TOKENS",
            ),
        ] {
            run(&app, within).await.into_data();
            assert_too_complex(&app, beyond, variable).await;
        }
    })
    .await;
}

#[apply(each_database!)]
async fn the_costliest_documents_within_the_limits_are_answered_quickly(app: TestApp) {
    let alice = app.user("alice");
    let inputs: Vec<_> = (0..100).map(|n| json!({
                "userId": alice.id, "imageUrl": crate::harness::image_url(&uuid::Uuid::new_v4().to_string()),
                "metadata": { "n": n },
            })).collect();
    let mutation = "mutation($inputs: [CreateImageInput!]!) { createImages(input: $inputs) { userErrors { code } } }";
    app.run(mutation, json!({ "inputs": inputs })).await;
    let image = "id userId imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt";
    let list = "images(first: 100) { nodes { id metadata } }";
    let distinct = numbered(230, |n| format!("fragment f{n} on Query {{ {list} }} "));
    let spreads = numbered(230, |n| format!("...f{n} "));
    for document in [
        format!("{{ {} }}", "images { nodes { id } } ".repeat(700)),
        format!(
            "{{ {} }} fragment f on Query {{ {list} }}",
            "...f ".repeat(1_600)
        ),
        format!("{{ {spreads} }} {distinct}"),
        format!(
            "{{ {} }}",
            format!("... on Query {{ {list} }} ").repeat(270)
        ),
        format!(
            "{{ images(first: 100) {{ nodes {{ {} }} }} }}",
            "id metadata ".repeat(2_400)
        ),
        format!(
            "{{ images(first: 100) {{ nodes {{ {} }} }} }} fragment f on Image {{ {image} }}",
            "...f ".repeat(800)
        ),
        format!(
            "{{ images(first: 100) {{ {} }} }} fragment f on ImageConnection {{ totalCount pageInfo {{ hasNextPage }} }}",
            "...f ".repeat(1_600)
        ),
        format!(
            "{{ galleryStats {{ {} }} }}",
            "createdPerDay(days: 366) { count } ".repeat(490)
        ),
        doubling(11, list).replace("...f1 ...f1", "...f1"),
        format!("{{ {} }}", numbered(30, |n| format!("a{n}: {list} "))),
    ] {
        let reply = run(&app, &document).await;
        reply.into_data();
    }
}
