//! Introspection, enabled and disabled.

use serde_json::{Value, json};

use crate::harness::{TestApp, Way, on_sqlite};

const OFF: &str = "--graphql-introspection=false";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_works_with_every_transport() {
    on_sqlite(&[], async |app: TestApp| {
        for way in Way::ALL {
            let reply = way
                .ask(
                    &app,
                    &json!({ "query": "{ __schema { queryType { name } } }" }),
                )
                .await;
            assert_eq!(
                reply["data"]["__schema"]["queryType"]["name"], "Query",
                "{way:?}: {reply}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabled_introspection_is_rejected_everywhere_with_every_transport() {
    on_sqlite(&[OFF], async |app: TestApp| {
        for document in [
            "{ __schema { queryType { name } } }",
            "{ __type(name: \"Image\") { fields { name } } }",
            "query Q { a: __schema { types { name } } images { totalCount } }",
            "{ ... { __schema { queryType { name } } } }",
            "{ ... on Query { ... @include(if: true) { t: __type(name: \"Image\") { name } } } }",
            "{ ...F } fragment F on Query { ...G } fragment G on Query { __schema { queryType { name } } }",
            "query Q($no: Boolean = false) { __typename __schema @include(if: $no) { queryType { name } } }",
            "mutation { __schema { queryType { name } } }",
            "mutation { __typename ... on Mutation { __type(name: \"Image\") { name } } }",
            "subscription { __schema { queryType { name } } }",
            "subscription { galleryEvents { image { __type(name: \"Image\") { name } } } }",
        ] {
            for way in Way::ALL {
                if way == Way::Get && document.starts_with("mutation") {
                    continue;
                }
                let reply = way.ask(&app, &json!({ "query": document })).await;
                assert_eq!(reply["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{way:?} {document}: {reply}");
                let message = reply["errors"][0]["message"].as_str().expect("a message");
                assert!(message.contains("GRAPHQL_INTROSPECTION"), "{message}");
                assert!(reply["errors"][0]["locations"][0]["line"].is_u64(), "{reply}");
                assert_eq!(reply.get("data"), None, "{reply}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabled_introspection_still_allows_typename() {
    on_sqlite(&[OFF], async |app: TestApp| {
        let names = json!({ "query": "{ __typename images { __typename edges { node { __typename } } } }" });
        for way in Way::ALL {
            let reply = way.ask(&app, &names).await;
            assert_eq!(reply["data"]["__typename"], "Query", "{way:?}: {reply}");
            assert_eq!(reply["data"]["images"]["__typename"], "ImageConnection", "{way:?}: {reply}");
        }
        // A string is not a field.
        let text = json!({ "query": "{ images(userId: \"__schema\") { totalCount } }" });
        assert_eq!(Way::Post.ask(&app, &text).await["data"]["images"]["totalCount"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabled_introspection_suggests_no_names() {
    let near_misses = [
        "{ image { totalCount } imagess { totalCount } }",
        "{ images { totalCont } }",
        "{ images(frist: 1) { totalCount } }",
        "{ images(filter: { serch: \"a\" }) { totalCount } }",
        "{ images(orderBy: CREATED_A) { totalCount } }",
        "{ node(id: \"a\") { ... on Imag { id } } }",
        "{ images { totalCount @skip(iff: true) } }",
    ];
    let messages = async |app: &TestApp, document: &str| -> String {
        let reply = Way::Post.ask(app, &json!({ "query": document })).await;
        assert!(
            matches!(reply["errors"], Value::Array(_)),
            "{document}: {reply}"
        );
        reply.to_string()
    };
    on_sqlite(&[], async |app: TestApp| {
        let message = messages(&app, near_misses[1]).await;
        assert!(message.contains("Did you mean"), "{message}");
    })
    .await;
    on_sqlite(&[OFF], async |app: TestApp| {
        for document in near_misses {
            let message = messages(&app, document).await;
            assert!(
                !message.to_lowercase().contains("did you mean"),
                "{message}"
            );
        }
    })
    .await;
}
