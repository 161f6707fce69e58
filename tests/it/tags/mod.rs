//! Tags and favourites: the owners' own order over their images, in tables beside that of the images.

mod creating;
mod favorites;
mod filtering;
mod listing;
mod renaming;
mod tagging;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::id_literal;
use crate::harness::{TestApp, User};

const TAG: &str = "mutation($ids: [ID!]!, $add: [String!], $remove: [String!]) {
    it: tagImages(ids: $ids, add: $add, remove: $remove) {
        images { id tags updatedAt } userErrors { code path message } } }";

/// Tags images, without a `userError`, and returns them.
async fn tag(caller: &User, ids: &[&str], add: &[&str], remove: &[&str]) -> Vec<Value> {
    let variables = json!({ "ids": ids, "add": add, "remove": remove });
    let data = caller.run(TAG, variables).await;
    assert_eq!(data["it"]["userErrors"], json!([]));
    data["it"]["images"].as_array().expect("images").clone()
}

/// The codes and paths of the `userErrors`.
async fn refused(caller: &User, document: &str, variables: Value) -> Value {
    let data = caller.run(document, variables).await;
    let errors = data["it"]["userErrors"].as_array().expect("a list");
    let error = |error: &Value| json!([error["code"], error["path"]]);
    errors.iter().map(error).collect()
}

/// The tags of an image, active or in the trash; null if there is none.
async fn tags_of(caller: &User, id: &str) -> Value {
    let query = "query($id: ID!) { image(id: $id, includeDeleted: true) { tags } }";
    let mut data = caller.run(query, json!({ "id": id })).await;
    data["image"]["tags"].take()
}

/// The types of an image's events, oldest first.
async fn events_of(caller: &User, id: &str) -> String {
    let query =
        "query($id: ID!) { galleryEvents(imageId: $id, first: 100) { nodes { type actor } } }";
    let data = caller.run(query, json!({ "id": id })).await;
    let events = data["galleryEvents"]["nodes"].as_array().expect("events");
    let types = events.iter().map(|event| event["type"].as_str());
    types
        .map(|kind| kind.expect("a type"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn literal(app: &TestApp, id: &str) -> String {
    id_literal(app, id.parse::<Uuid>().expect("a UUID"))
}

/// The rows of the side tables.
async fn stored(app: &TestApp) -> String {
    let count = "SELECT CAST((SELECT count(*) FROM image_gallery_tag) AS text) || ' ' || \
                 CAST((SELECT count(*) FROM image_gallery_favorite) AS text)";
    app.db_query_text(count).await.expect("two numbers")
}
