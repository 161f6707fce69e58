//! The complexity limit: accepted and rejected operations.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{QUICKLY, assert_refused, numbered};
use crate::harness::{Reply, TestApp, each_database, image_url, on_sqlite};

const IMAGE: &str = "id userId imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt";

/// Asserts that a document is rejected, and that the server still works.
async fn assert_too_complex(app: &TestApp, document: &str, variables: Value, asked: &str) {
    let started = std::time::Instant::now();
    let reply = app.graphql(document, variables).await;
    assert!(started.elapsed() < QUICKLY, "{document:.60}");
    assert_refused(
        &reply,
        document,
        "at most 10000 is allowed (GRAPHQL_MAX_COMPLEXITY)",
    );
    assert_refused(&reply, document, asked);
    let alive = app.run("{ __typename }", json!({})).await;
    assert_eq!(alive, json!({ "__typename": "Query" }));
}

fn inputs(count: usize) -> Vec<Value> {
    let input =
        |_| json!({ "userId": "alice", "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()) });
    (0..count).map(input).collect()
}

async fn image_count(app: &TestApp) -> Value {
    app.run("{ images { totalCount } }", json!({})).await["images"]["totalCount"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_over_the_limit_are_rejected() {
    on_sqlite(&[], async |app: TestApp| {
        let lists = numbered(30, |n| format!("a{n}: images(first: 100) {{ nodes {{ {IMAGE} }} }} "));
        let doubling = numbered(3, |n| {
            let next = n + 1;
            format!(
                "fragment f{n} on Image {{
                    a: events(first: 1) {{ nodes {{ image {{ ...f{next} @skip(if: false) }} }} }}
                    b: events(first: 1) {{ nodes {{ image {{ ...f{next} @skip(if: false) }} }} }} }} "
            )
        });
        for (document, asked) in [
            (format!("{{ {lists} }}"), "is 33030;"),
            (
                "{ galleryEvents(first: 100) { nodes { image { events(first: 100) { nodes { id } } } } } }".to_owned(),
                "is 12101;",
            ),
            // The same in a fragment on the connection, whose directive prevents inlining.
            (
                "{ galleryEvents(first: 100) { ...c @skip(if: false) } }
                 fragment c on GalleryEventConnection { nodes { image { events(first: 100) { nodes { id } } } } }".to_owned(),
                "is 12101;",
            ),
            (
                format!("{{ images(first: 100) {{ nodes {{ ...f0 @skip(if: false) }} }} }} {doubling} fragment f3 on Image {{ id }}"),
                "is 30201;",
            ),
            (
                format!("mutation {{ {} }}", numbered(11, |n| format!("a{n}: emptyTrash {{ purgedCount }} "))),
                "is 11011;",
            ),
        ] {
            assert_too_complex(&app, &document, json!({}), asked).await;
        }
        let ids: Vec<_> = (0..100).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Image { events(first: 100) { nodes { id } } } } }";
        assert_too_complex(&app, nodes, json!({ "ids": ids }), "is 12001;").await;
        let small = app.run(nodes, json!({ "ids": ids[..10] })).await;
        assert_eq!(small["nodes"].as_array().map(Vec::len), Some(10));
        let page = "query($n: Int = 100) { images(first: $n) { nodes { events(first: $n) { nodes { id } } } } }";
        assert_too_complex(&app, page, json!({}), "is 12001;").await;
        app.run(page, json!({ "n": 10 })).await;
    })
    .await;
}

#[apply(each_database!)]
async fn a_mutation_over_the_complexity_limit_changes_nothing(app: TestApp) {
    let create = |count| {
        numbered(count, |n| {
            format!("a{n}: createImages(input: $inputs) {{
            results {{ image {{ {IMAGE} }} created userErrors {{ code message path }} }} userErrors {{ code }} }} ")
        })
    };
    let mutation = |count| {
        format!(
            "mutation($inputs: [CreateImageInput!]!) {{ {} }}",
            create(count)
        )
    };
    let inputs = inputs(100);
    assert_too_complex(&app, &mutation(6), json!({ "inputs": inputs }), "is 12006;").await;
    assert_eq!(image_count(&app).await, 0);
    // A hundred images with all fields.
    let data = app.run(&mutation(1), json!({ "inputs": inputs })).await;
    assert_eq!(data["a0"]["results"].as_array().map(Vec::len), Some(100));
    assert_eq!(image_count(&app).await, 100);
}

#[apply(each_database!)]
async fn two_lists_of_a_hundred_and_a_page_of_events_fit(app: TestApp) {
    let create = "mutation($inputs: [CreateImageInput!]!) { createImages(input: $inputs) { userErrors { code } } }";
    app.run(create, json!({ "inputs": inputs(100) })).await;
    let event = "id cursor type imageId userId imageUrl occurredAt actor";
    let page = "totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
    let document = format!("{{
            images(first: 100) {{ {page} nodes {{ __typename {IMAGE} }} }} deletedImages(first: 100) {{ {page} nodes {{ {IMAGE} }} }}
            galleryEvents(first: 100) {{ nodes {{ {event} image {{ {IMAGE} }} }} }} galleryStats {{ activeCount }} }}");
    let data = app.run(&document, json!({})).await;
    assert_eq!(data["images"]["nodes"].as_array().map(Vec::len), Some(100));
    assert_eq!(
        data["galleryEvents"]["nodes"].as_array().map(Vec::len),
        Some(100)
    );
}

#[apply(each_database!)]
async fn a_page_or_list_out_of_range_is_an_error_of_its_field(app: TestApp) {
    for (document, code) in [
        (
            "{ images(first: 2147483647) { nodes { id } } }",
            "BAD_USER_INPUT",
        ),
        ("{ images(first: -1) { nodes { id } } }", "BAD_USER_INPUT"),
        (
            "{ images(first: 99999999999999) { nodes { id } } }",
            "BAD_USER_INPUT",
        ),
    ] {
        assert_eq!(
            app.error_code(document, json!({})).await,
            code,
            "{document}"
        );
    }
    let ids = vec!["a"; 10_000];
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(
        app.error_code(nodes, json!({ "ids": ids })).await,
        "BAD_USER_INPUT"
    );
    let trash = "mutation($ids: [ID!]!) { softDeleteImages(ids: $ids) { userErrors { code } } }";
    let data = app.run(trash, json!({ "ids": ids })).await;
    assert_eq!(
        data["softDeleteImages"]["userErrors"][0]["code"],
        "TOO_MANY_ITEMS"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_complexity_is_a_setting() {
    on_sqlite(&["--graphql-max-complexity=51"], async |app: TestApp| {
        app.run("{ images { totalCount } }", json!({})).await;
        app.run(
            "{ images { totalCount } trailCursor @skip(if: true) }",
            json!({}),
        )
        .await;
        app.run("{ __schema { types { name fields { name } } } }", json!({}))
            .await;
        let reply: Reply = app
            .graphql("{ images { totalCount } trailCursor }", json!({}))
            .await;
        let message =
            "the operation's complexity is 52; at most 51 is allowed (GRAPHQL_MAX_COMPLEXITY)";
        assert_refused(&reply, "one more", message);
    })
    .await;
}
