//! A field has the same value regardless of the other selected fields, although only selected columns are read.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, each_database};
use crate::statements::Fields;

#[apply(each_database!)]
async fn each_field_of_an_image_has_its_value_when_it_is_selected_alone(app: TestApp) {
    let image = app.user("alice").create(json!({
            "originalPrompt": "typed", "refinedPrompt": "refined", "intentLabel": "upscale", "metadata": { "a": 1 },
        })).await;
    let tag = "mutation($id: ID!) { tagImages(ids: [$id], add: [\"cat\"]) { userErrors { code } }
        setFavorite(ids: [$id], isFavorite: true) { userErrors { code } } }";
    app.run(tag, json!({ "id": image["id"] })).await;
    let delete = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    app.run(delete, json!({ "id": image["id"] })).await;
    let fields = Fields::of_the_schema();
    let leaves = fields.leaves("Image");
    let ways = [
        (
            "{ deletedImages { nodes { FIELDS } } }",
            "/deletedImages/nodes/0",
        ),
        (
            "{ deletedImages { edges { node { FIELDS } } } }",
            "/deletedImages/edges/0/node",
        ),
        (
            "query($id: ID!) { image(id: $id, includeDeleted: true) { FIELDS } }",
            "/image",
        ),
        (
            "query($id: ID!) { node(id: $id) { ... on Image { FIELDS } } }",
            "/node",
        ),
        (
            "query($id: ID!) { nodes(ids: [$id]) { ... on Image { FIELDS } } }",
            "/nodes/0",
        ),
        (
            "{ deletedImages { nodes { ...f } } } fragment f on Image { FIELDS }",
            "/deletedImages/nodes/0",
        ),
    ];
    for (document, place) in ways {
        let select = async |fields: &str| {
            let reply = app
                .run(
                    &document.replace("FIELDS", fields),
                    json!({ "id": image["id"] }),
                )
                .await;
            reply.pointer(place).cloned().unwrap_or_default()
        };
        let whole = select(&leaves.join(" ")).await;
        for name in &leaves {
            let alone = select(name).await;
            assert_eq!(alone, json!({ *name: whole[*name] }), "{document}");
            let is_set = whole[*name] != Value::Null || matches!(*name, "purgeAt");
            assert!(is_set, "{name} has no value to compare");
        }
    }
    let events = app
        .run(
            "{ deletedImages { nodes { events { nodes { type } } } } }",
            json!({}),
        )
        .await;
    let types = json!([{ "type": "CREATED" }, { "type": "UPDATED" }, { "type": "UPDATED" }, { "type": "SOFT_DELETED" }]);
    assert_eq!(
        events["deletedImages"]["nodes"][0]["events"]["nodes"],
        types
    );
}
