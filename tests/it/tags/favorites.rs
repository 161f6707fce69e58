//! `setFavorite` and `Image.isFavorite`.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{events_of, literal, refused, stored};
use crate::harness::{TestApp, User, each_database};

const MARK: &str = "mutation($ids: [ID!]!, $is: Boolean!) {
    it: setFavorite(ids: $ids, isFavorite: $is) {
        images { id isFavorite updatedAt } userErrors { code path } } }";

async fn mark(caller: &User, ids: &[&str], is_favorite: bool) -> Vec<Value> {
    let data = caller
        .run(MARK, json!({ "ids": ids, "is": is_favorite }))
        .await;
    assert_eq!(data["it"]["userErrors"], json!([]));
    data["it"]["images"].as_array().expect("images").clone()
}

/// Whether an image is a favourite; null if there is none.
async fn is_favorite(caller: &User, id: &str) -> Value {
    let query = "query($id: ID!) { image(id: $id, includeDeleted: true) { isFavorite } }";
    let mut data = caller.run(query, json!({ "id": id })).await;
    data["image"]["isFavorite"].take()
}

#[apply(each_database!)]
async fn favorites_are_marked_and_unmarked(app: TestApp) {
    let alice = app.user("alice");
    let [first, second] = [alice.create_image().await, alice.create_image().await];
    assert_eq!(is_favorite(&alice, &first).await, false);
    let marked = mark(&alice, &[&second, &first], true).await;
    assert_eq!(marked[0]["id"], *second);
    assert_eq!(
        (&marked[0]["isFavorite"], &marked[1]["isFavorite"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED");
    // What is so already is no change.
    let again = mark(&alice, &[&first, &first], true).await;
    assert_eq!(again, [marked[1].clone()]);
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED");
    let unmarked = mark(&alice, &[&first], false).await;
    assert_eq!(unmarked[0]["isFavorite"], false);
    assert!(unmarked[0]["updatedAt"].as_str() > again[0]["updatedAt"].as_str());
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED UPDATED");
    assert_eq!(is_favorite(&alice, &second).await, true);
    let errors = refused(
        &alice,
        MARK,
        json!({ "ids": [first, "nonsense"], "is": true }),
    )
    .await;
    assert_eq!(errors, json!([["IMAGE_NOT_FOUND", ["ids", "1"]]]));
    let errors = refused(
        &alice,
        MARK,
        json!({ "ids": vec![&first; 101], "is": true }),
    )
    .await;
    assert_eq!(errors, json!([["TOO_MANY_ITEMS", ["ids"]]]));
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn favorites_outlive_the_trash_follow_the_owner_and_go_with_a_purge(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let [given, purged] = [alice.create_image().await, alice.create_image().await];
    mark(&alice, &[&given, &purged], true).await;
    let move_it = async |verb: &str| {
        let mutation = format!("mutation($id: ID!) {{ {verb}(id: $id) {{ changed }} }}");
        let data = alice.run(&mutation, json!({ "id": given })).await;
        assert_eq!(data[verb]["changed"], true);
    };
    move_it("softDeleteImage").await;
    assert_eq!(is_favorite(&alice, &given).await, true);
    let errors = refused(&alice, MARK, json!({ "ids": [given], "is": false })).await;
    assert_eq!(errors, json!([["IMAGE_DELETED", ["ids", "0"]]]));
    move_it("restoreImage").await;
    assert_eq!(is_favorite(&alice, &given).await, true);
    let place = |id: &str| format!("WHERE image_id = {}", literal(&app, id));
    app.db_execute(&format!(
        "UPDATE image_gallery SET user_id = 'bob' {}",
        place(&given)
    ))
    .await;
    assert_eq!(is_favorite(&bob, &given).await, true);
    assert_eq!(is_favorite(&alice, &given).await, Value::Null);
    assert_eq!(stored(&app).await, "0 2");
    app.db_execute(&format!("DELETE FROM image_gallery {}", place(&purged)))
        .await;
    assert_eq!(stored(&app).await, "0 1");
    mark(&bob, &[&given], false).await;
    assert_eq!(stored(&app).await, "0 0");
}
