//! Validation: where the rewriting of documents or gaps in the library's validation could change its result.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, Way, each_database};

async fn refusal(app: &TestApp, query: &str, variables: Value) -> String {
    let reply = app.graphql(query, variables).await;
    assert_eq!(
        reply.error_code(),
        "GRAPHQL_VALIDATION_FAILED",
        "{query}: {}",
        reply.body
    );
    assert_eq!(reply.body.get("data"), None, "{query}: {}", reply.body);
    let error = &reply.body["errors"][0];
    assert!(error["locations"][0]["line"].is_u64(), "{query}: {error}");
    let message = error["message"].as_str().expect("a message");
    message.to_owned()
}

#[apply(each_database!)]
async fn a_directive_may_stand_once(app: TestApp) {
    let both = json!({ "a": false, "b": false });
    for place in [
        "__typename @skip(if: $a) @skip(if: $b)",
        "images @skip(if: $a) @skip(if: $b) { totalCount }",
        "images { totalCount @skip(if: $a) @skip(if: $b) }",
        "... @skip(if: $a) @skip(if: $b) { __typename }",
        "...F @skip(if: $a) @skip(if: $b)",
    ] {
        let fragment = if place.starts_with("...F") {
            "fragment F on Query { __typename }"
        } else {
            ""
        };
        let query = format!("query($a: Boolean!, $b: Boolean!) {{ {place} }} {fragment}");
        let message = refusal(&app, &query, both.clone()).await;
        assert_eq!(
            message, "the directive `@skip` may be used only once at a location",
            "{query}"
        );
    }
}

#[apply(each_database!)]
async fn an_unknown_directive_is_refused_wherever_it_stands(app: TestApp) {
    for query in [
        "{ __typename @nonsense }",
        "{ images { __typename @nonsense } }",
        "mutation { __typename @nonsense }",
        "{ __typename @nonsense(a: 1) __typename }",
        "{ images @nonsense { totalCount } }",
        "query @nonsense { __typename }",
        "query($a: Int @nonsense) { images(first: $a) { totalCount } }",
        "{ ...F } fragment F on Query @nonsense { __typename }",
        "{ ... @nonsense { __typename } }",
    ] {
        assert!(
            refusal(&app, query, json!({})).await.contains("nonsense"),
            "{query}"
        );
    }
    for query in [
        "{ __typename @skip }",
        "{ __typename @skip(if: 1) }",
        "{ __typename @skip(if: true, a: 1) }",
        "{ __typename(a: 1) }",
        "{ __typename { id } }",
    ] {
        refusal(&app, query, json!({})).await;
    }
}

#[apply(each_database!)]
async fn a_variable_in_a_directive_of_typename_is_used(app: TestApp) {
    let query = "query($a: Boolean!) { x: __typename @skip(if: $a) y: __typename @include(if: $a) images { __typename @skip(if: $a) totalCount } }";
    for way in Way::ALL {
        let reply = way
            .ask(&app, &json!({ "query": query, "variables": { "a": true } }))
            .await;
        assert_eq!(
            reply,
            json!({ "data": { "y": "Query", "images": { "totalCount": 0 } } }),
            "{way:?}"
        );
        let reply = way
            .ask(
                &app,
                &json!({ "query": query, "variables": { "a": false } }),
            )
            .await;
        assert_eq!(
            reply,
            json!({ "data": { "x": "Query", "images": { "__typename": "ImageConnection", "totalCount": 0 } } }),
            "{way:?}"
        );
    }
}

#[apply(each_database!)]
async fn a_condition_may_not_be_null(app: TestApp) {
    for query in [
        "query($x: Boolean) { __typename @skip(if: $x) }",
        "query($x: Boolean) { images @include(if: $x) { totalCount } }",
        "query($x: Boolean) { images { ...F } } fragment F on ImageConnection { totalCount @skip(if: $x) }",
    ] {
        for variables in [json!({}), json!({ "x": null }), json!({ "x": true })] {
            let message = refusal(&app, query, variables).await;
            assert!(
                message.contains("variable `$x` must be a `Boolean!`"),
                "{query}: {message}"
            );
        }
    }
}

#[apply(each_database!)]
async fn an_unused_fragment_is_refused_for_that_and_not_for_what_it_spreads(app: TestApp) {
    let query = "{ ...G } fragment F on Query { ...G } fragment G on Query { __typename }";
    let message = refusal(&app, query, json!({})).await;
    assert_eq!(message, "the fragment `F` is never used");
}

#[apply(each_database!)]
async fn an_empty_operation_name_counts_as_absent(app: TestApp) {
    for way in Way::ALL {
        for query in ["{ __typename }", "query Q { __typename }"] {
            let reply = way
                .ask(&app, &json!({ "query": query, "operationName": "" }))
                .await;
            assert_eq!(
                reply,
                json!({ "data": { "__typename": "Query" } }),
                "{way:?} {query}"
            );
        }
        let several = "query A { __typename } query B { __typename }";
        let reply = way
            .ask(&app, &json!({ "query": several, "operationName": "" }))
            .await;
        assert_eq!(
            reply["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{way:?}: {reply}"
        );
        assert!(
            reply["errors"][0]["message"]
                .as_str()
                .unwrap_or_default()
                .contains("several operations"),
            "{way:?}: {reply}"
        );
    }
}

#[apply(each_database!)]
async fn the_schema_describes_itself(app: TestApp) {
    let printed = include_str!("../../schema.graphql");
    let query = "query($no: Boolean = false) {
            __schema { description ...F mine: description __typename queryType { name description } }
            again: __schema { ... @include(if: $no) { description } ... on __Schema { d: description } }
            ...R @skip(if: $no)
        } fragment F on __Schema { queried: description } fragment R on Query { third: __schema { description } }";
    let data = app.run(query, json!({})).await;
    let description = data["__schema"]["description"]
        .as_str()
        .expect("a description");
    assert!(printed.ends_with(&format!("\"\"\"\n{description}\n\"\"\"\nschema {{\n  query: Query\n  mutation: Mutation\n  subscription: Subscription\n}}\n")), "{description}");
    for key in ["queried", "mine"] {
        assert_eq!(data["__schema"][key], description);
    }
    assert_eq!(data["__schema"]["__typename"], "__Schema");
    assert_ne!(data["__schema"]["queryType"]["description"], description);
    assert_eq!(data["again"], json!({ "d": description }));
    assert_eq!(data["third"], json!({ "description": description }));
}

#[apply(each_database!)]
async fn an_input_object_gives_each_field_once(app: TestApp) {
    for query in [
        "{ images(filter: {intents: [EDIT], intents: [GENERATE]}) { totalCount } }",
        "query($f: ImageFilter = {search: \"a\", search: \"b\"}) { images(filter: $f) { totalCount } }",
        "{ images(filter: {metadataContains: {a: {b: 1, b: 2}}}) { totalCount } }",
    ] {
        let message = refusal(&app, query, json!({})).await;
        assert!(
            message.starts_with("an input object gives the field `"),
            "{query}: {message}"
        );
        assert!(message.ends_with("` more than once"), "{query}: {message}");
    }
}
