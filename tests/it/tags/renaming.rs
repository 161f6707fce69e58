//! `renameTag`.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{events_of, refused, stored, tag, tags_of};
use crate::harness::rows::db_fill_trash;
use crate::harness::{TestApp, TestDatabase, User, each_database};

const RENAME: &str = "mutation($user: String, $from: String!, $to: String!) {
    it: renameTag(userId: $user, from: $from, to: $to) { changedCount hasMore userErrors { code path } } }";

async fn rename(caller: &User, from: &str, to: &str) -> Value {
    let variables = json!({ "user": caller.id, "from": from, "to": to });
    let mut data = caller.run(RENAME, variables).await;
    assert_eq!(data["it"]["userErrors"], json!([]));
    assert_eq!(data["it"]["hasMore"], false);
    data["it"]["changedCount"].take()
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_tag_is_renamed_on_all_of_its_owners_images(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut ids, of_bob) = (Vec::new(), bob.create_image().await);
    for tags in [&["Cat", "dog"][..], &["cat"], &["dog"]] {
        let id = alice.create_image().await;
        tag(&alice, &[&id], tags, &[]).await;
        ids.push(id);
    }
    tag(&bob, &[&of_bob], &["cat"], &[]).await;
    alice
        .run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": ids[1] }),
        )
        .await;

    assert_eq!(rename(&alice, "CAT", "Lion").await, 2);
    assert_eq!(tags_of(&alice, &ids[0]).await, json!(["dog", "Lion"]));
    assert_eq!(tags_of(&alice, &ids[1]).await, json!(["Lion"]));
    assert_eq!(
        events_of(&alice, &ids[1]).await,
        "CREATED UPDATED SOFT_DELETED UPDATED"
    );
    assert_eq!(events_of(&alice, &ids[2]).await, "CREATED UPDATED");
    assert_eq!(tags_of(&bob, &of_bob).await, json!(["cat"]));
    assert_eq!(rename(&alice, "cat", "Lion").await, 0);

    // Into one that is there: they become one, in the spelling that is there.
    assert_eq!(rename(&alice, "lion", "DOG").await, 2);
    assert_eq!(tags_of(&alice, &ids[0]).await, json!(["dog"]));
    assert_eq!(tags_of(&alice, &ids[1]).await, json!(["dog"]));

    // Another spelling of the same tag.
    assert_eq!(rename(&alice, "dog", "dOg").await, 3);
    assert_eq!(rename(&alice, "dog", "dOg").await, 0);
    for id in &ids {
        assert_eq!(tags_of(&alice, id).await, json!(["dOg"]));
    }
    assert_eq!(stored(&app).await, "4 0");

    let names = |from: &str, to: &str| json!({ "user": null, "from": from, "to": to });
    assert_eq!(
        refused(&alice, RENAME, names(" ", "a")).await,
        json!([["INVALID_TAG", ["from"]]])
    );
    let both = json!([["INVALID_TAG", ["from"]], ["INVALID_TAG", ["to"]]]);
    assert_eq!(
        refused(&alice, RENAME, names("\0", &"x".repeat(101))).await,
        both
    );
    let of_bob = json!({ "user": "bob", "from": "cat", "to": "dog" });
    assert_eq!(
        alice.graphql(RENAME, of_bob).await.error_code(),
        "FORBIDDEN"
    );
    let worker = app.worker();
    assert_eq!(
        worker
            .graphql(RENAME, names("cat", "dog"))
            .await
            .error_code(),
        "BAD_USER_INPUT"
    );
    let data = worker
        .run(
            RENAME,
            json!({ "user": "bob", "from": "cat", "to": "tiger" }),
        )
        .await;
    assert_eq!(data["it"]["changedCount"], 1);
}

/// More than a transaction changes at once.
#[apply(each_database!)]
async fn a_tag_of_many_images_is_renamed(app: TestApp) {
    db_fill_trash(&app, 1200).await;
    let label = "SELECT image_id, 'mass', 'cat', 'Cat' FROM image_gallery";
    app.db_execute(&format!(
        "INSERT INTO image_gallery_tag (image_id, user_id, folded, tag) {label}"
    ))
    .await;
    let mass = app.user("mass");
    assert_eq!(rename(&mass, "cat", "dog").await, 1200);
    let left = "SELECT CAST(count(*) AS text) FROM image_gallery_tag WHERE tag <> 'dog'";
    assert_eq!(app.db_query_text(left).await.as_deref(), Some("0"));
    // A row without its image, as a restored copy may have one, is no obstacle.
    let id = match app.database() {
        TestDatabase::Sqlite(_) => "randomblob(16)",
        TestDatabase::Postgres(_) => "gen_random_uuid()",
    };
    app.db_execute(&format!("INSERT INTO image_gallery_tag (image_id, user_id, folded, tag) SELECT {id}, 'mass', 'cat', 'cat'"))
        .await;
    assert_eq!(rename(&mass, "cat", "dog").await, 0);
}
