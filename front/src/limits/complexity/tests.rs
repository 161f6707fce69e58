//! Tests of the cost of documents.

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use serde_json::{Value, json};

use super::argument_value::Values;
use super::{CostVisitor, sample};
use crate::collect_fields::collect_fields;

const IMAGE: &str = "id userId imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt";

/// The cost as in production: after field merging.
fn priced_with(text: &str, variables: Value) -> usize {
    let index = sample::index();
    let mut document = parse_query(text).expect("the test's document parses");
    collect_fields(&mut document, &index).expect("it is small");
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let variables = Variables::from_json(variables);
    let values = Values::of(&operation.node, &variables, None);
    CostVisitor::new(&document.fragments, values, sample::model(&index)).whole(&operation.node)
}

fn assert_prices<'t>(table: impl IntoIterator<Item = (&'t str, usize)>) {
    for (text, expected) in table {
        assert_eq!(priced_with(text, json!({})), expected, "{text}");
    }
}

#[test]
fn a_field_costs_one_and_a_page_its_length() {
    assert_prices([
        ("{ __typename }", 1),
        ("{ trailCursor }", 1),
        (r#"{ image(id: "a") { id userId } }"#, 3),
        ("{ images { nodes { id } } }", 1 + 20),
        ("{ images(first: 3) { nodes { id userId } } }", 1 + 3 * 2),
        ("{ images(last: 3) { nodes { id userId } } }", 1 + 3 * 2),
        (
            "{ images(first: 3) { edges { cursor node { id userId } } } }",
            1 + 3 * 2,
        ),
        (
            "{ images(first: 3) { edges { __typename node { id } } pageInfo { __typename hasNextPage endCursor } } }",
            1 + 3 * 2,
        ),
        ("{ images(first: 3) { __typename nodes { id } } }", 2 + 3),
        // Both are returned.
        (
            "{ images(first: 3) { nodes { id } edges { node { id } } } }",
            1 + 3 + 3,
        ),
        ("{ images { pageInfo { hasNextPage } } }", 1),
        (
            "{ galleryEvents(first: 100) { nodes { cursor type image { id } } } }",
            1 + 100 * 4,
        ),
        (
            "subscription { galleryEvents { cursor image { id metadata } } }",
            1 + 2 + 2,
        ),
    ]);
}

#[test]
fn two_whole_lists_of_a_hundred_and_their_events_fit() {
    let list = |name: &str| {
        format!("{name}(first: 100) {{ totalCount pageInfo {{ endCursor }} nodes {{ {IMAGE} }} }}")
    };
    let event = "id cursor type imageId userId imageUrl occurredAt actor";
    let text = format!(
        "{{ {} {} galleryEvents(first: 100) {{ nodes {{ {event} image {{ {IMAGE} }} }} }} }}",
        list("images"),
        list("deletedImages")
    );
    let expected = 2 * (1 + 50 + 100 * 11) + 1 + 100 * (8 + 1 + 11);
    assert_eq!(priced_with(&text, json!({})), expected);
    assert!(expected < 10_000);
}

#[test]
fn page_sizes_are_bounded_wherever_they_are_given() {
    let literal = |size: &str| {
        let text = format!("{{ images(first: {size}) {{ nodes {{ id }} }} }}");
        priced_with(&text, json!({}))
    };
    for (size, items) in [
        ("null", 20),
        ("1", 1),
        ("100", 100),
        ("101", 100),
        ("0", 1),
        ("-1", 1),
        ("-9223372036854775808", 1),
        ("99999999999999999999999", 100),
        ("-99999999999999999999999", 1),
        ("1e300", 100),
        ("\"7\"", 20),
        ("3, last: 50", 50),
    ] {
        assert_eq!(literal(size), 1 + items, "{size}");
    }
    let text = "query($n: Int = 50) { images(first: $n) { nodes { id } } }";
    for (variables, items) in [
        (json!({}), 50),
        (json!({ "n": null }), 20),
        (json!({ "n": 7 }), 7),
        (json!({ "n": -1 }), 1),
        (json!({ "n": u64::MAX }), 100),
        (json!({ "n": 1e300 }), 100),
        (json!({ "n": [7] }), 20),
    ] {
        assert_eq!(
            priced_with(text, variables.clone()),
            1 + items,
            "{variables}"
        );
    }
    let undeclared = "{ images(first: $n) { nodes { id } } }";
    assert_eq!(priced_with(undeclared, json!({})), 21);
}

#[test]
fn what_is_dear_has_its_price() {
    assert_prices([
        ("{ images { totalCount } }", 1 + 50),
        ("{ galleryStats { activeCount } }", 100 + 1),
        ("{ galleryStats { byIntent { intent count } } }", 100 + 3),
        (
            "{ galleryStats { createdPerDay { date count } } }",
            100 + 1 + 30 * 2,
        ),
        (
            "{ galleryStats { createdPerDay(days: 366) { date count } } }",
            100 + 1 + 366 * 2,
        ),
        (
            "{ galleryStats { createdPerDay(days: 100000) { count } } }",
            100 + 1 + 366,
        ),
        ("mutation { emptyTrash { purgedCount } }", 1000 + 1),
        (
            "mutation { restoreTrash { restoredIds hasMore } }",
            1000 + 2,
        ),
        // Separate statements for each image.
        (
            "{ images(first: 100) { nodes { events(first: 2) { nodes { type } } } } }",
            1 + 100 * (20 + 2),
        ),
        (
            r#"mutation { restoreImage(id: "a") { image { events { pageInfo { endCursor } } } } }"#,
            1 + 1 + 20,
        ),
    ]);
}

#[test]
fn a_search_costs_fifty_unless_it_is_blank() {
    let text = "query($f: ImageFilter, $s: String = \"cat\") {
        a: images(first: 1, filter: $f) { nodes { id } }
        b: deletedImages(first: 1, filter: { search: $s }) { nodes { id } } }";
    for (variables, expected) in [
        (json!({}), 4 + 50),
        (json!({ "s": null }), 4),
        (json!({ "s": " \t" }), 4),
        (json!({ "f": { "search": "dog" } }), 4 + 100),
        (
            json!({ "f": { "search": "dog", "metadataContains": {} } }),
            4 + 150,
        ),
        (json!({ "f": { "metadataContains": null } }), 4 + 50),
        (json!({ "f": { "search": null } }), 4 + 50),
        (json!({ "f": { "search": "" }, "s": "" }), 4),
        (json!({ "f": null, "s": "x" }), 4 + 50),
    ] {
        assert_eq!(
            priced_with(text, variables.clone()),
            expected,
            "{variables}"
        );
    }
    assert_prices([
        (
            r#"{ images(first: 1, filter: { search: "a" }) { nodes { id } } }"#,
            52,
        ),
        (
            r#"{ images(first: 1, filter: { search: " " }) { nodes { id } } }"#,
            2,
        ),
        (
            "{ images(first: 1, filter: { intents: [EDIT], metadataContains: null }) { nodes { id } } }",
            2,
        ),
        (
            r#"{ images(first: 1, filter: { search: "a", metadataContains: { a: 1 } }) { nodes { id } } }"#,
            102,
        ),
    ]);
}

#[test]
fn a_list_counts_its_items() {
    assert_prices([
        (r#"{ nodes(ids: ["a", "b", "c"]) { id } }"#, 1 + 3),
        (r#"{ nodes(ids: "a") { id } }"#, 1 + 1),
        ("{ nodes(ids: []) { id } }", 1 + 1),
        (
            r#"mutation { softDeleteImages(ids: ["a", "b"]) { images { id userId } userErrors { code } } }"#,
            1 + 2 * (3 + 2),
        ),
        (
            r#"mutation { createImages(input: [{ imageUrl: "a" }, { imageUrl: "b" }]) { results { image { id } created } } }"#,
            1 + 2 * 4,
        ),
        // A list that is only a filter.
        (
            "{ galleryEvents(first: 2, types: [CREATED, UPDATED, PURGED]) { nodes { id } } }",
            1 + 2,
        ),
    ]);
    let text = "mutation($ids: [ID!]! = [\"a\", \"b\"]) { purgeImages(ids: $ids) { purgedIds } }";
    for (variables, items) in [
        (json!({}), 2),
        (json!({ "ids": ["a", "b", "c"] }), 3),
        (json!({ "ids": "a" }), 1),
        (json!({ "ids": vec!["a"; 100] }), 100),
        // Rejected by the field before it does anything.
        (json!({ "ids": vec!["a"; 5000] }), 100),
    ] {
        assert_eq!(priced_with(text, variables.clone()), 1 + items);
    }
}

#[test]
fn fragments_are_priced_where_they_are_spread() {
    assert_prices([
        (
            "{ images(first: 5) { ...c } } fragment c on ImageConnection { nodes { ...i } } fragment i on Image { id userId }",
            1 + 5 * 2,
        ),
        // Repeated fields count once.
        ("{ ...q ...q ... on Query { ...q } } fragment q on Query { images(first: 5) { nodes { id id } } }", 1 + 5),
        // Not merged because of their directives, with different page sizes.
        (
            "query($t: Boolean = true) { a: images(first: 5) { ...c @include(if: $t) } b: images(first: 7) { ...c @include(if: $t) } }
             fragment c on ImageConnection { totalCount nodes { id } }",
            1 + 50 + 5 + 1 + 50 + 7,
        ),
        // An object has one type.
        (
            r#"{ node(id: "a") { id ... on Image { userId metadata } ... on GalleryEvent { type } } }"#,
            1 + 1 + 2,
        ),
        (
            r#"{ nodes(ids: ["a", "b"]) { ...i ...e ... on Node { __typename } } }
             fragment i on Image { events { nodes { id } } } fragment e on GalleryEvent { type cursor }"#,
            1 + 2 * ((20 + 20) + 1),
        ),
        ("{ ...nothing }", 0),
        ("{ nothing { more { still } } }", 3),
    ]);
}

#[test]
fn what_is_left_out_costs_nothing() {
    let text = "query($t: Boolean = true, $f: Boolean!) {
        a: trailCursor @skip(if: true) b: trailCursor @include(if: false) c: trailCursor @skip(if: $t)
        d: trailCursor @include(if: $f) e: trailCursor @skip(if: $f) f: trailCursor @include(if: $t)
        ... @skip(if: $t) { g: trailCursor } ...h @include(if: $f)
        i: trailCursor @skip(if: $f) @include(if: $f) j: trailCursor @skip(if: $unknown) }
        fragment h on Query { h: trailCursor }";
    assert_eq!(priced_with(text, json!({ "f": false })), 3);
    assert_eq!(
        priced_with(text, json!({ "t": false, "f": true })),
        1 + 1 + 1 + 1 + 1
    );
}

#[test]
fn introspection_is_free() {
    assert_prices([
        ("{ __schema { types { fields { type { name } } } } }", 0),
        (
            r#"{ __type(name: "Image") { fields { name } } trailCursor }"#,
            1,
        ),
    ]);
}

#[test]
fn bombs_cost_more_than_is_allowed_and_never_less_than_nothing() {
    let within = "image { events(first: 100) { nodes { ";
    let nested = format!(
        "{{ galleryEvents(first: 100) {{ nodes {{ {} id {} }} }} }}",
        within.repeat(12),
        "} } }".repeat(12)
    );
    assert_eq!(priced_with(&nested, json!({})), usize::MAX);
    let doubling: Vec<_> = (0..40)
        .map(|level| {
            let next = level + 1;
            format!(
                "fragment f{level} on GalleryEvent {{ image {{
                    a: events(first: 100) {{ nodes {{ ...f{next} @skip(if: false) }} }}
                    b: events(first: 100) {{ nodes {{ ...f{next} @skip(if: false) }} }} }} }} "
            )
        })
        .collect();
    let text = format!(
        "{{ galleryEvents {{ nodes {{ ...f0 @skip(if: false) }} }} }} {} fragment f40 on GalleryEvent {{ id }}",
        doubling.concat()
    );
    assert_eq!(priced_with(&text, json!({})), usize::MAX);
    let aliases: Vec<_> = (0..30)
        .map(|n| format!("a{n}: images(first: 100) {{ nodes {{ {IMAGE} }} }} "))
        .collect();
    assert_eq!(
        priced_with(&format!("{{ {} }}", aliases.concat()), json!({})),
        30 * 1101
    );
}
