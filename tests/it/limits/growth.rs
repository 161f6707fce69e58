//! Amplification: small requests that used to take gigabytes, or to overflow the stack.

use serde_json::json;

use super::{assert_refused, assert_too_complex, nested, numbered, run};
use crate::harness::{TestApp, Way, on_sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursive_introspection_is_rejected() {
    on_sqlite(&[], async |app: TestApp| {
        for levels in [2, 15, 30] {
            let round = nested("possibleTypes{interfaces{", "name", "}}", levels);
            let document = format!(r#"{{__type(name:"Node"){{{round}}}}}"#);
            assert_too_complex(&app, &document, "at most 2 levels").await;
        }
        let twice = "{ __schema { types { fields { type { fields { name } } } } } }";
        let reply = run(&app, twice).await;
        assert!(reply.body.get("errors").is_none(), "{}", reply.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_that_are_not_selected_count_too() {
    on_sqlite(&[], async |app: TestApp| {
        let fields = numbered(480, |number| format!("a{number}:id "));
        let images = numbered(19, |number| {
            format!("e{number}:events{{nodes{{image{{...F}}}}}} ")
        });
        let others = numbered(270, |number| {
            format!("query q{number}{{images{{nodes{{...G}}}}}} ")
        });
        let document = format!(
            "query q{{__typename}} {others} fragment F on Image{{{fields}}} fragment G on Image{{{images}}}"
        );
        let body = json!({ "query": document, "operationName": "q" });
        let reply = Way::Post.ask(&app, &body).await;
        let error = &reply["errors"][0];
        assert_eq!(error["extensions"]["code"], "QUERY_TOO_COMPLEX", "{reply}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("at most 10000"), "{message}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_variable_is_not_copied_a_thousand_times() {
    on_sqlite(&[], async |app: TestApp| {
        let uses = "$s ".repeat(2000);
        let filter = format!("metadataContains: {{ a: [{uses}] }}");
        let document =
            format!("query($s: JSON) {{ images(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}");
        let variables = json!({ "s": vec![0; 50_000] });
        let reply = app.graphql(&document, variables).await;
        assert_refused(&reply, &document, "use large variables less often");
        let aliases = numbered(30, |number| format!("a{number}: nodes(ids: $s) {{ id }} "));
        let document = format!("query($s: [ID!]!) {{ {aliases} }}");
        let reply = app
            .graphql(&document, json!({ "s": vec!["x"; 500_000] }))
            .await;
        assert_refused(&reply, &document, "use large variables less often");
    })
    .await;
}
