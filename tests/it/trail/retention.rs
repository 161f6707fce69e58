//! `EVENT_RETENTION_DAYS`: old events are deleted, and no client skips them silently.

use macro_rules_attribute::apply;
use serde_json::json;

use super::trail;
use crate::harness::rows::{Row, db_insert};
use crate::harness::{TestApp, each_database, eventually};

#[apply(each_database!)]
#[settings("--event-retention-days=30")]
async fn old_events_are_dropped_at_the_start_up_to_the_first_younger_one(app: TestApp) {
    for _ in 0..5 {
        app.user("alice").create_image().await;
    }
    let before = trail(&app).await;
    // The fourth is old, but comes after a younger one.
    app.db_execute("UPDATE image_gallery_event SET occurred_at = '2020-01-01T00:00:00.000000Z' WHERE position IN (1, 2, 4)").await;
    app.restart().await;
    eventually("the old events are gone", async || {
        (trail(&app).await.len() == 3).then_some(())
    })
    .await;
    let kept: Vec<_> = trail(&app)
        .await
        .iter()
        .map(|event| event["id"].clone())
        .collect();
    assert_eq!(
        kept,
        before[2..]
            .iter()
            .map(|event| event["id"].clone())
            .collect::<Vec<_>>()
    );
    let query = "query($after: String) { galleryEvents(after: $after) { nodes { id } } }";
    assert_eq!(
        app.error_code(query, json!({ "after": before[0]["cursor"] }))
            .await,
        "CURSOR_EXPIRED"
    );
    let data = app
        .run(query, json!({ "after": before[1]["cursor"] }))
        .await;
    assert_eq!(
        data["galleryEvents"]["nodes"].as_array().map(Vec::len),
        Some(3)
    );
}

#[apply(each_database!)]
#[settings("--event-retention-days=30")]
async fn an_entirely_old_trail_is_deleted_and_keeps_its_end(app: TestApp) {
    let rows: Vec<_> = (0..1500).map(|_| Row::new()).collect();
    db_insert(&app, &rows).await;
    let end = app.run("{ trailCursor }", json!({})).await;
    app.db_execute("UPDATE image_gallery_event SET occurred_at = '2020-01-01T00:00:00.000000Z'")
        .await;
    app.restart().await;
    let first = "{ galleryEvents(first: 1) { nodes { id } } }";
    let is_gone = json!({ "galleryEvents": { "nodes": [] } });
    eventually("every event is gone", async || {
        (app.run(first, json!({})).await == is_gone).then_some(())
    })
    .await;
    assert_eq!(app.run("{ trailCursor }", json!({})).await, end);
    app.user("alice").create_image().await;
    let query = "query($after: String) { galleryEvents(after: $after) { nodes { type } } }";
    let data = app.run(query, json!({ "after": end["trailCursor"] })).await;
    assert_eq!(
        data["galleryEvents"]["nodes"],
        json!([{ "type": "CREATED" }])
    );
}
