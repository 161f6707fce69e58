//! `galleryEvents`, `trailCursor`, `Image.events`, and events as nodes.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{change, trail};
use crate::harness::{TestApp, each_database, on_postgres};

const PAGE: &str =
    "query($first: Int, $after: String, $last: Int, $before: String, $types: [GalleryEventType!]) {
    galleryEvents(first: $first, after: $after, last: $last, before: $before, types: $types) {
        edges { cursor node { id } } nodes { id }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Deletes the oldest events, like retention.
async fn db_prune(app: &TestApp, through: usize) {
    app.db_execute(&format!(
        "UPDATE image_gallery_trail SET pruned_position = {through};
         DELETE FROM image_gallery_event WHERE position <= {through}"
    ))
    .await;
}

#[apply(each_database!)]
async fn page_flags_are_correct_in_both_directions(app: TestApp) {
    let alice = app.user("alice");
    for _ in 0..5 {
        alice.create_image().await;
    }
    let all = trail(&app).await;
    let cursors: Vec<&str> = all.iter().map(|event| text(&event["cursor"])).collect();
    let bounds = || (0..=5_usize).map(|place| place.checked_sub(1));
    for (after, before) in bounds().flat_map(|after| bounds().map(move |before| (after, before))) {
        for (first, last) in (1..=6).flat_map(|limit| [(Some(limit), None), (None, Some(limit))]) {
            let variables = json!({
                "first": first, "last": last,
                "after": after.map(|place| cursors[place]), "before": before.map(|place| cursors[place]),
            });
            let data = app.run(PAGE, variables.clone()).await;
            let start = after.map_or(0, |after| after + 1);
            let end = before.unwrap_or(5).max(start);
            let (from, to) = match (first, last) {
                (Some(first), _) => (start, end.min(start + first)),
                (_, Some(last)) => (start.max(end.saturating_sub(last)), end),
                _ => (start, end),
            };
            let ids: Vec<Value> = all[from..to]
                .iter()
                .map(|event| json!({ "id": event["id"] }))
                .collect();
            let page = &data["galleryEvents"];
            assert_eq!(page["nodes"], json!(ids), "{variables}");
            let edges: Vec<Value> = all[from..to]
                .iter()
                .map(|event| json!({ "cursor": event["cursor"], "node": { "id": event["id"] } }))
                .collect();
            assert_eq!(page["edges"], json!(edges));
            let info = &page["pageInfo"];
            let is_empty = from == to;
            if is_empty {
                // Rows beyond the page are found from the cursors.
                assert_eq!(info["hasNextPage"], before.is_some(), "{variables}");
                assert_eq!(info["hasPreviousPage"], after.is_some(), "{variables}");
            } else {
                assert_eq!(info["hasNextPage"], to < 5, "{variables}");
                assert_eq!(info["hasPreviousPage"], from > 0, "{variables}");
            }
            assert_eq!(
                info["startCursor"],
                json!((!is_empty).then(|| cursors[from]))
            );
            assert_eq!(
                info["endCursor"],
                json!((!is_empty).then(|| cursors[to - 1]))
            );
        }
    }
}

#[apply(each_database!)]
async fn events_are_narrowed_by_owner_image_and_type(app: TestApp) {
    let (a, b) = (
        app.user("alice").create_image().await,
        app.user("bob").create_image().await,
    );
    change(&app, "softDeleteImage", &a).await;
    change(&app, "restoreImage", &a).await;
    let query = "query($user: String, $image: ID, $types: [GalleryEventType!]) {
            galleryEvents(userId: $user, imageId: $image, types: $types) { nodes { type imageId } }
        }";
    let ask =
        async |variables: Value| app.run(query, variables).await["galleryEvents"]["nodes"].take();
    let event = |kind: &str, id: &str| json!({ "type": kind, "imageId": id });
    let of_a = [
        event("CREATED", &a),
        event("SOFT_DELETED", &a),
        event("RESTORED", &a),
    ];
    assert_eq!(ask(json!({ "user": "alice" })).await, json!(of_a));
    assert_eq!(
        ask(json!({ "image": a.to_uppercase(), "types": [] })).await,
        json!(of_a)
    );
    assert_eq!(
        ask(json!({ "types": ["CREATED"] })).await,
        json!([event("CREATED", &a), event("CREATED", &b)])
    );
    assert_eq!(
        ask(json!({ "types": ["RESTORED", "SOFT_DELETED"], "user": "bob" })).await,
        json!([])
    );
    assert_eq!(ask(json!({ "user": "bob", "image": a })).await, json!([]));
    assert_eq!(ask(json!({ "image": "no id" })).await, json!([]));
    assert_eq!(
        app.error_code(query, json!({ "user": " " })).await,
        "BAD_USER_INPUT"
    );
}

#[apply(each_database!)]
async fn cursors_of_the_trail_and_of_lists_are_not_interchangeable(app: TestApp) {
    app.user("alice").create_image().await;
    let data = app.run("{ trailCursor images { edges { cursor } } galleryEvents { edges { cursor node { id } } } }", json!({})).await;
    let of_list = &data["images"]["edges"][0]["cursor"];
    let event = &data["galleryEvents"]["edges"][0];
    assert_eq!(data["trailCursor"], event["cursor"]);
    for cursor in [
        of_list,
        &event["node"]["id"],
        &json!("x"),
        &json!("AXT_________8"),
    ] {
        for argument in ["after", "before"] {
            assert_eq!(
                app.error_code(PAGE, json!({ argument: cursor })).await,
                "BAD_USER_INPUT",
                "{cursor}"
            );
        }
    }
    let images = "query($after: String) { images(after: $after) { totalCount } }";
    assert_eq!(
        app.error_code(images, json!({ "after": event["cursor"] }))
            .await,
        "BAD_USER_INPUT"
    );
    for (variables, code) in [
        (json!({ "first": 0 }), "BAD_USER_INPUT"),
        (json!({ "last": 101 }), "BAD_USER_INPUT"),
        (json!({ "first": 1, "last": 1 }), "BAD_USER_INPUT"),
    ] {
        assert_eq!(app.error_code(PAGE, variables).await, code);
    }
}

#[apply(each_database!)]
async fn an_image_lists_its_events(app: TestApp) {
    let id = app.user("alice").create_image().await;
    app.user("alice").create_image().await;
    let query = "query($id: ID!) { image(id: $id, includeDeleted: true) { events(last: 2) {
            nodes { type image { id deletedAt } } pageInfo { hasPreviousPage }
        } } }";
    change(&app, "softDeleteImage", &id).await;
    // The mutation's own response already contains its event.
    let mutation = "mutation($id: ID!) { restoreImage(id: $id) { image { events(last: 1) { nodes { type } } } } }";
    let data = app.run(mutation, json!({ "id": id })).await;
    assert_eq!(
        data["restoreImage"]["image"]["events"]["nodes"],
        json!([{ "type": "RESTORED" }])
    );
    let data = app.run(query, json!({ "id": id })).await;
    let image = json!({ "id": id, "deletedAt": null });
    assert_eq!(
        data["image"]["events"],
        json!({
            "nodes": [{ "type": "SOFT_DELETED", "image": image }, { "type": "RESTORED", "image": image }],
            "pageInfo": { "hasPreviousPage": true },
        })
    );
}

#[apply(each_database!)]
async fn events_are_nodes_and_a_purged_image_is_null(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let event = text(&trail(&app).await[0]["id"]).to_owned();
    let query = "query($ids: [ID!]!, $event: ID!) {
            node(id: $event) { __typename id ... on GalleryEvent { type image { id } } }
            nodes(ids: $ids) { id }
        }";
    let variables = json!({ "event": event, "ids": [event, id, "AWUAAAAAAAAAZA", event] });
    let data = app.run(query, variables.clone()).await;
    assert_eq!(
        data["node"],
        json!({ "__typename": "GalleryEvent", "id": event, "type": "CREATED", "image": { "id": id } })
    );
    assert_eq!(
        data["nodes"],
        json!([{ "id": event }, { "id": id }, null, { "id": event }])
    );
    app.run(
        "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }",
        json!({ "id": id }),
    )
    .await;
    let data = app.run(query, variables).await;
    assert_eq!(data["node"]["image"], Value::Null);
}

#[apply(each_database!)]
async fn a_cursor_older_than_what_is_kept_has_expired_and_so_has_one_of_another_trail(
    app: TestApp,
) {
    for _ in 0..4 {
        app.user("alice").create_image().await;
    }
    let events = trail(&app).await;
    let cursor = |place: usize| events[place]["cursor"].clone();
    db_prune(&app, 2).await;
    let count = |page: &Value| page["galleryEvents"]["nodes"].as_array().map(Vec::len);
    assert_eq!(count(&app.run(PAGE, json!({})).await), Some(2));
    // Everything after the second is kept.
    assert_eq!(
        count(&app.run(PAGE, json!({ "after": cursor(1) })).await),
        Some(2)
    );
    for variables in [
        json!({ "after": cursor(0) }),
        json!({ "before": cursor(0) }),
    ] {
        let reply = app.graphql(PAGE, variables).await;
        assert_eq!(reply.error_code(), "CURSOR_EXPIRED");
        assert_eq!(reply.status, 200);
    }
    assert_eq!(
        app.error_code(PAGE, json!({ "after": "AXQAAAAAAAAABQ" }))
            .await,
        "CURSOR_EXPIRED"
    );
    // An empty trail still has an end.
    db_prune(&app, 4).await;
    let data = app
        .run("{ trailCursor galleryEvents { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        data,
        json!({ "trailCursor": cursor(3), "galleryEvents": { "nodes": [] } })
    );
    assert_eq!(
        count(&app.run(PAGE, json!({ "after": cursor(3) })).await),
        Some(0)
    );
}

#[apply(each_database!)]
async fn an_empty_trail_has_a_cursor_too(app: TestApp) {
    let data = app.run("{ trailCursor }", json!({})).await;
    app.user("alice").create_image().await;
    let data = app.run(PAGE, json!({ "after": data["trailCursor"] })).await;
    assert_eq!(
        data["galleryEvents"]["nodes"].as_array().map(Vec::len),
        Some(1)
    );
}

/// Root fields are resolved concurrently: read among them, the cursor could be later than the list.
#[apply(each_database!)]
async fn changes_missing_in_a_list_follow_the_trail_cursor_of_its_request(app: TestApp) {
    let writer = tokio::spawn({
        let app = app.clone();
        async move {
            for _ in 0..60 {
                app.user("alice").create_image().await;
            }
        }
    });
    let ask = "{ images(first: 100) { nodes { id } } ... @include(if: true) { ...f } } fragment f on Query { trailCursor }";
    let mut turn = 0;
    while !writer.is_finished() || turn == 0 {
        turn += 1;
        let data = app.run(ask, json!({})).await;
        let shown = data["images"]["nodes"].as_array().expect("nodes").clone();
        let after = app.run("query($after: String) { galleryEvents(first: 100, after: $after) { nodes { imageId } } images(first: 100) { nodes { id } } }", json!({ "after": data["trailCursor"] })).await;
        let events = after["galleryEvents"]["nodes"].as_array().expect("nodes");
        let is_told = |id: &Value| {
            shown.iter().any(|image| image["id"] == *id)
                || events.iter().any(|event| event["imageId"] == *id)
        };
        // Events newer than those read at the same time appear in a later read.
        let all = app.run("query($after: String) { galleryEvents(first: 100, after: $after) { nodes { imageId } } }", json!({ "after": data["trailCursor"] })).await;
        let later = all["galleryEvents"]["nodes"].as_array().expect("nodes");
        for image in after["images"]["nodes"].as_array().expect("nodes") {
            assert!(
                is_told(&image["id"]) || later.iter().any(|event| event["imageId"] == image["id"]),
                "{image} was missed"
            );
        }
    }
    writer.await.expect("it ends");
}

/// An open transaction holds a low sequence value; the others proceed, and its event appears when it commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_delays_nobody_and_is_not_skipped() {
    use sqlx::{AssertSqlSafe, Connection, Executor};

    on_postgres(&[], async |app: TestApp| {
        let slow = app.user("alice").create_image().await;
        let mut connection = sqlx::PgConnection::connect(&app.database().url())
            .await
            .expect("a connection");
        let update =
            format!("BEGIN; UPDATE image_gallery SET intent = 'edit' WHERE image_id = '{slow}'");
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(update)))
            .await
            .expect("it is updated");
        for _ in 0..3 {
            app.user("alice").create_image().await;
        }
        let before = trail(&app).await;
        assert_eq!(before.len(), 4);
        connection.execute("COMMIT").await.expect("it commits");
        let after = trail(&app).await;
        assert_eq!(after[..4], before[..]);
        assert_eq!(
            (&after[4]["type"], &after[4]["imageId"]),
            (&json!("UPDATED"), &json!(slow))
        );
        let data = app.run(PAGE, json!({ "after": before[3]["cursor"] })).await;
        assert_eq!(
            data["galleryEvents"]["nodes"],
            json!([{ "id": after[4]["id"] }])
        );
    })
    .await;
}
