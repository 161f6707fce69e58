//! Variables that do not match their types: a request error with the path, for all transports.

use macro_rules_attribute::apply;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, Way, each_database, image_url, on_sqlite};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// A document, its variables, and the error message.
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let int = "query($n: Int) { images(first: $n) { totalCount } }";
    let filter = "query($f: ImageFilter) { images(filter: $f) { totalCount } }";
    vec![
        (
            int,
            json!({ "n": "x" }),
            "variable `$n` of type `Int` must be a whole number from -2147483648 to 2147483647; a string was given",
        ),
        (
            int,
            json!({ "n": 1.5 }),
            "variable `$n` of type `Int` must be a whole number from -2147483648 to 2147483647; another number was given",
        ),
        (
            "query($n: Int!) { images(first: $n) { totalCount } }",
            json!({}),
            "variable `$n` of type `Int!` is required and must not be null",
        ),
        (
            "query($a: Boolean!) { __typename @skip(if: $a) }",
            json!({ "a": "true" }),
            "variable `$a` of type `Boolean!` must be a boolean; a string was given",
        ),
        (
            "query($o: [ID!]!) { nodes(ids: $o) { id } }",
            json!({ "o": ["a", null] }),
            "variable `$o` of type `[ID!]!`: `o[1]` is required and must not be null",
        ),
        (
            filter,
            json!({ "f": { "colour": 1 } }),
            "variable `$f` of type `ImageFilter` has a field `colour`, which `ImageFilter` does not define",
        ),
        (
            filter,
            json!({ "f": { "intents": ["EDIT", "PAINT"] } }),
            "variable `$f` of type `ImageFilter`: `f.intents[1]` must be one of ",
        ),
        // Even if this request does not use it.
        (
            "query($t: [GalleryEventType!], $no: Boolean = false) {
                __typename galleryEvents(types: $t) @include(if: $no) { nodes { id } } }",
            json!({ "t": [1] }),
            "variable `$t` of type `[GalleryEventType!]`: `t[0]` must be the name of an enum value; a number was given",
        ),
    ]
}

async fn post(app: &TestApp, accept: &str, query: &str, variables: &Value) -> Reply {
    let body = json!({ "query": query, "variables": variables });
    let request = app.client().post(format!("{}/graphql", app.url()));
    let request = request.header(ACCEPT, accept).json(&body);
    Reply::read(request.send().await.expect("an answer")).await
}

fn get_url(app: &TestApp, query: &str, variables: &str) -> url::Url {
    let parameters = [("query", query), ("variables", variables)];
    url::Url::parse_with_params(&format!("{}/graphql", app.url()), parameters).expect("a URL")
}

#[apply(each_database!)]
async fn an_invalid_variable_is_reported_with_its_path(app: TestApp) {
    for (query, variables, expected) in refused() {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let reply = post(&app, accept, query, &variables).await;
            assert_eq!(reply.status, status, "{query}: {}", reply.body);
            assert_eq!(reply.body.get("data"), None, "{query}: {}", reply.body);
        }
        for way in Way::ALL {
            let reply = way
                .ask(&app, &json!({ "query": query, "variables": variables }))
                .await;
            let error = &reply["errors"][0];
            assert_eq!(
                error["extensions"]["code"], "BAD_USER_INPUT",
                "{way:?} {query}: {reply}"
            );
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.starts_with(expected), "{way:?} {query}: {reply}");
            assert_eq!(error["locations"][0]["line"], 1, "{way:?} {query}: {reply}");
            assert_eq!(reply.get("data"), None, "{way:?} {query}: {reply}");
        }
    }
}

#[apply(each_database!)]
async fn an_invalid_variable_of_a_subscription_or_mutation_changes_nothing(app: TestApp) {
    let subscription = "subscription($t: [GalleryEventType!]) { galleryEvents(types: $t) { id } }";
    let create =
        "mutation($i: [CreateImageInput!]!) { createImages(input: $i) { results { created } } }";
    let inputs = json!({ "i": [{ "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()), "userId": "alice" }, { "userId": "alice" }] });
    for (query, variables, place) in [
        (subscription, json!({ "t": ["GONE"] }), "`t[0]`"),
        (create, inputs, "`i[1].imageUrl`"),
    ] {
        for way in [
            Way::EventStream,
            Way::Multipart,
            Way::WebSocket,
            Way::LegacyWebSocket,
        ] {
            let reply = way
                .ask(&app, &json!({ "query": query, "variables": variables }))
                .await;
            assert_eq!(
                reply["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
                "{way:?}: {reply}"
            );
            assert!(
                reply["errors"][0]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .contains(place),
                "{way:?}: {reply}"
            );
        }
    }
    assert_eq!(
        app.run("{ images { totalCount } }", json!({})).await["images"]["totalCount"],
        0
    );
}

#[apply(each_database!)]
async fn variables_that_fit_are_coerced_as_before(app: TestApp) {
    let id = app.user("alice").create_image().await;
    for (query, variables) in [
        (
            "query($v: [ID!]!) { nodes(ids: $v) { id } }",
            json!({ "v": id }),
        ),
        (
            "query($v: ImageFilter) { images(filter: $v) { nodes { id } } }",
            json!({ "v": { "metadataContains": {} } }),
        ),
        (
            "query($v: Int = 5) { images(first: $v) { nodes { id } } }",
            json!({}),
        ),
        (
            "query($v: ID!) { image(id: $v) { id } }",
            json!({ "v": id, "other": { "nobody": "asked" } }),
        ),
    ] {
        assert!(
            app.run(query, variables).await.to_string().contains(&id),
            "{query}"
        );
    }
}

#[apply(each_database!)]
async fn a_mutation_by_get_is_rejected_before_its_variables_are_checked(app: TestApp) {
    let mutation = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    for variables in ["{}", r#"{"id":null}"#, r#"{"id":[1.5]}"#, deep.as_str()] {
        for accept in [JSON, GRAPHQL, "text/event-stream"] {
            let request = app.client().get(get_url(&app, mutation, variables));
            let reply = Reply::read(
                request
                    .header(ACCEPT, accept)
                    .send()
                    .await
                    .expect("an answer"),
            )
            .await;
            assert_eq!(reply.status, 405, "{accept} {variables}: {}", reply.body);
            assert_eq!(reply.headers[ALLOW], "POST", "{accept} {variables}");
            assert_eq!(
                reply.error_code(),
                "BAD_USER_INPUT",
                "{accept} {variables}: {}",
                reply.body
            );
        }
    }
}

#[apply(each_database!)]
async fn variables_that_nest_too_deeply_are_refused_by_one_rule(app: TestApp) {
    for levels in [65, 100, 126, 127, 128, 1000, 50_000] {
        let expected = format!(
            "variables: nested {levels} deep; at most 64 levels of lists and objects are allowed"
        );
        let variables = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let query = "query($a: [Int]) { __typename }";
        let body = format!(r#"{{"query":"{query}","variables":{variables}}}"#);
        let request = |body: String| {
            app.client()
                .post(format!("{}/graphql", app.url()))
                .header("content-type", JSON)
                .body(body)
        };
        let one = Reply::read(request(body.clone()).send().await.expect("an answer")).await;
        let batch = Reply::read(
            request(format!("[{body}]"))
                .send()
                .await
                .expect("an answer"),
        )
        .await;
        let mut replies = vec![one.body, batch.body[0].clone()];
        if levels <= 1000 {
            let get = app.client().get(get_url(&app, query, &variables));
            replies.push(Reply::read(get.send().await.expect("an answer")).await.body);
        }
        for reply in replies {
            assert_eq!(reply["errors"][0]["message"], expected, "{levels}");
            assert_eq!(
                reply["errors"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX",
                "{levels}"
            );
            assert_eq!(reply.get("data"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_introspection_no_value_of_an_enum_is_named() {
    on_sqlite(&["--graphql-introspection=false"], async |app: TestApp| {
        let query = "query($i: [ImageIntent!]) { images(filter: { intents: $i }) { totalCount } }";
        let reply = app.graphql(query, json!({ "i": ["PAINT"] })).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        let message = "variable `$i` of type `[ImageIntent!]`: `i[0]` must be a value of the enum `ImageIntent`; `PAINT` was given";
        assert_eq!(reply.body["errors"][0]["message"], message);
    })
    .await;
}

/// Both are checked before the first mutation is executed.
#[apply(each_database!)]
async fn an_invalid_instant_changes_nothing(app: TestApp) {
    let url = image_url("00000000-0000-4000-8000-000000000001");
    let create = format!(r#"createImage(input: {{imageUrl: "{url}", userId: "u"}}) {{ created }}"#);
    let message = "must be an RFC 3339 instant with its offset, e.g. 2026-01-15T10:30:00.123456Z; `yesterday` was given";
    for (query, variables, expected) in [
        (
            format!(
                "mutation($t: DateTime) {{ {create} emptyTrash(all: true, deletedBefore: $t) {{ purgedCount }} }}"
            ),
            json!({ "t": "yesterday" }),
            format!("variable `$t` of type `DateTime` {message}"),
        ),
        (
            format!(
                r#"mutation {{ {create} emptyTrash(all: true, deletedBefore: "yesterday") {{ purgedCount }} }}"#
            ),
            json!({}),
            format!("argument `deletedBefore` of type `DateTime` {message}"),
        ),
    ] {
        let reply = app.graphql(&query, variables).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{}", reply.body);
        assert_eq!(reply.body["errors"][0]["message"], expected);
    }
    let count = app.graphql("{ images { totalCount } }", json!({})).await;
    assert_eq!(count.body["data"]["images"]["totalCount"], 0);
}

#[apply(each_database!)]
async fn a_float_with_surplus_digits_is_rounded(app: TestApp) {
    let input = format!(
        r#"{{imageUrl: "{}", userId: "u", metadata: {{size: 0.1}}}}"#,
        image_url("00000000-0000-4000-8000-000000000001")
    );
    app.run(
        &format!("mutation {{ createImage(input: {input}) {{ created }} }}"),
        json!({}),
    )
    .await;
    let range = r#"{key: "size", min: 0.10000000000000001, max: 18446744073709551616}"#;
    let by_literal = json!({
        "query": format!("{{ images(filter: {{metadataNumbers: [{range}]}}) {{ totalCount }} }}"),
    });
    // As text, because values of the JSON library have lost the digits.
    let by_variable = r#"{
        "query": "query($n: [MetadataNumberRange!]) { images(filter: {metadataNumbers: $n}) { totalCount } }",
        "variables": {"n": [{"key": "size", "min": 0.10000000000000001, "max": 18446744073709551616}]}
    }"#;
    for body in [by_literal.to_string(), by_variable.to_owned()] {
        let request = app.client().post(format!("{}/graphql", app.url()));
        let request = request.header(CONTENT_TYPE, JSON).body(body.clone());
        let reply = Reply::read(request.send().await.expect("the server answers")).await;
        assert_eq!(
            reply.body["data"]["images"]["totalCount"], 1,
            "{body}: {}",
            reply.body
        );
    }
}
