//! `node`, `nodes`, `image`, and `Image.imageUrl(transform:)`.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, each_database, image_url};

const MALFORMED: [&str; 8] = [
    "",
    "x",
    "1",
    "00000000-0000-0000-0000-00000000000",
    "00000000-0000-0000-0000-0000000000000",
    " 00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000000\u{0}",
    "g0000000-0000-0000-0000-000000000000",
];

async fn soft_delete(app: &TestApp, id: &str) {
    let mutation = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    let data = app.run(mutation, json!({ "id": id })).await;
    assert_eq!(data["softDeleteImage"]["changed"], true);
}

/// `imageUrl` of the image with this stored URL, with a transformation.
async fn transformed(app: &TestApp, url: &str, transform: &str) -> Value {
    let image = app.user("alice").create(json!({ "imageUrl": url })).await;
    let query =
        format!("query($id: ID!) {{ image(id: $id) {{ imageUrl(transform: {transform}) }} }}");
    app.run(&query, json!({ "id": image["id"] })).await["image"]["imageUrl"].take()
}

#[apply(each_database!)]
async fn node_finds_an_image_active_or_in_the_trash(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query =
        "query($id: ID!) { node(id: $id) { __typename id ... on Image { userId deletedAt } } }";
    let active = app.run(query, json!({ "id": id })).await;
    assert_eq!(
        active["node"],
        json!({ "__typename": "Image", "id": id, "userId": "alice", "deletedAt": null })
    );
    soft_delete(&app, &id).await;
    let trashed = app.run(query, json!({ "id": id })).await;
    assert!(trashed["node"]["deletedAt"].is_string(), "{trashed}");
}

#[apply(each_database!)]
async fn image_shows_the_trash_only_when_asked(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($id: ID!, $all: Boolean!) {
            default: image(id: $id) { id } chosen: image(id: $id, includeDeleted: $all) { id }
        }";
    let shown = json!({ "id": id });
    let ask = async |all: bool| app.run(query, json!({ "id": id, "all": all })).await;
    assert_eq!(
        ask(false).await,
        json!({ "default": shown, "chosen": shown })
    );
    soft_delete(&app, &id).await;
    assert_eq!(ask(false).await, json!({ "default": null, "chosen": null }));
    assert_eq!(ask(true).await, json!({ "default": null, "chosen": shown }));
}

#[apply(each_database!)]
async fn an_unknown_or_malformed_id_is_null(app: TestApp) {
    app.user("alice").create_image().await;
    let query = "query($id: ID!) { node(id: $id) { id } image(id: $id, includeDeleted: true) { id } nodes(ids: [$id]) { id } }";
    let nothing = json!({ "node": null, "image": null, "nodes": [null] });
    for id in MALFORMED
        .into_iter()
        .chain(["00000000-0000-0000-0000-000000000000"])
    {
        assert_eq!(app.run(query, json!({ "id": id })).await, nothing, "{id:?}");
    }
    assert_eq!(app.run(query, json!({ "id": 7 })).await, nothing);
    let long = "a".repeat(100_000);
    assert_eq!(app.run(query, json!({ "id": long })).await, nothing);
}

#[apply(each_database!)]
async fn ids_in_capitals_are_found_and_returned_in_lower_case(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query =
        "query($id: ID!) { node(id: $id) { id } image(id: $id) { id } nodes(ids: [$id]) { id } }";
    let data = app.run(query, json!({ "id": id.to_uppercase() })).await;
    let found = json!({ "id": id });
    assert_eq!(
        data,
        json!({ "node": found, "image": found, "nodes": [found] })
    );
    assert_eq!(id, id.to_lowercase());
}

#[apply(each_database!)]
async fn nodes_keep_order_gaps_and_duplicates(app: TestApp) {
    let alice = app.user("alice");
    let (a, b) = (alice.create_image().await, alice.create_image().await);
    soft_delete(&app, &b).await;
    let none = "00000000-0000-0000-0000-000000000000";
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let ids = json!([b, none, a, "x", b, a.to_uppercase()]);
    let data = app.run(query, json!({ "ids": ids })).await;
    let found = |id: &str| json!({ "id": id });
    assert_eq!(
        data["nodes"],
        json!([found(&b), null, found(&a), null, found(&b), found(&a)])
    );
    assert_eq!(
        app.run(query, json!({ "ids": [] })).await["nodes"],
        json!([])
    );
}

#[apply(each_database!)]
async fn nodes_take_a_hundred_ids_and_no_more(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let data = app.run(query, json!({ "ids": vec![&id; 100] })).await;
    assert_eq!(data["nodes"], json!(vec![json!({ "id": id }); 100]));
    let code = app
        .error_code(query, json!({ "ids": vec![&id; 101] }))
        .await;
    assert_eq!(code, "BAD_USER_INPUT");
}

#[apply(each_database!)]
async fn the_transformation_follows_upload(app: TestApp) {
    let id = uuid();
    let url = image_url(&id);
    let image = app.user("alice").create(json!({ "imageUrl": url })).await;
    assert_eq!(image["imageUrl"], url);
    for (transform, parameters) in [
        ("{}", "f_auto,q_auto"),
        ("{ width: 1 }", "c_limit,f_auto,q_auto,w_1"),
        (
            "{ height: 10000, crop: PAD }",
            "c_pad,f_auto,h_10000,q_auto",
        ),
        (
            "{ width: 300, height: 200, crop: FILL, gravity: FACE, quality: 80, format: WEBP }",
            "c_fill,f_webp,g_face,h_200,q_80,w_300",
        ),
        (
            "{ width: 9, crop: THUMB, gravity: CENTER, quality: 100, format: AVIF }",
            "c_thumb,f_avif,g_center,q_100,w_9",
        ),
        (
            "{ width: 9, crop: null, format: null, quality: 1 }",
            "c_limit,f_auto,q_1,w_9",
        ),
    ] {
        let transformed = transformed(&app, &url, transform).await;
        let expected = url.replace("/upload/", &format!("/upload/{parameters}/"));
        assert_eq!(transformed, expected, "{transform}");
    }
    let kept = format!("https://res.cloudinary.com/demo/image/upload/w_50/v1/{id}.png?x=/upload/");
    let url = kept.replace(&id, &uuid());
    let expected = url.replacen("/upload/", "/upload/f_auto,q_auto/", 1);
    assert_eq!(transformed(&app, &url, "{}").await, expected);
}

#[apply(each_database!)]
async fn signed_urls_and_those_without_upload_are_returned_as_stored(app: TestApp) {
    for path in [
        "image/upload/s--AbC_12-x--/v1",
        "image/fetch",
        "image/private",
        "image/authenticated/s--AbCdEfGh--",
    ] {
        let url = format!("https://res.cloudinary.com/demo/{path}/{}.png", uuid());
        assert_eq!(transformed(&app, &url, "{ width: 100 }").await, url);
    }
}

#[apply(each_database!)]
async fn a_transformation_out_of_range_is_bad_input(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let signed = format!(
        "https://res.cloudinary.com/demo/image/upload/s--AbC_12-x--/v1/{}.png",
        uuid()
    );
    let signed = app
        .user("alice")
        .create(json!({ "imageUrl": signed }))
        .await["id"]
        .clone();
    let query =
        "query($id: ID!, $t: ImageTransform) { image(id: $id) { imageUrl(transform: $t) } }";
    for (field, value) in [
        ("width", 0),
        ("width", -1),
        ("width", 10_001),
        ("width", i32::MAX),
        ("height", 0),
        ("height", 10_001),
        ("height", i32::MIN),
        ("quality", 0),
        ("quality", 101),
        ("quality", -5),
    ] {
        for id in [&json!(id), &signed] {
            let reply = app
                .graphql(query, json!({ "id": id, "t": { field: value } }))
                .await;
            assert_eq!(
                reply.body["data"],
                json!({ "image": null }),
                "{field} {value}"
            );
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
            let message = reply.body["errors"][0]["message"]
                .as_str()
                .expect("a message")
                .to_owned();
            assert!(
                message.contains(field) && message.contains(&value.to_string()),
                "{message}"
            );
        }
    }
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
