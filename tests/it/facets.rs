//! Counts and sums over the metadata, and filters by its keys and numbers.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::{Row, db_insert, found};
use crate::harness::token::{SERVICE_TOKEN, authorization, user_claims};
use crate::harness::{TestApp, each_database};

/// Stores a row for each metadata, and returns their ids.
async fn stored(app: &TestApp, metadata: &[&str]) -> Vec<Uuid> {
    let row = |metadata: &&str| Row {
        metadata: (*metadata).to_owned(),
        ..Row::new()
    };
    let rows: Vec<Row> = metadata.iter().map(row).collect();
    db_insert(app, &rows).await;
    rows.iter().map(|row| row.id).collect()
}

async fn by_metadata(app: &TestApp, arguments: &str, filter: Value) -> Value {
    let query = format!(
        "query($filter: ImageFilter) {{ galleryStats(filter: $filter) {{ byMetadata{arguments} {{ value count }} }} }}"
    );
    let data = app.run(&query, json!({ "filter": filter })).await;
    let rows = data["galleryStats"]["byMetadata"].as_array();
    let pair = |row: &Value| json!([row["value"], row["count"]]);
    rows.expect("rows").iter().map(pair).collect()
}

async fn sum(app: &TestApp, key: &str) -> Value {
    let query = "query($key: String!) { galleryStats { metadataSum(key: $key) { count sum min max average } } }";
    let mut data = app.run(query, json!({ "key": key })).await;
    data["galleryStats"]["metadataSum"].take()
}

#[apply(each_database!)]
async fn values_are_counted_by_type_and_equal_numbers_together(app: TestApp) {
    let values = [
        "\"flux\"",
        "\"flux\"",
        "\"flux\"",
        "\"Flux\"",
        "1",
        "1.0",
        "1",
        "1",
        "\"1\"",
        "true",
        "true",
        "false",
        "null",
        "[1]",
        "{\"a\": 1}",
        "\"\"",
        "\"a \\\"b\\\" ü\"",
        "-0.5",
    ];
    let rows = values.map(|value| format!("{{\"model\": {value}}}"));
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.extend(["{}", "{\"Model\": \"flux\"}", "[\"model\"]", "\"model\""]);
    stored(&app, &rows).await;
    let expected = json!([
        [1, 4],
        ["flux", 3],
        [true, 2],
        ["", 1],
        ["1", 1],
        ["Flux", 1],
        ["a \"b\" ü", 1],
        [-0.5, 1],
        [false, 1]
    ]);
    assert_eq!(
        by_metadata(&app, "(key: \"model\")", Value::Null).await,
        expected
    );
    assert_eq!(
        by_metadata(&app, "(key: \"model\", first: 2)", Value::Null).await,
        json!([[1, 4], ["flux", 3]])
    );
    assert_eq!(
        by_metadata(&app, "(key: \"none\")", Value::Null).await,
        json!([])
    );
    assert_eq!(
        by_metadata(&app, "(key: \"\")", Value::Null).await,
        json!([])
    );
    let booleans = json!({ "metadataContains": { "model": true } });
    assert_eq!(
        by_metadata(&app, "(key: \"model\")", booleans).await,
        json!([[true, 2]])
    );
}

/// Keys are no paths and no patterns.
#[apply(each_database!)]
async fn any_text_can_be_a_key(app: TestApp) {
    for key in [
        "a.b", "$.a", "a\"b", "a'b", "[0]", "0", "%", "a b", "ключ", "?", "$1",
    ] {
        let metadata = json!({ key: 7, "other": { key: 8 } }).to_string();
        let ids = stored(&app, &[&metadata]).await;
        let query = "query($key: String!, $filter: ImageFilter) { galleryStats(filter: $filter) {
            byMetadata(key: $key) { value count } metadataSum(key: $key) { sum } activeCount } }";
        let filter = json!({ "metadataHasKeys": [key], "metadataNumbers": [{ "key": key, "min": 7, "max": 7 }] });
        let data = app
            .run(query, json!({ "key": key, "filter": filter }))
            .await;
        assert_eq!(
            data["galleryStats"],
            json!({ "byMetadata": [{ "value": 7, "count": 1 }], "metadataSum": { "sum": 7.0 }, "activeCount": 1 }),
            "{key}"
        );
        assert_eq!(found(&app, filter).await, ids, "{key}");
    }
}

#[apply(each_database!)]
async fn only_numbers_are_summed(app: TestApp) {
    let values = ["2", "0.5", "-4", "\"100\"", "true", "null", "[1]"];
    let rows = values.map(|value| format!("{{\"seconds\": {value}}}"));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    stored(&app, &rows).await;
    assert_eq!(
        sum(&app, "seconds").await,
        json!({ "count": 3, "sum": -1.5, "min": -4.0, "max": 2.0, "average": -0.5 })
    );
    let nothing = json!({ "count": 0, "sum": null, "min": null, "max": null, "average": null });
    assert_eq!(sum(&app, "none").await, nothing);
    // Beyond what 64 bits hold.
    let large = "{\"large\": 9223372036854775807}";
    stored(&app, &[large, large, large]).await;
    let large = sum(&app, "large").await;
    assert_eq!(large["sum"], json!(3.0 * 9_223_372_036_854_775_807.0_f64));
}

#[apply(each_database!)]
async fn images_are_found_by_keys_and_by_numbers(app: TestApp) {
    let rows = [
        "{\"seed\": 42, \"steps\": 20}",
        "{\"seed\": 42.5}",
        "{\"seed\": 0.1}",
        "{\"seed\": \"42\"}",
        "{\"seed\": null}",
        "{\"steps\": -1}",
        "[\"seed\"]",
        "\"seed\"",
        "{}",
    ];
    let ids = stored(&app, &rows).await;
    for (filter, expected) in [
        (json!({ "metadataHasKeys": ["seed"] }), &[0, 1, 2, 3, 4][..]),
        (json!({ "metadataHasKeys": ["seed", "steps"] }), &[0]),
        (json!({ "metadataHasKeys": ["Seed"] }), &[]),
        (
            json!({ "metadataHasKeys": [] }),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        (
            json!({ "metadataHasKeys": null, "metadataNumbers": null }),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        (
            json!({ "metadataNumbers": [] }),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "min": 42 }] }),
            &[0, 1],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "max": 42 }] }),
            &[0, 2],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "min": 0.1, "max": 0.1 }] }),
            &[2],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "min": 43, "max": 41 }] }),
            &[],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "min": -1e300, "max": 1e300 }] }),
            &[0, 1, 2],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "seed", "min": 42 }, { "key": "steps", "max": 20 }] }),
            &[0],
        ),
        (
            json!({ "metadataNumbers": [{ "key": "steps", "max": 0 }] }),
            &[5],
        ),
    ] {
        let mut expected: Vec<Uuid> = expected.iter().map(|place| ids[*place]).collect();
        expected.sort_unstable();
        assert_eq!(found(&app, filter.clone()).await, expected, "{filter}");
    }
}

#[apply(each_database!)]
async fn counts_are_of_the_images_that_hold_the_filter(app: TestApp) {
    let rows = [
        "{\"model\": \"flux\"}",
        "{\"model\": \"flux\"}",
        "{\"model\": \"sd\"}",
    ]
    .map(|metadata| Row {
        metadata: metadata.to_owned(),
        intent: Some("edit".to_owned()),
        ..Row::new()
    });
    let [first, second, third] = rows;
    let trashed = Row {
        deleted_at: Some(second.updated_at.clone()),
        ..second
    };
    let of_bob = Row {
        user_id: "bob".to_owned(),
        id: Uuid::new_v4(),
        ..first.clone()
    };
    db_insert(&app, &[first, trashed, third, of_bob]).await;
    let query = "query($user: String, $filter: ImageFilter) { galleryStats(userId: $user, filter: $filter) {
        activeCount deletedCount byIntent { count } createdPerDay(days: 366) { count } byUser { userId count } } }";
    let filter = json!({ "metadataContains": { "model": "flux" } });
    for (user, active, deleted, by_user) in [
        (Value::Null, 2, 1, json!([["alice", 1], ["bob", 1]])),
        (json!("alice"), 1, 1, json!([["alice", 1]])),
        (json!("carol"), 0, 0, json!([])),
    ] {
        let data = app
            .run(query, json!({ "user": user, "filter": filter }))
            .await;
        let stats = &data["galleryStats"];
        assert_eq!(stats["activeCount"], active);
        assert_eq!(stats["deletedCount"], deleted);
        let labels = stats["byIntent"].as_array().expect("labels");
        assert_eq!(
            labels
                .iter()
                .map(|label| label["count"].as_i64())
                .sum::<Option<i64>>(),
            Some(active)
        );
        let users = stats["byUser"].as_array().expect("users");
        let users: Value = users
            .iter()
            .map(|row| json!([row["userId"], row["count"]]))
            .collect();
        assert_eq!(users, by_user);
    }
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn owners_are_counted_for_services_only(app: TestApp) {
    app.user("alice").create_image().await;
    app.user("bob").create_image().await;
    app.user("bob").create_image().await;
    let query = "{ galleryStats { byUser(first: 1) { userId count } } }";
    let service = format!("Bearer {SERVICE_TOKEN}");
    let data = app
        .graphql_as(Some(&service), query, json!({}))
        .await
        .into_data();
    assert_eq!(
        data["galleryStats"]["byUser"],
        json!([{ "userId": "bob", "count": 2 }])
    );
    let user = authorization(&user_claims("alice"));
    for query in [
        query,
        "{ galleryStats(userId: \"alice\") { byUser { count } } }",
    ] {
        let reply = app.graphql_as(Some(&user), query, json!({})).await;
        assert_eq!(reply.error_code(), "FORBIDDEN", "{}", reply.body);
    }
}

#[apply(each_database!)]
async fn wrong_arguments_are_refused(app: TestApp) {
    let keys = |count: usize| vec!["a"; count];
    let ranges = |count: usize| vec![json!({ "key": "a", "min": 1 }); count];
    let query = "query($filter: ImageFilter) { images(filter: $filter) { totalCount } }";
    for filter in [
        json!({ "metadataHasKeys": keys(20) }),
        json!({ "metadataNumbers": ranges(20) }),
    ] {
        app.run(query, json!({ "filter": filter })).await;
    }
    for filter in [
        json!({ "metadataHasKeys": keys(21) }),
        json!({ "metadataNumbers": ranges(21) }),
        json!({ "metadataHasKeys": ["\0"] }),
        json!({ "metadataNumbers": [{ "key": "\0", "min": 1 }] }),
        json!({ "metadataNumbers": [{ "key": "a" }] }),
        json!({ "metadataNumbers": [{ "key": "a", "min": null, "max": null }] }),
    ] {
        let code = app.error_code(query, json!({ "filter": filter })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{filter}");
    }
    for field in [
        "byMetadata(key: \"a\", first: 0) { count }",
        "byMetadata(key: \"a\", first: 101) { count }",
        "byMetadata(key: \"\\u0000\") { count }",
        "metadataSum(key: \"\\u0000\") { count }",
        "byUser(first: -1) { count }",
    ] {
        let query = format!("{{ galleryStats {{ {field} }} }}");
        assert_eq!(
            app.error_code(&query, json!({})).await,
            "BAD_USER_INPUT",
            "{field}"
        );
    }
}

/// Another application may have stored a number that no client can parse.
#[apply(each_database!)]
async fn a_number_that_overflows_a_double_is_text(app: TestApp) {
    stored(&app, &["{\"seed\": 1e400}"]).await;
    let counted = by_metadata(&app, "(key: \"seed\")", Value::Null).await;
    assert!(counted[0][0].is_string(), "{counted}");
    assert_eq!(sum(&app, "seed").await["sum"], Value::Null);
}
