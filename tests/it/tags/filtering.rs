//! The filters by tags and favourites.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tag;
use crate::harness::rows::{Dice, found};
use crate::harness::{TestApp, User, each_database};

async fn set_favorite(caller: &User, ids: &[&str]) {
    let mutation = "mutation($ids: [ID!]!) { setFavorite(ids: $ids, isFavorite: true) { userErrors { code } } }";
    let data = caller.run(mutation, json!({ "ids": ids })).await;
    assert_eq!(data["setFavorite"]["userErrors"], json!([]));
}

#[apply(each_database!)]
async fn images_are_found_by_their_tags(app: TestApp) {
    let alice = app.user("alice");
    let mut ids = Vec::new();
    for tags in [
        &["Cat", "dog", "a", "b", "c"][..],
        &["cat"],
        &["DOG", "\u{e9}"],
        &[],
    ] {
        let id = alice.create_image().await;
        tag(&alice, &[&id], tags, &[]).await;
        ids.push(id);
    }
    set_favorite(&alice, &[&ids[1], &ids[3]]).await;
    for (filter, expected) in [
        (json!({ "tagsAll": ["CAT"] }), &[0, 1][..]),
        (json!({ "tagsAll": ["cat", "dog"] }), &[0]),
        (
            json!({ "tagsAll": ["cat", "CAT ", "dog", "A", "b", "c"] }),
            &[0],
        ),
        (json!({ "tagsAll": ["cat", "dog", "a", "b", "none"] }), &[]),
        (json!({ "tagsAny": ["none", "E\u{301}", "A"] }), &[0, 2]),
        (json!({ "tagsAny": ["none"] }), &[]),
        (json!({ "tagsNone": ["cat"] }), &[2, 3]),
        (json!({ "tagsNone": ["a", "\u{c9}", "none"] }), &[1, 3]),
        (
            json!({ "tagsAll": [], "tagsAny": [], "tagsNone": [] }),
            &[0, 1, 2, 3],
        ),
        (
            json!({ "tagsAll": null, "hasTags": null, "isFavorite": null }),
            &[0, 1, 2, 3],
        ),
        (json!({ "tagsAny": [""] }), &[]),
        (json!({ "tagsNone": [""] }), &[0, 1, 2, 3]),
        (json!({ "hasTags": true }), &[0, 1, 2]),
        (json!({ "hasTags": false }), &[3]),
        (json!({ "isFavorite": true }), &[1, 3]),
        (json!({ "isFavorite": false }), &[0, 2]),
        (
            json!({ "isFavorite": true, "tagsAny": ["cat", "dog"] }),
            &[1],
        ),
        (
            json!({ "tagsAll": ["dog"], "tagsNone": ["cat"], "tagsAny": ["\u{e9}", "a"] }),
            &[2],
        ),
    ] {
        let expected = expected
            .iter()
            .map(|place: &usize| ids[*place].parse().expect("a UUID"));
        let mut expected: Vec<Uuid> = expected.collect();
        expected.sort_unstable();
        assert_eq!(found(&app, filter.clone()).await, expected, "{filter}");
    }
    // In the trash as well.
    alice
        .run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": ids[1] }),
        )
        .await;
    let trash =
        "{ deletedImages(filter: { tagsAll: [\"cat\"], isFavorite: true }) { totalCount } }";
    assert_eq!(
        alice.run(trash, json!({})).await["deletedImages"]["totalCount"],
        1
    );
    let stats = "{ galleryStats(filter: { tagsAny: [\"cat\"] }) { activeCount deletedCount } }";
    let stats = alice.run(stats, json!({})).await;
    assert_eq!(
        stats["galleryStats"],
        json!({ "activeCount": 1, "deletedCount": 1 })
    );
}

#[apply(each_database!)]
async fn wrong_tags_in_filters_are_refused(app: TestApp) {
    let query = "query($filter: ImageFilter) { images(filter: $filter) { totalCount } }";
    let numbered = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>();
    for list in ["tagsAll", "tagsAny", "tagsNone"] {
        let mut fifty = numbered(50);
        fifty.push("T0".to_owned());
        app.run(query, json!({ "filter": { list: fifty } })).await;
        for wrong in [json!(numbered(51)), json!(["a\0"])] {
            let code = app
                .error_code(query, json!({ "filter": { list: wrong } }))
                .await;
            assert_eq!(code, "BAD_USER_INPUT", "{list}");
        }
    }
}

/// Against a simple model, over random sets of tags, page by page.
#[apply(each_database!)]
async fn any_filter_pages_through_just_the_images_that_hold_it(app: TestApp) {
    const TAGS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let alice = app.user("alice");
    let mut dice = Dice::new();
    let mut images = Vec::new();
    for _ in 0..12 {
        let id = alice.create_image().await;
        let tags: Vec<&str> = TAGS.into_iter().filter(|_| dice.one_in(2)).collect();
        tag(&alice, &[&id], &tags, &[]).await;
        images.push((id, tags));
    }
    for _ in 0..20 {
        let mut some = || {
            TAGS.into_iter()
                .filter(|_| dice.one_in(4))
                .collect::<Vec<_>>()
        };
        let (all, any, none) = (some(), some(), some());
        let holds = |tags: &[&str]| {
            all.iter().all(|tag| tags.contains(tag))
                && (any.is_empty() || any.iter().any(|tag| tags.contains(tag)))
                && !none.iter().any(|tag| tags.contains(tag))
        };
        let newest_first = images.iter().rev();
        let expected: Vec<&str> = newest_first
            .filter(|(_, tags)| holds(tags))
            .map(|(id, _)| id.as_str())
            .collect();
        let filter = json!({ "tagsAll": all, "tagsAny": any, "tagsNone": none });
        let query = "query($filter: ImageFilter, $after: String) { images(first: 3, filter: $filter, after: $after) {
            nodes { id tags } pageInfo { hasNextPage endCursor } } }";
        let (mut listed, mut after) = (Vec::new(), Value::Null);
        loop {
            let data = alice
                .run(query, json!({ "filter": filter, "after": after }))
                .await;
            let page = &data["images"];
            listed.extend(page["nodes"].as_array().expect("nodes").iter().cloned());
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        let ids: Vec<&str> = listed
            .iter()
            .filter_map(|image| image["id"].as_str())
            .collect();
        assert_eq!(ids, expected, "{filter}");
        for image in &listed {
            let (_, tags) = images
                .iter()
                .find(|(id, _)| image["id"] == *id)
                .expect("it");
            assert_eq!(image["tags"], json!(tags));
        }
    }
}
