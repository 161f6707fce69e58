//! Each subscriber sees only their own events.

use image_gallery::auth::{Caller, Denied, UserId};
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::Process;
use crate::harness::{TestApp, each_database, image_url};

const EVENTS: &str = "subscription($user: String, $image: ID, $types: [GalleryEventType!], $after: String) {
    galleryEvents(userId: $user, imageId: $image, types: $types, after: $after) { type imageId userId image { userId events { nodes { userId } } } }
}";

fn user(id: &str) -> Caller {
    Caller::User(UserId::new(id).expect("a user id"))
}

fn event(kind: &str, id: &str, owner: &str, image: &Value) -> Value {
    json!({ "type": kind, "imageId": id, "userId": owner, "image": image })
}

fn image_of(owner: &str, events: usize) -> Value {
    json!({ "userId": owner, "events": { "nodes": vec![json!({ "userId": owner }); events] } })
}

async fn purge(app: &TestApp, id: &str) {
    let purge = "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }";
    app.run(purge, json!({ "id": id })).await;
}

#[apply(each_database!)]
async fn a_subscriber_sees_their_own_backlog_and_live_events(app: TestApp) {
    let process = Process::beside(&app).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (a, b) = (alice.create_image().await, bob.create_image().await);
    let follow = |caller: Caller, mut variables: Value| {
        variables["after"] = json!("");
        process.subscribe_as(caller, EVENTS, variables)
    };
    let mut hers = follow(user("alice"), json!({ "user": "alice" }));
    let mut all_hers = follow(user("alice"), json!({}));
    let mut of_his_image = follow(user("alice"), json!({ "image": b, "types": [] }));
    let mut everybodys = follow(
        Caller::Service {
            actor: "worker".to_owned(),
        },
        json!({}),
    );
    for replies in [&mut hers, &mut all_hers] {
        assert_eq!(
            replies.event().await,
            event("CREATED", &a, "alice", &image_of("alice", 1))
        );
    }
    assert_eq!(everybodys.event().await["imageId"], a);
    assert_eq!(everybodys.event().await["imageId"], b);
    purge(&app, &b).await;
    purge(&app, &a).await;
    assert_eq!(
        everybodys.event().await,
        event("PURGED", &b, "bob", &Value::Null)
    );
    assert_eq!(
        everybodys.event().await,
        event("PURGED", &a, "alice", &Value::Null)
    );
    for replies in [&mut hers, &mut all_hers] {
        assert_eq!(
            replies.event().await,
            event("PURGED", &a, "alice", &Value::Null)
        );
        assert!(replies.is_quiet());
    }
    assert!(of_his_image.is_quiet());
}

/// A page of events contains both owners' events: the image is read once, and shown to one of them.
#[apply(each_database!)]
async fn old_events_do_not_show_an_image_of_a_new_owner(app: TestApp) {
    let process = Process::beside(&app).await;
    let id = app.user("alice").create_image().await;
    purge(&app, &id).await;
    app.user("bob")
        .create(json!({ "imageUrl": image_url(&id) }))
        .await;
    let query = "subscription { galleryEvents(after: \"\") { type image { userId } } }";
    let mut alices = process.subscribe_as(user("alice"), query, json!({}));
    for kind in ["CREATED", "PURGED"] {
        assert_eq!(alices.event().await, json!({ "type": kind, "image": null }));
    }
    let mut bobs = process.subscribe_as(user("bob"), query, json!({}));
    assert_eq!(
        bobs.event().await,
        json!({ "type": "CREATED", "image": { "userId": "bob" } })
    );
    let (mut alices, mut bobs) = (
        process.subscribe_as(
            user("alice"),
            "subscription { galleryEvents { image { userId } } }",
            json!({}),
        ),
        process.subscribe_as(
            user("bob"),
            "subscription { galleryEvents { image { userId } } }",
            json!({}),
        ),
    );
    assert!(
        alices
            .is_quiet_for(std::time::Duration::from_millis(500))
            .await
    );
    assert!(
        bobs.is_quiet_for(std::time::Duration::from_millis(500))
            .await
    );
    app.db_execute(
        "UPDATE image_gallery SET user_id = 'alice'; UPDATE image_gallery SET user_id = 'bob'",
    )
    .await;
    assert_eq!(bobs.event().await, json!({ "image": { "userId": "bob" } }));
    assert_eq!(alices.event().await, json!({ "image": null }));
}

#[apply(each_database!)]
async fn callers_without_access_cannot_subscribe(app: TestApp) {
    let process = Process::beside(&app).await;
    let refusal = async |caller: Caller, variables: Value| {
        process
            .subscribe_as(caller, EVENTS, variables)
            .last_error()
            .await
    };
    assert_eq!(
        refusal(user("alice"), json!({ "user": "bob" })).await,
        "FORBIDDEN"
    );
    assert_eq!(
        refusal(
            Caller::Anonymous(Denied::NO_TOKEN),
            json!({ "user": "", "after": "x" })
        )
        .await,
        "UNAUTHENTICATED"
    );
    assert_eq!(
        refusal(Caller::Anonymous(Denied::Forbidden("no")), json!({})).await,
        "FORBIDDEN"
    );
    assert_eq!(process.gallery.subscriber_count(), 0);
}
