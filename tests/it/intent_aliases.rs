//! `INTENT_ALIASES`: another application's labels count as an intent when images are read, and stay as they are stored.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::rows::{Row, db_insert, found};
use crate::harness::{TestApp, each_database, image_url};

const LABELS: [Option<&str>; 9] = [
    Some("generate"),
    Some("image_generation"),
    Some("IMAGE_Generation"),
    Some("upscale"),
    Some("enhance"),
    Some("ÄNDERN"),
    Some("relight"),
    Some(""),
    None,
];

async fn insert_all(app: &TestApp) -> Vec<Row> {
    let with = |label: Option<&str>| Row {
        intent: label.map(str::to_owned),
        ..Row::new()
    };
    let rows = LABELS.map(with).to_vec();
    db_insert(app, &rows).await;
    rows
}

#[apply(each_database!)]
#[settings("--intent-aliases=image_generation=generate,Upscale=ENHANCE,ändern=edit")]
async fn they_count_in_images_filters_and_statistics_and_labels_stay(app: TestApp) {
    let rows = insert_all(&app).await;
    let expected = [
        Some("GENERATE"),
        Some("GENERATE"),
        Some("GENERATE"),
        Some("ENHANCE"),
        Some("ENHANCE"),
        Some("EDIT"),
        Some("OTHER"),
        None,
        None,
    ];
    for ((row, label), intent) in rows.iter().zip(LABELS).zip(expected) {
        let image = "query($id: ID!) { image(id: $id) { intent intentLabel } }";
        let image = app.run(image, json!({ "id": row.id })).await;
        let label = label.filter(|label| !label.is_empty());
        assert_eq!(
            image["image"],
            json!({ "intent": intent, "intentLabel": label })
        );
    }
    for intents in [
        &["GENERATE"] as &[&str],
        &["EDIT"],
        &["ENHANCE"],
        &["OTHER"],
        &["OTHER", "ENHANCE"],
        &["GENERATE", "EDIT", "ENHANCE", "OTHER"],
    ] {
        let matching = rows.iter().zip(expected);
        let matching =
            matching.filter(|(_, intent)| intent.is_some_and(|intent| intents.contains(&intent)));
        let mut ids: Vec<_> = matching.map(|(row, _)| row.id).collect();
        ids.sort_unstable();
        assert_eq!(
            found(&app, json!({ "intents": intents })).await,
            ids,
            "{intents:?}"
        );
    }
    // A label is looked for as it is.
    let labelled = found(&app, json!({ "intentLabels": ["image_generation"] })).await;
    assert_eq!(labelled.len(), 2);

    let statistics = "{ galleryStats { byIntent { intent intentLabel count } } }";
    let statistics = app.run(statistics, json!({})).await;
    let mut counts = statistics["galleryStats"]["byIntent"]
        .as_array()
        .expect("a list")
        .clone();
    counts.sort_by_key(ToString::to_string);
    let mut rows = [
        json!({ "intent": "GENERATE", "intentLabel": "generate", "count": 1 }),
        json!({ "intent": "GENERATE", "intentLabel": "IMAGE_Generation", "count": 2 }),
        json!({ "intent": "ENHANCE", "intentLabel": "upscale", "count": 1 }),
        json!({ "intent": "ENHANCE", "intentLabel": "enhance", "count": 1 }),
        json!({ "intent": "EDIT", "intentLabel": "ÄNDERN", "count": 1 }),
        json!({ "intent": "OTHER", "intentLabel": "relight", "count": 1 }),
        json!({ "intent": null, "intentLabel": null, "count": 2 }),
    ];
    rows.sort_by_key(ToString::to_string);
    assert_eq!(counts, rows);

    // Nothing of it is written.
    let create = "mutation($input: CreateImageInput!) { createImage(input: $input) { image { intent intentLabel } userErrors { code } } }";
    let input = |intent: Value, label: Value| {
        let url = image_url(&uuid::Uuid::new_v4().to_string());
        json!({ "input": { "userId": "alice", "imageUrl": url, "intent": intent, "intentLabel": label } })
    };
    let created = app.run(create, input(Value::Null, json!("Upscale"))).await;
    assert_eq!(
        created["createImage"]["image"],
        json!({ "intent": "ENHANCE", "intentLabel": "upscale" })
    );
    let created = app.run(create, input(json!("ENHANCE"), Value::Null)).await;
    assert_eq!(
        created["createImage"]["image"],
        json!({ "intent": "ENHANCE", "intentLabel": "enhance" })
    );
}

#[apply(each_database!)]
async fn without_the_setting_they_are_other_labels(app: TestApp) {
    let rows = insert_all(&app).await;
    assert_eq!(
        found(&app, json!({ "intents": ["GENERATE"] })).await,
        [rows[0].id]
    );
    assert_eq!(found(&app, json!({ "intents": ["OTHER"] })).await.len(), 5);
}
