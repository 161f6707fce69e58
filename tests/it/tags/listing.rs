//! `Query.tags` and `galleryStats { byTag }`.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::tag;
use crate::harness::{TestApp, User, each_database};

/// The tags and their counts, e.g. `cat 3, dog 1`.
fn written(counts: &Value) -> String {
    let counts = counts.as_array().expect("a list").iter();
    let text = |row: &Value| format!("{} {}", row["tag"].as_str().expect("a tag"), row["count"]);
    counts.map(text).collect::<Vec<_>>().join(", ")
}

async fn tags(caller: &User, arguments: &str) -> String {
    let query = format!("{{ tags{arguments} {{ nodes {{ tag count }} }} }}");
    let data = caller.run(&query, json!({})).await;
    written(&data["tags"]["nodes"])
}

async fn images_with(caller: &User, tags: &[&[&str]]) -> Vec<String> {
    let mut ids = Vec::new();
    for tags in tags {
        let id = caller.create_image().await;
        tag(caller, &[&id], tags, &[]).await;
        ids.push(id);
    }
    ids
}

async fn run(caller: &User, verb: &str, id: &str) {
    let mutation = format!("mutation($id: ID!) {{ {verb}(id: $id) {{ changed }} }}");
    assert_eq!(
        caller.run(&mutation, json!({ "id": id })).await[verb]["changed"],
        true
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn tags_in_use_are_listed_the_most_used_first(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let ids = images_with(
        &alice,
        &[
            &["Cat", "Car", "z_1"],
            &["cat", "dog", "z%1"],
            &["CAT", "Dog", "\u{c9}t\u{e9}"],
            &["cab"],
        ],
    )
    .await;
    images_with(&bob, &[&["CAR", "of bob"]]).await;
    assert_eq!(
        tags(&alice, "").await,
        "Cat 3, dog 2, cab 1, Car 1, z%1 1, z_1 1, \u{c9}t\u{e9} 1"
    );
    assert_eq!(
        tags(&alice, "(userId: \"alice\", startsWith: \"CA\")").await,
        "Cat 3, cab 1, Car 1"
    );
    for (start, expected) in [
        (" d", "dog 2"),
        ("z_", "z_1 1"),
        ("z%", "z%1 1"),
        ("e\u{301}T", "\u{c9}t\u{e9} 1"),
        ("e", ""),
        ("cats", ""),
        ("\u{10ffff}", ""),
    ] {
        let data = alice
            .run(
                "query($s: String) { tags(startsWith: $s) { nodes { tag count } } }",
                json!({ "s": start }),
            )
            .await;
        assert_eq!(written(&data["tags"]["nodes"]), expected, "{start:?}");
    }
    assert_eq!(tags(&bob, "").await, "CAR 1, of bob 1");
    // Services see all; each tag once.
    let car = tags(&app.worker(), "(startsWith: \"car\")").await;
    assert!(car == "Car 2" || car == "CAR 2", "{car}");

    // Only active images count.
    run(&alice, "softDeleteImage", &ids[2]).await;
    assert_eq!(
        tags(&alice, "").await,
        "Cat 2, cab 1, Car 1, dog 1, z%1 1, z_1 1"
    );
    run(&alice, "restoreImage", &ids[2]).await;
    run(&alice, "softDeleteImage", &ids[3]).await;
    assert_eq!(tags(&alice, "(first: 3)").await, "Cat 3, dog 2, Car 1");
    run(&alice, "purgeImage", &ids[3]).await;
    assert_eq!(tags(&alice, "(startsWith: \"ca\")").await, "Cat 3, Car 1");
}

#[apply(each_database!)]
async fn the_list_of_tags_is_paged_from_both_ends(app: TestApp) {
    let alice = app.user("alice");
    images_with(
        &alice,
        &[&["a", "b", "c", "d", "e"], &["b", "d", "e"], &["e"]],
    )
    .await;
    let order = ["e", "b", "d", "a", "c"];
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        tags(first: $first, after: $after, last: $last, before: $before) {
            edges { cursor node { tag } } nodes { tag }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    for size in 1..=6 {
        for (count, bound, cursor) in [
            ("first", "after", "endCursor"),
            ("last", "before", "startCursor"),
        ] {
            let (mut pages, mut place) = (Vec::new(), Value::Null);
            loop {
                let data = alice.run(query, json!({ count: size, bound: place })).await;
                let page = &data["tags"];
                let edges = page["edges"].as_array().expect("edges");
                let tags: Vec<&str> = edges
                    .iter()
                    .filter_map(|edge| edge["node"]["tag"].as_str())
                    .collect();
                let start = order.iter().position(|tag| *tag == tags[0]).expect("a tag");
                assert_eq!(tags, order[start..start + tags.len()]);
                let info = &page["pageInfo"];
                assert_eq!(info["hasPreviousPage"], start > 0);
                assert_eq!(info["hasNextPage"], start + tags.len() < order.len());
                assert_eq!(info["startCursor"], edges[0]["cursor"]);
                assert_eq!(info["endCursor"], edges[tags.len() - 1]["cursor"]);
                pages.push(tags.len());
                let is_over = if count == "first" {
                    start + tags.len() == order.len()
                } else {
                    start == 0
                };
                if is_over {
                    break;
                }
                place = info[cursor].clone();
            }
            assert_eq!(pages.iter().sum::<usize>(), order.len());
        }
    }
    // An empty page behind the last tag.
    let last = alice.run(query, json!({ "last": 1 })).await;
    let behind = alice
        .run(
            query,
            json!({ "after": last["tags"]["pageInfo"]["endCursor"] }),
        )
        .await;
    let expected = json!({ "hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null });
    assert_eq!(behind["tags"]["pageInfo"], expected);
    for wrong in [
        json!({ "first": 0 }),
        json!({ "first": 101 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "nonsense" }),
        json!({ "before": "AWUAAAAAAAAAAQ" }),
    ] {
        assert_eq!(
            app.error_code(query, wrong.clone()).await,
            "BAD_USER_INPUT",
            "{wrong}"
        );
    }
    let nul = "query($s: String) { tags(startsWith: $s) { nodes { tag } } }";
    assert_eq!(
        app.error_code(nul, json!({ "s": "\0" })).await,
        "BAD_USER_INPUT"
    );
}

#[apply(each_database!)]
async fn tags_are_counted_over_a_filter(app: TestApp) {
    let alice = app.user("alice");
    let ids = images_with(
        &alice,
        &[&["Cat", "dog"], &["cat", "bird"], &["dog"], &["cat"]],
    )
    .await;
    run(&alice, "softDeleteImage", &ids[3]).await;
    let by_tag = async |arguments: &str, first: &str| {
        let query = format!("{{ galleryStats{arguments} {{ byTag{first} {{ tag count }} }} }}");
        written(&alice.run(&query, json!({})).await["galleryStats"]["byTag"])
    };
    assert_eq!(by_tag("", "").await, "Cat 2, dog 2, bird 1");
    assert_eq!(by_tag("", "(first: 1)").await, "Cat 2");
    assert_eq!(
        by_tag("(filter: { tagsAll: [\"cat\"] })", "").await,
        "Cat 2, bird 1, dog 1"
    );
    assert_eq!(by_tag("(userId: \"bob\")", "").await, "");
    let wrong = "{ galleryStats { byTag(first: 0) { tag } } }";
    assert_eq!(app.error_code(wrong, json!({})).await, "BAD_USER_INPUT");
}
