//! Rules of subscriptions: validity, start position, and filtering.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::Process;
use crate::harness::{TestApp, each_database, eventually, on_postgres};

const IDS: &str = "subscription($user: String, $image: ID, $types: [GalleryEventType!], $after: String) {
    galleryEvents(userId: $user, imageId: $image, types: $types, after: $after) { type imageId userId cursor }
}";

async fn refusal(process: &Process, query: &str, variables: Value) -> String {
    process.subscribe(query, variables).last_error().await
}

#[apply(each_database!)]
async fn a_subscription_has_exactly_one_root_field(app: TestApp) {
    let process = Process::beside(&app).await;
    let invalid = "GRAPHQL_VALIDATION_FAILED";
    for query in [
        "subscription { galleryEvents { id } other: galleryEvents { id } }",
        "subscription { galleryEvents { id } __typename }",
        "subscription { __typename }",
        "subscription { galleryEvents { id } ...f } fragment f on Subscription { other: galleryEvents { id } }",
        "subscription { galleryEvents @skip(if: true) { id } }",
        "subscription { ... @include(if: true) { galleryEvents { id } } }",
        "subscription { nothing { id } }",
        "subscription { galleryEvents { nothing } }",
        "subscription { ...f } fragment f on Query { __typename }",
    ] {
        assert_eq!(
            refusal(&process, query, json!({})).await,
            invalid,
            "{query}"
        );
    }
    assert_eq!(
        refusal(&process, "subscription {", json!({})).await,
        "GRAPHQL_PARSE_FAILED"
    );
    assert_eq!(
        refusal(&process, IDS, json!({ "after": "x" })).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        refusal(&process, IDS, json!({ "user": "" })).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        refusal(&process, IDS, json!({ "types": ["GONE"] })).await,
        "BAD_USER_INPUT"
    );
}

#[apply(each_database!)]
async fn a_fragment_at_the_root_works(app: TestApp) {
    let process = Process::beside(&app).await;
    let id = app.user("alice").create_image().await;
    for query in [
        "subscription s { ...f } fragment f on Subscription { galleryEvents(after: \"\") { imageId ...g } } fragment g on GalleryEvent { type }",
        "subscription { ... on Subscription { it: galleryEvents(after: \"\") { imageId } it: galleryEvents(after: \"\") { type } } }",
    ] {
        let mut replies = process.subscribe(query, json!({}));
        let reply = replies.next().await;
        let event = reply["data"].as_object().expect("data").values().next();
        assert_eq!(
            event,
            Some(&json!({ "imageId": id, "type": "CREATED" })),
            "{reply}"
        );
    }
}

#[apply(each_database!)]
async fn only_a_subscription_is_followed(app: TestApp) {
    let process = Process::beside(&app).await;
    let code = process
        .subscribe("{ images { totalCount } }", json!({}))
        .last_error()
        .await;
    assert_eq!(code, "BAD_USER_INPUT");
}

#[apply(each_database!)]
async fn a_subscription_starts_after_its_cursor(app: TestApp) {
    let process = Process::beside(&app).await;
    let alice = app.user("alice");
    let (a, b) = (alice.create_image().await, alice.create_image().await);
    let mut now = process
        .follow("subscription { galleryEvents { imageId } }")
        .await;
    let mut all = process.subscribe(IDS, json!({ "after": "" }));
    let first = all.event().await;
    assert_eq!(
        (&first["imageId"], &all.event().await["imageId"]),
        (&json!(a), &json!(b))
    );
    let mut resumed = process.subscribe(IDS, json!({ "after": first["cursor"] }));
    assert_eq!(resumed.event().await["imageId"], b);
    let c = alice.create_image().await;
    for replies in [&mut now, &mut all, &mut resumed] {
        assert_eq!(replies.event().await["imageId"], c);
    }
    app.db_execute("UPDATE image_gallery_trail SET pruned_position = 2; DELETE FROM image_gallery_event WHERE position <= 2").await;
    assert_eq!(
        refusal(&process, IDS, json!({ "after": first["cursor"] })).await,
        "CURSOR_EXPIRED"
    );
    assert_eq!(
        refusal(&process, IDS, json!({ "after": "AXQAAAAAAAAAZA" })).await,
        "CURSOR_EXPIRED"
    );
    assert_eq!(
        process.subscribe(IDS, json!({ "after": "" })).event().await["imageId"],
        c
    );
}

#[apply(each_database!)]
async fn filters_apply_to_the_backlog_and_to_live_events(app: TestApp) {
    let process = Process::beside(&app).await;
    let (a, b) = (
        app.user("alice").create_image().await,
        app.user("bob").create_image().await,
    );
    let mut followed = [
        (json!({ "user": "bob" }), vec!["CREATED", "SOFT_DELETED"]),
        (
            json!({ "image": b, "types": [] }),
            vec!["CREATED", "SOFT_DELETED"],
        ),
        (json!({ "types": ["SOFT_DELETED"] }), vec!["SOFT_DELETED"]),
        (
            json!({ "user": "bob", "types": ["CREATED"] }),
            vec!["CREATED"],
        ),
        (json!({ "user": "bob", "image": a }), vec![]),
    ]
    .map(|(mut variables, expected)| {
        variables["after"] = json!("");
        (
            process.subscribe(IDS, variables.clone()),
            variables,
            expected,
        )
    });
    for (replies, _, expected) in &mut followed {
        if expected.first() == Some(&"CREATED") {
            assert_eq!(replies.event().await["imageId"], b);
        } else {
            assert!(replies.is_quiet());
        }
    }
    app.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": b }),
    )
    .await;
    for (replies, variables, expected) in &mut followed {
        if expected.last() == Some(&"SOFT_DELETED") {
            let event = replies.event().await;
            assert_eq!(
                (&event["type"], &event["imageId"]),
                (&json!("SOFT_DELETED"), &json!(b)),
                "{variables}"
            );
        }
        assert!(replies.is_quiet(), "{variables}");
    }
}

#[apply(each_database!)]
async fn the_number_of_subscribers_is_limited(app: TestApp) {
    let process = Process::with_max_subscribers(app.database(), 2).await;
    let query = "subscription { galleryEvents { id } }";
    let (_one, two) = (process.follow(query).await, process.follow(query).await);
    assert_eq!(
        refusal(&process, query, json!({})).await,
        "SERVICE_UNAVAILABLE"
    );
    drop(two);
    process.follow(query).await;
}

#[apply(each_database!)]
async fn a_server_that_stops_ends_its_subscriptions(app: TestApp) {
    let process = Process::beside(&app).await;
    let query = "subscription { galleryEvents { id } }";
    let mut replies = process.follow(query).await;
    process.gallery.close_feed();
    assert_eq!(futures_util::StreamExt::next(&mut replies.0).await, None);
    assert_eq!(
        refusal(&process, query, json!({})).await,
        "SERVICE_UNAVAILABLE"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_subscribers_there_is_no_listener() {
    on_postgres(&[], async |app: TestApp| {
        let process = Process::beside(&app).await;
        let listeners = async || {
            let sql = "SELECT count(*)::text FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            app.db_query_text(sql).await.expect("a count")
        };
        assert_eq!(listeners().await, "0");
        let replies = process
            .follow("subscription { galleryEvents { id } }")
            .await;
        eventually("somebody listens", async || {
            (listeners().await == "1").then_some(())
        })
        .await;
        drop(replies);
        eventually("nobody listens", async || {
            (listeners().await == "0").then_some(())
        })
        .await;
    })
    .await;
}
