//! What grows on the way: small requests that came to gigabytes, or to a stack that overflowed.

use serde_json::json;

use uuid::Uuid;

use super::{assert_refused, assert_too_complex, nested, numbered, run};
use crate::harness::{TestApp, Way, image_url, on_sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_that_goes_round_and_round_is_refused() {
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
async fn operations_that_are_not_meant_count_as_well() {
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

/// Priced far below what is allowed: the fields are few, but the values long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_gigabytes_is_refused_while_it_is_made() {
    on_sqlite(&[], async |app: TestApp| {
        let list: Vec<u8> = vec![0; 32_000];
        let input = |_| {
            json!({
                "userId": "alice",
                "imageUrl": image_url(&Uuid::new_v4().to_string()),
                "metadata": { "list": list },
            })
        };
        let create = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) { results { created } } }";
        for _ in 0..5 {
            let inputs: Vec<_> = (0..20).map(input).collect();
            app.run(create, json!({ "input": inputs })).await;
        }
        let whole = "images(first: 100) { nodes { id metadata } }";
        let document = format!("{{ a: {whole} b: {whole} }}");
        let data = app.run(&document, json!({})).await;
        assert_eq!(data["b"]["nodes"][99]["metadata"]["list"], json!(list));
        for field in [
            "images(first: 100) { nodes { metadata } edges { node { metadata } } }",
            "images(first: 100) { pageInfo { endCursor } }",
            "galleryEvents(first: 100) { nodes { image { id } } }",
        ] {
            let more = numbered(4, |number| format!("a{number}: {field} "));
            let reply = app.graphql(&format!("{{ {more} }}"), json!({})).await;
            assert_eq!(reply.error_code(), "QUERY_TOO_COMPLEX", "{field}");
        }
    })
    .await;
}
