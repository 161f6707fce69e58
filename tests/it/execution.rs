//! Execution and responses as in the GraphQL specification: the criteria for choosing the library. Responses are
//! compared as text where the order of keys matters.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, each_database};

/// `data` as the server serialised it.
async fn data_text(app: &TestApp, query: &str, variables: Value) -> String {
    let body = json!({ "query": query, "variables": variables });
    let request = app.client().post(format!("{}/graphql", app.url()));
    let response = request.json(&body).send().await.expect("an answer");
    let text = response.text().await.expect("the body is whole");
    let data = text.strip_prefix(r#"{"data":"#);
    let data = data.unwrap_or_else(|| panic!("no data first in {text}"));
    data.strip_suffix('}').expect("an object").to_owned()
}

/// Asserts a request error: no key `data`, and a code on every error.
#[track_caller]
fn assert_refused(reply: &Reply, code: &str, what: &str) {
    assert_eq!(reply.status, 200, "{what}: {}", reply.body);
    assert_eq!(reply.body.get("data"), None, "{what}: {}", reply.body);
    let errors = reply.body["errors"].as_array().expect("errors");
    assert!(!errors.is_empty(), "{what}");
    for error in errors {
        assert_eq!(error["extensions"]["code"], code, "{what}: {}", reply.body);
        assert!(error["message"].is_string(), "{what}: {}", reply.body);
    }
}

#[apply(each_database!)]
async fn a_failed_field_takes_its_nearest_nullable_parent_and_no_more(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($id: ID!) {
            before: image(id: $id) { id }
            broken: image(id: $id) { userId imageUrl(transform: { width: 0 }) }
            node(id: $id) { id ... on Image { imageUrl(transform: { quality: 101 }) } }
            nodes(ids: [$id, $id]) { id ... on Image { imageUrl(transform: { height: 10001 }) } }
            after: image(id: $id) { id }
        }";
    let reply = app.graphql(query, json!({ "id": id })).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body["data"],
        json!({
            "before": { "id": id }, "broken": null, "node": null, "nodes": [null, null], "after": { "id": id },
        })
    );
    let errors = reply.body["errors"].as_array().expect("errors");
    let path = |path: Value| errors.iter().any(|error| error["path"] == path);
    for expected in [
        json!(["broken", "imageUrl"]),
        json!(["node", "imageUrl"]),
        json!(["nodes", 0, "imageUrl"]),
        json!(["nodes", 1, "imageUrl"]),
    ] {
        assert!(path(expected.clone()), "{expected}: {}", reply.body);
    }
    for error in errors {
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        assert!(error["locations"][0]["line"].is_u64(), "{error}");
    }
}

#[apply(each_database!)]
async fn a_failure_under_a_list_that_may_not_be_null_takes_data(app: TestApp) {
    app.user("alice").create_image().await;
    for connection in [
        "nodes { imageUrl(transform: { width: 0 }) }",
        "edges { node { imageUrl(transform: { width: 0 }) } }",
    ] {
        let reply = app
            .graphql(
                &format!("{{ __typename images {{ {connection} totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body.get("data"), Some(&Value::Null), "{}", reply.body);
        assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        assert_eq!(reply.body["errors"][0]["path"][0], "images");
    }
}

#[apply(each_database!)]
async fn keys_of_data_are_in_the_order_of_selection(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($id: ID!) {
            z: image(id: $id) { userId id ...prompts a: id deletedAt ... on Image { intent imageUrl } }
            galleryStats { deletedCount activeCount }
            a: image(id: $id) { id }
            ... on Query { m: node(id: $id) { __typename id } }
            b: images { totalCount nodes { id } edges { cursor } pageInfo { hasPreviousPage endCursor hasNextPage } }
        } fragment prompts on Image { refinedPrompt id originalPrompt }";
    let text = data_text(&app, query, json!({ "id": id })).await;
    let expected = [
        "z",
        "userId",
        "id",
        "refinedPrompt",
        "originalPrompt",
        "a",
        "deletedAt",
        "intent",
        "imageUrl",
        "galleryStats",
        "deletedCount",
        "activeCount",
        "a",
        "id",
        "m",
        "__typename",
        "id",
        "b",
        "totalCount",
        "nodes",
        "id",
        "edges",
        "cursor",
        "pageInfo",
        "hasPreviousPage",
        "endCursor",
        "hasNextPage",
    ];
    assert_eq!(keys(&text), expected, "{text}");
}

#[apply(each_database!)]
async fn an_object_of_which_nothing_is_selected_is_empty_and_not_null(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let cases = [
        ("{ __typename @skip(if: true) }", "{}"),
        (
            "query($id: ID!) { image(id: $id) { id @skip(if: true) } }",
            r#"{"image":{}}"#,
        ),
        (
            "query($id: ID!) { node(id: $id) { ... on Image @include(if: false) { userId } } }",
            r#"{"node":{}}"#,
        ),
        (
            "query($id: ID!) { image(id: $id) { ...f @skip(if: true) } } fragment f on Image { id }",
            r#"{"image":{}}"#,
        ),
        (
            "query($id: ID!) { nodes(ids: [$id]) { id @include(if: false) } }",
            r#"{"nodes":[{}]}"#,
        ),
        (
            "{ images { nodes { id @skip(if: true) } } }",
            r#"{"images":{"nodes":[{}]}}"#,
        ),
        (
            "{ galleryStats { activeCount @skip(if: true) } }",
            r#"{"galleryStats":{}}"#,
        ),
    ];
    for (query, expected) in cases {
        let variables = if query.contains("$id") {
            json!({ "id": id })
        } else {
            json!({})
        };
        assert_eq!(data_text(&app, query, variables).await, expected, "{query}");
    }
}

#[apply(each_database!)]
async fn a_variable_that_was_not_sent_leaves_its_field_unchanged(app: TestApp) {
    let alice = app.user("alice");
    let image = alice.create(json!({ "originalPrompt": "a cat", "refinedPrompt": "a fine cat", "metadata": { "a": 1 } })).await;
    let update = "mutation($id: ID!, $original: String, $refined: String, $metadata: JSON, $intent: ImageIntent) {
            updateImage(input: { id: $id, originalPrompt: $original, refinedPrompt: $refined, metadata: $metadata, intent: $intent }) {
                image { originalPrompt refinedPrompt metadata intent updatedAt } userErrors { code }
            }
        }";
    let kept = app.run(update, json!({ "id": image["id"] })).await;
    assert_eq!(
        kept["updateImage"],
        json!({ "userErrors": [], "image": {
            "originalPrompt": "a cat", "refinedPrompt": "a fine cat", "metadata": { "a": 1 }, "intent": null,
            "updatedAt": image["updatedAt"],
        } })
    );
    let cleared = app
        .run(
            update,
            json!({ "id": image["id"], "original": null, "metadata": null, "intent": "EDIT" }),
        )
        .await;
    let cleared = &cleared["updateImage"]["image"];
    assert_eq!(cleared["originalPrompt"], json!(null));
    assert_eq!(cleared["refinedPrompt"], "a fine cat");
    assert_eq!(cleared["metadata"], json!({}));
    assert_eq!(cleared["intent"], "EDIT");
    let whole = "mutation($input: UpdateImageInput!) { updateImage(input: $input) { image { refinedPrompt intent } } }";
    let changed = app
        .run(
            whole,
            json!({ "input": { "id": image["id"], "intent": null } }),
        )
        .await;
    assert_eq!(
        changed["updateImage"]["image"],
        json!({ "refinedPrompt": "a fine cat", "intent": null })
    );
}

#[apply(each_database!)]
async fn a_variable_that_is_declared_but_not_sent_leaves_the_default_of_its_argument(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    let asked = [
        (
            "query($id: ID!, $d: Boolean) { image(id: $id, includeDeleted: $d) { id } }",
            json!({ "image": { "id": id } }),
        ),
        (
            "query($id: ID!, $d: Boolean) { ...f } fragment f on Query { image(id: $id, includeDeleted: $d) { id } }",
            json!({ "image": { "id": id } }),
        ),
        (
            "mutation($id: ID!, $f: Boolean) { purgeImage(id: $id, force: $f) { changed } }",
            json!({ "purgeImage": { "changed": false } }),
        ),
        (
            "mutation($id: ID!, $f: Boolean) { purgeImages(ids: [$id], force: $f) { purgedIds } }",
            json!({ "purgeImages": { "purgedIds": [] } }),
        ),
        (
            "mutation($a: Boolean) { emptyTrash(userId: \"alice\", all: $a) { purgedCount } }",
            json!({ "emptyTrash": { "purgedCount": 0 } }),
        ),
        (
            "mutation($a: Boolean) { restoreTrash(userId: \"alice\", all: $a) { restoredCount } }",
            json!({ "restoreTrash": { "restoredCount": 0 } }),
        ),
    ];
    for (document, expected) in asked {
        let variables = if document.contains("$id") {
            json!({ "id": id })
        } else {
            json!({})
        };
        assert_eq!(app.run(document, variables).await, expected, "{document}");
    }
    let days = "query($days: Int) { galleryStats { createdPerDay(days: $days) { count } } }";
    let per_day = app.run(days, json!({})).await;
    assert_eq!(
        per_day["galleryStats"]["createdPerDay"]
            .as_array()
            .map(Vec::len),
        Some(30)
    );
    // An explicit null differs from an absent value.
    assert_refused(
        &app.graphql(days, json!({ "days": null })).await,
        "BAD_USER_INPUT",
        days,
    );
    let null = "query($id: ID!, $d: Boolean) { image(id: $id, includeDeleted: $d) { id } }";
    assert_refused(
        &app.graphql(null, json!({ "id": id, "d": null })).await,
        "BAD_USER_INPUT",
        null,
    );
    let directive = "query($x: Boolean) { __typename @skip(if: $x) }";
    assert_refused(
        &app.graphql(directive, json!({})).await,
        "GRAPHQL_VALIDATION_FAILED",
        directive,
    );
}

#[apply(each_database!)]
async fn a_value_that_does_not_fit_its_type_is_an_error_of_the_request_and_has_no_data(
    app: TestApp,
) {
    let id = app.user("alice").create_image().await;
    let refused = [
        (
            "query($i: DateTime) { images(filter: { createdAfter: $i }) { totalCount } }",
            json!({ "i": "yesterday" }),
        ),
        (
            "{ a: images { totalCount } images(first: 99999999999) { totalCount } }",
            json!({}),
        ),
        (
            "query($n: Int) { images(first: $n) { totalCount } }",
            json!({ "n": 99_999_999_999_i64 }),
        ),
        (
            "query($id: ID!) { image(id: $id) { imageUrl(transform: { width: 99999999999 }) } }",
            json!({ "id": id }),
        ),
        (
            "mutation($d: DateTime) { emptyTrash(all: true, deletedBefore: $d) { purgedCount } }",
            json!({ "d": "x" }),
        ),
        (
            "mutation($id: ID!) { updateImage(input: { id: $id, ifUpdatedAt: \"x\" }) { image { id } } }",
            json!({ "id": id }),
        ),
        // Checked before the first of them is executed.
        (
            "mutation($id: ID!) { a: softDeleteImage(id: $id) { changed } emptyTrash(all: true, deletedBefore: \"x\") { purgedCount } }",
            json!({ "id": id }),
        ),
    ];
    for (document, variables) in refused {
        let reply = app.graphql(document, variables.clone()).await;
        assert_refused(&reply, "BAD_USER_INPUT", document);
        let accepted = app
            .client()
            .post(format!("{}/graphql", app.url()))
            .header("accept", "application/graphql-response+json");
        let body = json!({ "query": document, "variables": variables });
        let reply = Reply::read(accepted.json(&body).send().await.expect("an answer")).await;
        assert_eq!(reply.status, 400, "{document}");
    }
    // This has changed something, so the response must show an execution.
    let done = "mutation($id: ID!) { a: softDeleteImage(id: $id) { changed }
        restoreImage(id: $id) { image { imageUrl(transform: { width: 99999999999 }) } } }";
    let reply = app.graphql(done, json!({ "id": id })).await;
    assert_eq!(reply.body["data"]["a"]["changed"], true, "{}", reply.body);
    assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{}", reply.body);
}

#[apply(each_database!)]
async fn null_counts_as_absent(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($first: Int, $after: String, $filter: ImageFilter, $orderBy: ImageOrder, $userId: String) {
            images(userId: $userId, filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: null, before: null) { nodes { id } }
        }";
    let expected = json!({ "images": { "nodes": [{ "id": id }] } });
    let nulls =
        json!({ "first": null, "after": null, "filter": null, "orderBy": null, "userId": null });
    for variables in [
        json!({}),
        nulls,
        json!(null),
        json!({ "filter": { "intents": null, "search": null, "metadataContains": null } }),
    ] {
        assert_eq!(
            app.run(query, variables.clone()).await,
            expected,
            "{variables}"
        );
    }
    assert_eq!(
        app.run(
            "{ images(first: null, after: \"\") { nodes { id } } }",
            json!(null)
        )
        .await,
        expected
    );
    let transform = "query($t: ImageTransform) { images { nodes { plain: imageUrl same: imageUrl(transform: $t) } } }";
    let node = app.run(transform, json!({ "t": null })).await["images"]["nodes"][0].take();
    assert_eq!(node["plain"], node["same"]);
}

#[apply(each_database!)]
async fn a_request_error_has_no_data_and_a_code(app: TestApp) {
    let parse = "GRAPHQL_PARSE_FAILED";
    let invalid = "GRAPHQL_VALIDATION_FAILED";
    let input = "BAD_USER_INPUT";
    for (query, variables, code) in [
        ("", json!({}), parse),
        ("{", json!({}), parse),
        ("{ image(id: 1 }", json!({}), parse),
        ("{ \u{0} }", json!({}), parse),
        ("{}", json!({}), parse),
        ("type Query { a: Int }", json!({}), parse),
        ("{ nothing }", json!({}), invalid),
        ("{ galleryStats }", json!({}), invalid),
        ("{ image { id } }", json!({}), invalid),
        ("{ images(offset: 1) { totalCount } }", json!({}), invalid),
        (
            "{ images(first: \"1\") { totalCount } }",
            json!({}),
            invalid,
        ),
        (
            "{ images(orderBy: { field: NAME, direction: ASC }) { totalCount } }",
            json!({}),
            invalid,
        ),
        (
            "{ images(orderBy: { field: CREATED_AT }) { totalCount } }",
            json!({}),
            invalid,
        ),
        ("{ ...gone }", json!({}), invalid),
        ("{ ...f } fragment f on Image { id }", json!({}), invalid),
        ("query($a: Nothing) { __typename }", json!({}), invalid),
        ("{ image(id: $id) { id } }", json!({}), invalid),
        (
            "{ images(first: 1) { totalCount } images(first: 2) { totalCount } }",
            json!({}),
            invalid,
        ),
        ("subscription { galleryEvents { id } }", json!({}), input),
        (
            "query($id: ID!) { image(id: $id) { id } }",
            json!({}),
            input,
        ),
        (
            "query($id: ID!) { image(id: $id) { id } }",
            json!({ "id": null }),
            input,
        ),
        (
            "query($first: Int) { images(first: $first) { totalCount } }",
            json!({ "first": "1" }),
            input,
        ),
        (
            "query($first: Int) { images(first: $first) { totalCount } }",
            json!({ "first": 1.5 }),
            input,
        ),
        (
            "query($filter: ImageFilter) { images(filter: $filter) { totalCount } }",
            json!({ "filter": { "colour": 1 } }),
            input,
        ),
        (
            "query a { __typename } query b { __typename }",
            json!({}),
            input,
        ),
    ] {
        let reply = app.graphql(query, variables).await;
        assert_refused(&reply, code, query);
    }
}

#[apply(each_database!)]
async fn a_value_that_does_not_fit_its_type_has_a_code_wherever_it_is_found(app: TestApp) {
    for query in [
        "{ images(first: 99999999999) { totalCount } }",
        "{ images(first: -99999999999) { totalCount } }",
        r#"{ images(filter: { createdAfter: "yesterday" }) { totalCount } }"#,
        r#"{ images(filter: { createdAfter: "2026-02-30T00:00:00Z" }) { totalCount } }"#,
        "{ images(filter: { createdAfter: 5 }) { totalCount } }",
        "{ galleryStats { createdPerDay(days: 0) { count } } }",
        "{ images(first: 0) { totalCount } }",
        "{ images(first: 101) { totalCount } }",
        "{ images(first: 1, last: 1) { totalCount } }",
        r#"{ images(after: "x") { totalCount } }"#,
        "{ images(orderBy: { field: DELETED_AT, direction: ASC }) { totalCount } }",
    ] {
        let reply = app.graphql(query, json!({})).await;
        let code = reply.error_code();
        assert!(
            ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code.as_str()),
            "{query}: {}",
            reply.body
        );
        assert!(
            reply.body.get("data").is_none_or(Value::is_null),
            "{query}: {}",
            reply.body
        );
    }
    let variable = "query($first: Int, $at: DateTime) { images(first: $first, filter: { createdAfter: $at }) { totalCount } }";
    for variables in [
        json!({ "first": 99_999_999_999_i64 }),
        json!({ "at": "yesterday" }),
        json!({ "at": 1 }),
    ] {
        let code = app.error_code(variable, variables.clone()).await;
        assert!(
            ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code.as_str()),
            "{variables}: {code}"
        );
    }
}

#[apply(each_database!)]
async fn the_operation_asked_for_is_the_one_that_runs(app: TestApp) {
    let query = "query a { a: __typename } query b { b: __typename } mutation c { c: __typename }";
    for (name, expected) in [
        (json!("a"), json!({ "data": { "a": "Query" } })),
        (json!("b"), json!({ "data": { "b": "Query" } })),
        (json!("c"), json!({ "data": { "c": "Mutation" } })),
    ] {
        let reply = post(&app, &json!({ "query": query, "operationName": name })).await;
        assert_eq!(reply.body, expected);
    }
    for (query, name) in [
        (query, json!("d")),
        (query, json!("")),
        (query, json!(null)),
        ("{ __typename }", json!("a")),
    ] {
        let reply = post(&app, &json!({ "query": query, "operationName": name })).await;
        assert_refused(&reply, "BAD_USER_INPUT", &name.to_string());
    }
}

#[apply(each_database!)]
async fn a_field_selected_twice_is_executed_once(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    app.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": id }),
    )
    .await;
    for mutation in [
        "mutation { emptyTrash(all: true) { purgedCount } emptyTrash(all: true) { purgedIds } }",
        "mutation { emptyTrash(all: true) { purgedCount } ...f } fragment f on Mutation { emptyTrash(all: true) { purgedIds } }",
        "mutation { ...f ...g } fragment f on Mutation { emptyTrash(all: true) { purgedCount } }
             fragment g on Mutation { ... { emptyTrash(all: true) { purgedIds } } }",
    ] {
        let id = alice.create_image().await;
        app.run("mutation { emptyTrash(all: true) { hasMore } }", json!({}))
            .await;
        app.run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": id }),
        )
        .await;
        let data = app.run(mutation, json!({})).await;
        assert_eq!(
            data["emptyTrash"],
            json!({ "purgedCount": 1, "purgedIds": [id] }),
            "{mutation}"
        );
    }
}

async fn post(app: &TestApp, body: &Value) -> Reply {
    let request = app.client().post(format!("{}/graphql", app.url()));
    Reply::read(request.json(body).send().await.expect("an answer")).await
}

/// The keys of a JSON text, in order.
fn keys(text: &str) -> Vec<&str> {
    let strings = text.split('"').skip(1).step_by(2);
    let after = text.split('"').skip(2).step_by(2);
    let keys = strings
        .zip(after)
        .filter(|(_, after)| after.starts_with(':'));
    keys.map(|(key, _)| key).collect()
}

/// The library would execute both, because it ignores directives when it compares fields.
#[apply(each_database!)]
async fn a_mutation_that_is_selected_twice_with_different_directives_is_refused(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let trash = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    app.run(trash, json!({ "id": id })).await;
    let (one, two) = (
        "emptyTrash(all: true) { purgedCount }",
        "emptyTrash(all: true)",
    );
    for mutation in [
        format!("mutation {{ {one} {two} @include(if: true) {{ purgedIds }} }}"),
        format!("mutation {{ {one} ... @include(if: true) {{ {two} {{ purgedIds }} }} }}"),
        format!(
            "mutation {{ {one} ...F @skip(if: false) }} fragment F on Mutation {{ {two} {{ purgedIds }} }}"
        ),
        format!(
            "mutation {{ ...F @skip(if: false) ...F @include(if: true) }} fragment F on Mutation {{ {two} {{ purgedIds }} }}"
        ),
    ] {
        let code = app.error_code(&mutation, json!({})).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{mutation}");
    }
    let trashed = app.run("{ deletedImages { totalCount } }", json!({})).await;
    assert_eq!(trashed["deletedImages"]["totalCount"], 1);
    for mutation in [
        format!("mutation {{ {one} second: {two} @include(if: true) {{ purgedIds }} }}"),
        format!("mutation {{ __typename @include(if: true) __typename @skip(if: false) {one} }}"),
    ] {
        app.run(&mutation, json!({})).await;
    }
    // Each fragment is looked at once, however often it is spread.
    let levels = (0..30).map(|level| {
        let next = level + 1;
        format!("fragment F{level} on Mutation {{ ...F{next} @skip(if: false) ...F{next} @include(if: true) }}")
    });
    let levels: String = levels.collect();
    let bomb = format!("mutation {{ ...F0 }} {levels} fragment F30 on Mutation {{ __typename }}");
    let reply = app.graphql(&bomb, json!({})).await;
    assert!(reply.body["errors"].is_array(), "{}", reply.body);
}
