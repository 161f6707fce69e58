//! The audit trail: which changes it captures, and how it is read.

mod actor;
mod adoption;
mod capture;
mod reading;
mod retention;

use serde_json::{Value, json};

use crate::harness::TestApp;

/// The whole trail, oldest event first, with all scalar fields.
async fn trail(app: &TestApp) -> Vec<Value> {
    let query = "query($after: String) { galleryEvents(first: 100, after: $after) {
        nodes { id cursor type imageId userId imageUrl occurredAt actor } pageInfo { hasNextPage endCursor }
    } }";
    let mut events = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = app.run(query, json!({ "after": after })).await;
        let page = &data["galleryEvents"];
        events.extend(page["nodes"].as_array().expect("nodes").iter().cloned());
        if page["pageInfo"]["hasNextPage"] == false {
            return events;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// Type and image of each event.
async fn happened(app: &TestApp) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let trail = trail(app).await;
    let events = trail.iter();
    events
        .map(|event| (text(&event["type"]), text(&event["imageId"])))
        .collect()
}

/// The types only.
async fn types(app: &TestApp) -> Vec<String> {
    let happened = happened(app).await;
    happened.into_iter().map(|(kind, _)| kind).collect()
}

async fn change(app: &TestApp, verb: &str, id: &str) {
    let mutation = format!("mutation($id: ID!) {{ it: {verb}(id: $id) {{ changed }} }}");
    let data = app.run(&mutation, json!({ "id": id })).await;
    assert_eq!(data["it"]["changed"], true, "{verb}");
}
