//! `operationId` of soft deletes, `undo`.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::id_literal;
use crate::harness::{TestApp, User, each_database, image_url};

const SOFT_DELETE: &str = "mutation($ids: [ID!]!) { softDeleteImages(ids: $ids) { images { id } operationId userErrors { code } } }";
const UNDO: &str = "mutation($id: ID!) { undo(operationId: $id) { restoredIds leftAloneIds userErrors { code path } } }";

/// Moves images to the trash, and returns the operation.
async fn soft_delete(user: &User, ids: &[&String]) -> Value {
    user.run(SOFT_DELETE, json!({ "ids": ids })).await["softDeleteImages"]["operationId"].take()
}

async fn undo(user: &User, operation: &Value) -> Value {
    let mut undone = user.run(UNDO, json!({ "id": operation })).await["undo"].take();
    for ids in ["restoredIds", "leftAloneIds"] {
        let ids = undone[ids].as_array_mut().expect("ids");
        ids.sort_by_key(ToString::to_string);
    }
    undone
}

/// The result of an undo.
fn undone(restored: &[&String], left_alone: &[&String]) -> Value {
    let sorted = |ids: &[&String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        json!(ids)
    };
    json!({ "restoredIds": sorted(restored), "leftAloneIds": sorted(left_alone), "userErrors": [] })
}

fn not_found() -> Value {
    let errors = json!([{ "code": "OPERATION_NOT_FOUND", "path": ["operationId"] }]);
    json!({ "restoredIds": [], "leftAloneIds": [], "userErrors": errors })
}

async fn create(user: &User, images: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..images {
        ids.push(user.create_image().await);
    }
    ids
}

/// Whether each image is active; none where there is no such image.
async fn are_active(user: &User, ids: &[String]) -> Vec<Option<bool>> {
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Image { deletedAt } } }";
    let nodes = user.run(query, json!({ "ids": ids })).await["nodes"].take();
    let nodes = nodes.as_array().expect("nodes");
    let is_active = |image: &Value| image.get("deletedAt").map(Value::is_null);
    nodes.iter().map(is_active).collect()
}

async fn one(app: &TestApp, verb: &str, id: &str) -> Value {
    let mutation = format!("mutation($id: ID!) {{ it: {verb}(id: $id) {{ changed }} }}");
    app.run(&mutation, json!({ "id": id })).await
}

#[apply(each_database!)]
async fn an_undo_restores_what_its_call_moved_and_nothing_else(app: TestApp) {
    let alice = app.user("alice");
    let ids = create(&alice, 4).await;
    let [first, second, earlier, active] = &ids[..] else {
        panic!("four images")
    };
    let single = "mutation($id: ID!) { softDeleteImage(id: $id) { changed operationId } }";
    let deleted = alice.run(single, json!({ "id": earlier })).await["softDeleteImage"].take();
    assert!(deleted["operationId"].is_string(), "{deleted}");
    let again = alice.run(single, json!({ "id": earlier })).await;
    let unchanged = json!({ "changed": false, "operationId": null });
    assert_eq!(again["softDeleteImage"], unchanged);
    assert_eq!(soft_delete(&alice, &[earlier]).await, Value::Null);
    assert_eq!(soft_delete(&alice, &[]).await, Value::Null);

    let operation = soft_delete(&alice, &[first, earlier, second, first]).await;
    let expected = undone(&[first, second], &[]);
    assert_eq!(undo(&alice, &operation).await, expected);
    let states = [true, true, false, true].map(Some);
    assert_eq!(are_active(&alice, &ids).await, states);
    // A repeat says the same, and changes nothing.
    assert_eq!(undo(&alice, &operation).await, expected);
    assert_eq!(
        undo(&alice, &deleted["operationId"]).await,
        undone(&[earlier], &[])
    );
    assert_eq!(are_active(&alice, &ids).await, [Some(true); 4]);

    let events = "query($id: ID!) { galleryEvents(imageId: $id, types: [SOFT_DELETED, RESTORED]) { nodes { type } } }";
    for (id, moves) in [(first, 2), (earlier, 2), (active, 0)] {
        let events = alice.run(events, json!({ "id": id })).await;
        let events = events["galleryEvents"]["nodes"].as_array().map(Vec::len);
        assert_eq!(events, Some(moves));
    }
}

#[apply(each_database!)]
async fn images_that_anybody_has_touched_since_are_left_alone(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let ids = create(&alice, 7).await;
    let [untouched, restored, again, edited, dated, purged, anew] = &ids[..] else {
        panic!("seven images")
    };
    let operation = soft_delete(&alice, &ids.iter().collect::<Vec<_>>()).await;
    one(&app, "restoreImage", restored).await;
    one(&app, "restoreImage", again).await;
    one(&app, "softDeleteImage", again).await;
    // Another application.
    let literal = |id: &String| id_literal(&app, Uuid::parse_str(id).expect("an id"));
    for (id, change) in [
        (edited, "refined_prompt = 'edited'"),
        (dated, "deleted_at = '2030-01-15T10:30:00.123456Z'"),
    ] {
        let id = literal(id);
        app.db_execute(&format!(
            "UPDATE image_gallery SET {change} WHERE image_id = {id}"
        ))
        .await;
    }
    one(&app, "purgeImage", purged).await;
    one(&app, "purgeImage", anew).await;
    bob.create(json!({ "imageUrl": image_url(anew) })).await;
    soft_delete(&bob, &[anew]).await;

    let left_alone = [restored, again, edited, dated, purged, anew];
    let expected = undone(&[untouched], &left_alone);
    for _ in 0..2 {
        assert_eq!(undo(&alice, &operation).await, expected);
        let states = [
            Some(true),
            Some(true),
            Some(false),
            Some(false),
            Some(false),
            None,
            Some(false),
        ];
        assert_eq!(are_active(&alice, &ids).await, states);
    }
    // Changed after the undo.
    one(&app, "softDeleteImage", untouched).await;
    let everything: Vec<_> = ids.iter().collect();
    assert_eq!(undo(&alice, &operation).await, undone(&[], &everything));
}

#[apply(each_database!)]
async fn an_undo_works_from_another_process_as_long_as_the_trail_keeps_the_operation(app: TestApp) {
    let alice = app.user("alice");
    let ids = create(&alice, 2).await;
    let operation = soft_delete(&alice, &[&ids[0], &ids[1]]).await;
    app.restart().await;
    assert_eq!(
        undo(&alice, &operation).await,
        undone(&[&ids[0], &ids[1]], &[])
    );
    let operation = soft_delete(&alice, &[&ids[0]]).await;
    app.db_execute("DELETE FROM image_gallery_event").await;
    assert_eq!(undo(&alice, &operation).await, not_found());
    assert_eq!(are_active(&alice, &ids[..1]).await, [Some(false)]);
}

#[apply(each_database!)]
async fn ids_of_no_operation_are_refused(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    one(&app, "softDeleteImage", &id).await;
    for wrong in [
        id.as_str(),
        "",
        "nonsense",
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(undo(&alice, &json!(wrong)).await, not_found(), "{wrong}");
    }
    assert_eq!(are_active(&alice, &[id]).await, [Some(false)]);
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn each_owner_takes_back_their_part_of_an_operation(app: TestApp) {
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let (hers, his) = (alice.create_image().await, bob.create_image().await);
    let operation = soft_delete(&app.worker(), &[&hers, &his]).await;
    assert_eq!(undo(&carol, &operation).await, not_found());
    assert_eq!(undo(&alice, &operation).await, undone(&[&hers], &[]));
    let ids = [hers.clone(), his.clone()];
    let states = [Some(true), Some(false)];
    assert_eq!(are_active(&app.worker(), &ids).await, states);
    assert_eq!(
        undo(&app.worker(), &operation).await,
        undone(&[&hers, &his], &[])
    );
    let restored = "{ galleryEvents(types: [RESTORED]) { nodes { imageId actor } } }";
    let restored = app.worker().run(restored, json!({})).await["galleryEvents"]["nodes"].take();
    let expected =
        json!([{ "imageId": hers, "actor": "alice" }, { "imageId": his, "actor": "worker" }]);
    assert_eq!(restored, expected);
}

/// With one connection, whose next transaction would see what one leaves behind.
#[apply(each_database!)]
#[settings("--database-max-connections=1")]
async fn no_other_change_is_part_of_an_operation(app: TestApp) {
    let alice = app.user("alice");
    let ids = create(&alice, 4).await;
    let first = soft_delete(&alice, &[&ids[0]]).await;
    one(&app, "restoreImage", &ids[0]).await;
    let second = soft_delete(&alice, &[&ids[0], &ids[1]]).await;
    assert_ne!(first, second);
    one(&app, "purgeImage", &ids[1]).await;
    create(&alice, 1).await;
    // Another application.
    let id = id_literal(&app, Uuid::parse_str(&ids[2]).expect("an id"));
    let now = "deleted_at = '2030-01-15T10:30:00.123456Z'";
    app.db_execute(&format!(
        "UPDATE image_gallery SET {now} WHERE image_id = {id}"
    ))
    .await;
    let counts =
        "SELECT CAST(count(*) AS text) || ' of ' || CAST(count(DISTINCT operation) AS text)
        FROM image_gallery_event WHERE operation IS NOT NULL";
    let counts = app.db_query_text(counts).await;
    assert_eq!(counts.as_deref(), Some("3 of 2"));
}

#[apply(each_database!)]
async fn concurrent_undos_restore_each_image_once(app: TestApp) {
    let alice = app.user("alice");
    let ids = create(&alice, 20).await;
    let ids: Vec<_> = ids.iter().collect();
    let operation = soft_delete(&alice, &ids).await;
    let all = join_all((0..5).map(|_| undo(&alice, &operation))).await;
    for result in all {
        assert_eq!(result, undone(&ids, &[]));
    }
    let restored = "{ galleryEvents(types: [RESTORED], first: 100) { nodes { id } } }";
    let restored = app.run(restored, json!({})).await;
    let restored = restored["galleryEvents"]["nodes"].as_array().map(Vec::len);
    assert_eq!(restored, Some(20));
}
