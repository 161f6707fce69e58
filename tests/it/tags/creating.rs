//! `CreateImageInput.tags`.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{events_of, tags_of};
use crate::harness::{TestApp, User, each_database, image_url};

const CREATE: &str = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) {
    results { created updated image { id tags } userErrors { code path } } } }";

async fn create(caller: &User, inputs: &[Value]) -> Vec<Value> {
    let inputs = inputs.iter().map(|input| {
        let mut input = input.clone();
        input["userId"] = json!(caller.id);
        input
    });
    let data = caller
        .run(CREATE, json!({ "input": inputs.collect::<Vec<_>>() }))
        .await;
    data["createImages"]["results"]
        .as_array()
        .expect("results")
        .clone()
}

#[apply(each_database!)]
async fn an_image_is_created_with_its_tags(app: TestApp) {
    let alice = app.user("alice");
    let [first, second] = [Uuid::new_v4(), Uuid::new_v4()].map(|id| image_url(&id.to_string()));
    let results = create(
        &alice,
        &[
            json!({ "imageUrl": first, "tags": ["Cat", "cat", "ant"] }),
            json!({ "imageUrl": second, "tags": ["CAT"], "onceKey": "key" }),
            json!({ "imageUrl": first, "tags": ["late"] }),
            json!({ "imageUrl": image_url(&Uuid::new_v4().to_string()), "tags": ["good", " "] }),
        ],
    )
    .await;
    assert_eq!(results[0]["image"]["tags"], json!(["ant", "Cat"]));
    assert_eq!(results[1]["image"]["tags"], json!(["Cat"]));
    assert_eq!(results[2]["created"], false);
    assert_eq!(results[2]["image"]["tags"], json!(["ant", "Cat"]));
    let error = json!([{ "code": "INVALID_TAG", "path": ["input", "3", "tags"] }]);
    assert_eq!(results[3]["userErrors"], error);
    let id = results[0]["image"]["id"].as_str().expect("an id");
    assert_eq!(events_of(&alice, id).await, "CREATED");

    // Repeated: it stays as it is, or the tags are put on beside those that are there.
    let kept = create(&alice, &[json!({ "imageUrl": first, "tags": ["new"] })]).await;
    assert_eq!(kept[0]["image"]["tags"], json!(["ant", "Cat"]));
    let more = |tags: Value| json!({ "imageUrl": first, "ifExists": "UPDATE", "tags": tags });
    let updated = create(&alice, &[more(json!(["new", "ANT"]))]).await;
    assert_eq!(updated[0]["updated"], true);
    assert_eq!(updated[0]["image"]["tags"], json!(["ant", "Cat", "new"]));
    assert_eq!(events_of(&alice, id).await, "CREATED UPDATED");
    let again = create(&alice, &[more(json!(["new"]))]).await;
    assert_eq!(again[0]["updated"], false);
    let mut both = more(json!(["newer"]));
    both["refinedPrompt"] = json!("a cat");
    assert_eq!(create(&alice, &[both]).await[0]["updated"], true);
    assert_eq!(events_of(&alice, id).await, "CREATED UPDATED UPDATED");
    assert_eq!(
        tags_of(&alice, id).await,
        json!(["ant", "Cat", "new", "newer"])
    );
}

#[apply(each_database!)]
async fn more_than_fifty_tags_are_refused(app: TestApp) {
    let alice = app.user("alice");
    let url = image_url(&Uuid::new_v4().to_string());
    let numbered = |from: usize, to: usize| (from..to).map(|n| format!("t{n}")).collect::<Vec<_>>();
    let error = json!([{ "code": "INVALID_TAG", "path": ["input", "0", "tags"] }]);
    let many = create(
        &alice,
        &[json!({ "imageUrl": url, "tags": numbered(0, 51) })],
    )
    .await;
    assert_eq!(many[0]["userErrors"], error);
    let fifty = create(
        &alice,
        &[json!({ "imageUrl": url, "tags": numbered(0, 50) })],
    )
    .await;
    assert_eq!(fifty[0]["image"]["tags"].as_array().map(Vec::len), Some(50));
    let more = json!({ "imageUrl": url, "ifExists": "UPDATE", "tags": ["one more"], "refinedPrompt": "x" });
    assert_eq!(create(&alice, &[more]).await[0]["userErrors"], error);
    let id = fifty[0]["image"]["id"].as_str().expect("an id");
    assert_eq!(events_of(&alice, id).await, "CREATED");
}

/// Two programs that store images of the same owners, in opposite orders, with tags that neither has used before.
#[apply(each_database!)]
async fn simultaneous_batches_agree_on_the_first_spelling(app: TestApp) {
    let worker = app.user("anybody");
    let batch = |upper: bool| {
        let mut inputs: Vec<Value> = (0..20)
            .map(|place| {
                let tag = format!("tag {}", place % 5);
                let tag = if upper { tag.to_uppercase() } else { tag };
                json!({ "userId": format!("owner {}", place % 3), "imageUrl": image_url(&Uuid::new_v4().to_string()), "tags": [tag] })
            })
            .collect();
        if upper {
            inputs.reverse();
        }
        inputs
    };
    let batches = (0..6).map(|round| {
        let (worker, inputs) = (worker.clone(), batch(round % 2 == 0));
        tokio::spawn(async move { worker.run(CREATE, json!({ "input": inputs })).await })
    });
    for done in join_all(batches).await {
        let data = done.expect("it is answered");
        for result in data["createImages"]["results"].as_array().expect("results") {
            assert_eq!(result["created"], true, "{result}");
        }
    }
    for owner in 0..3 {
        let owner = app.user(&format!("owner {owner}"));
        let query = "query($user: String) { tags(userId: $user, first: 100) { nodes { tag } } images(userId: $user, first: 100) { nodes { tags } } }";
        let data = owner.run(query, json!({ "user": owner.id })).await;
        let shown: BTreeSet<&str> = (data["tags"]["nodes"].as_array().expect("tags").iter())
            .filter_map(|tag| tag["tag"].as_str())
            .collect();
        assert_eq!(shown.len(), 5);
        for image in data["images"]["nodes"].as_array().expect("images") {
            assert!(
                image["tags"][0]
                    .as_str()
                    .is_some_and(|tag| shown.contains(tag)),
                "{image} {shown:?}"
            );
        }
    }
}
