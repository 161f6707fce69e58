//! `tagImages` and `Image.tags`.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{TAG, events_of, literal, refused, stored, tag, tags_of};
use crate::harness::{TestApp, User, each_database, on_postgres};

async fn run(caller: &User, verb: &str, id: &str) {
    let mutation = format!("mutation($id: ID!) {{ {verb}(id: $id) {{ userErrors {{ code }} }} }}");
    let data = caller.run(&mutation, json!({ "id": id })).await;
    assert_eq!(data[verb]["userErrors"], json!([]), "{verb}");
}

#[apply(each_database!)]
async fn tags_are_put_on_and_taken_off(app: TestApp) {
    let alice = app.user("alice");
    let [first, second] = [alice.create_image().await, alice.create_image().await];
    let before = alice
        .run(
            "query($id: ID!) { image(id: $id) { tags updatedAt } }",
            json!({ "id": first }),
        )
        .await;
    assert_eq!(before["image"]["tags"], json!([]));
    let tagged = tag(&alice, &[&first, &second], &["zebra", "Cat", "ant"], &[]).await;
    assert_eq!(tagged[0]["id"], *first);
    assert_eq!(tagged[0]["tags"], json!(["ant", "Cat", "zebra"]));
    assert_eq!(tagged[1]["tags"], json!(["ant", "Cat", "zebra"]));
    let moved = |image: &Value| image["updatedAt"].as_str().expect("an instant").to_owned();
    assert!(moved(&tagged[0]) > moved(&before["image"]));
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED");

    // What is so already is no change.
    let again = tag(&alice, &[&first, &first], &["CAT"], &["none"]).await;
    assert_eq!(again.len(), 1);
    assert_eq!(moved(&again[0]), moved(&tagged[0]));
    assert_eq!(
        tag(&alice, &[&first], &[], &[]).await[0]["tags"],
        json!(["ant", "Cat", "zebra"])
    );
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED");

    // What is both added and removed stays.
    let changed = tag(&alice, &[&first], &["new", "ANT"], &["ant", "ZEBRA"]).await;
    assert_eq!(changed[0]["tags"], json!(["ant", "Cat", "new"]));
    assert_eq!(events_of(&alice, &first).await, "CREATED UPDATED UPDATED");
    assert_eq!(
        tags_of(&alice, &second).await,
        json!(["ant", "Cat", "zebra"])
    );
    assert_eq!(events_of(&alice, &second).await, "CREATED UPDATED");
}

#[apply(each_database!)]
async fn the_first_spelling_of_an_owner_is_shown(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let [first, second] = [alice.create_image().await, alice.create_image().await];
    let of_bob = bob.create_image().await;
    tag(
        &alice,
        &[&first],
        &["\u{c4}pfel", "Stra\u{df}e", "ΟΔΟΣ"],
        &[],
    )
    .await;
    let others = ["a\u{308}PFEL", " STRASSE\t", "οδος"];
    let tagged = tag(&alice, &[&second], &others, &[]).await;
    let spelled = json!(["Stra\u{df}e", "\u{c4}pfel", "ΟΔΟΣ"]);
    assert_eq!(tagged[0]["tags"], spelled);
    assert_eq!(tags_of(&alice, &second).await, spelled);
    // Another owner has spellings of his own.
    let tagged = tag(&bob, &[&of_bob], &["STRASSE"], &[]).await;
    assert_eq!(tagged[0]["tags"], json!(["STRASSE"]));
    // Once nobody uses it any more, the next spelling is the first.
    tag(&alice, &[&first, &second], &[], &["strasse"]).await;
    let tagged = tag(&alice, &[&second], &["STRASSE", "strasse"], &[]).await;
    assert_eq!(tagged[0]["tags"], json!(["STRASSE", "\u{c4}pfel", "ΟΔΟΣ"]));
}

#[apply(each_database!)]
async fn what_is_no_tag_is_refused_and_nothing_is_done(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    let long = "\u{1f431}".repeat(101);
    for wrong in ["", " \u{2003}", "a\0b", &long] {
        for list in ["add", "remove"] {
            let variables = json!({ "ids": [id], "add": ["good"], list: ["fine", wrong] });
            let errors = refused(&alice, TAG, variables).await;
            assert_eq!(errors, json!([["INVALID_TAG", [list, "1"]]]), "{wrong:?}");
        }
    }
    let numbered = |from: usize, to: usize| (from..to).map(|n| format!("t{n}")).collect::<Vec<_>>();
    let errors = refused(&alice, TAG, json!({ "ids": [id], "add": numbered(0, 51) })).await;
    assert_eq!(errors, json!([["INVALID_TAG", ["add"]]]));
    let errors = refused(
        &alice,
        TAG,
        json!({ "ids": [id], "remove": numbered(0, 101) }),
    )
    .await;
    assert_eq!(errors, json!([["TOO_MANY_ITEMS", ["remove"]]]));
    let errors = refused(&alice, TAG, json!({ "ids": vec![&id; 101], "add": ["a"] })).await;
    assert_eq!(errors, json!([["TOO_MANY_ITEMS", ["ids"]]]));
    assert_eq!(tags_of(&alice, &id).await, json!([]));
    assert_eq!(events_of(&alice, &id).await, "CREATED");

    // Fifty tags of a hundred characters.
    let other = alice.create_image().await;
    let longest = |n: usize| format!("{n:02}{}", "\u{1f431}".repeat(98));
    let fifty: Vec<String> = (0..50).map(longest).collect();
    let fifty: Vec<&str> = fifty.iter().map(String::as_str).collect();
    assert_eq!(
        tag(&alice, &[&id], &fifty, &[]).await[0]["tags"],
        json!(fifty)
    );
    let variables = json!({ "ids": [id, "nonsense", other], "add": ["one more", fifty[0]] });
    let errors = refused(&alice, TAG, variables).await;
    let expected = json!([
        ["INVALID_TAG", ["ids", "0"]],
        ["IMAGE_NOT_FOUND", ["ids", "1"]]
    ]);
    assert_eq!(errors, expected);
    assert_eq!(tags_of(&alice, &id).await, json!(fifty));
    assert_eq!(tags_of(&alice, &other).await, json!([fifty[0], "one more"]));
    let exchanged = tag(&alice, &[&id], &["one more"], &[fifty[7]]).await;
    assert_eq!(exchanged[0]["tags"].as_array().map(Vec::len), Some(50));
}

#[apply(each_database!)]
async fn tags_outlive_the_trash_and_go_with_a_purge(app: TestApp) {
    let alice = app.user("alice");
    let ids = [
        alice.create_image().await,
        alice.create_image().await,
        alice.create_image().await,
    ];
    let ids = ids.each_ref().map(String::as_str);
    tag(&alice, &ids, &["cat"], &[]).await;
    run(&alice, "softDeleteImage", ids[0]).await;
    assert_eq!(tags_of(&alice, ids[0]).await, json!(["cat"]));
    let errors = refused(
        &alice,
        TAG,
        json!({ "ids": [ids[0], ids[1]], "add": ["dog"] }),
    )
    .await;
    assert_eq!(errors, json!([["IMAGE_DELETED", ["ids", "0"]]]));
    assert_eq!(tags_of(&alice, ids[1]).await, json!(["cat", "dog"]));
    run(&alice, "restoreImage", ids[0]).await;
    assert_eq!(tags_of(&alice, ids[0]).await, json!(["cat"]));
    assert_eq!(
        events_of(&alice, ids[0]).await,
        "CREATED UPDATED SOFT_DELETED RESTORED"
    );

    run(&alice, "softDeleteImage", ids[0]).await;
    run(&alice, "purgeImage", ids[0]).await;
    assert_eq!(stored(&app).await, "3 0");
    let delete = format!(
        "DELETE FROM image_gallery WHERE image_id = {}",
        literal(&app, ids[1])
    );
    app.db_execute(&delete).await;
    assert_eq!(stored(&app).await, "1 0");
    assert_eq!(
        events_of(&alice, ids[1]).await,
        "CREATED UPDATED UPDATED PURGED"
    );
    // To the trail an image with a new id is another one.
    let other = "44444444-4444-4444-8444-444444444444";
    let (old, new) = (literal(&app, ids[2]), literal(&app, other));
    app.db_execute(&format!(
        "UPDATE image_gallery SET image_id = {new} WHERE image_id = {old}"
    ))
    .await;
    assert_eq!(tags_of(&alice, other).await, json!([]));
    assert_eq!(stored(&app).await, "0 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncate_by_another_application_leaves_no_tags() {
    on_postgres(&[], async |app: TestApp| {
        let alice = app.user("alice");
        tag(&alice, &[&alice.create_image().await], &["cat"], &[]).await;
        app.db_execute("TRUNCATE image_gallery").await;
        assert_eq!(stored(&app).await, "0 0");
    })
    .await;
}

/// Another application's role, which has rights on its own table only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_follow_the_changes_of_a_role_without_rights_on_them() {
    on_postgres(&[], async |app: TestApp| {
        let alice = app.user("alice");
        let [kept, purged] = [alice.create_image().await, alice.create_image().await];
        tag(&alice, &[&kept, &purged], &["cat"], &[]).await;
        let mut connection = app.database().db_connect().await;
        let role = format!("other_{}", uuid::Uuid::new_v4().simple());
        let sql = format!(
            "CREATE ROLE {role}; GRANT SELECT, UPDATE, DELETE ON image_gallery TO {role};
             CREATE POLICY {role} ON image_gallery TO {role} USING (true);
             SET ROLE {role}; SET search_path = pg_catalog;
             UPDATE public.image_gallery SET user_id = 'bob' WHERE image_id = '{kept}';
             DELETE FROM public.image_gallery WHERE image_id = '{purged}';
             RESET ROLE; RESET search_path;
             DROP POLICY {role} ON image_gallery; DROP OWNED BY {role}; DROP ROLE {role}"
        );
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        sqlx::Executor::execute(&mut connection, sql)
            .await
            .expect("it may");
        assert_eq!(tags_of(&app.user("bob"), &kept).await, json!(["cat"]));
        assert_eq!(stored(&app).await, "1 0");
    })
    .await;
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn tags_follow_an_image_to_its_new_owner(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let [given, kept] = [alice.create_image().await, alice.create_image().await];
    let of_bob = bob.create_image().await;
    tag(&alice, &[&given, &kept], &["CAT", "Dog"], &[]).await;
    tag(&bob, &[&of_bob], &["cat"], &[]).await;
    let place = format!("WHERE image_id = {}", literal(&app, &given));
    app.db_execute(&format!("UPDATE image_gallery SET user_id = 'bob' {place}"))
        .await;
    assert_eq!(tags_of(&alice, &given).await, Value::Null);
    assert_eq!(tags_of(&bob, &given).await, json!(["cat", "Dog"]));
    assert_eq!(tags_of(&alice, &kept).await, json!(["CAT", "Dog"]));
    tag(&bob, &[&given], &["bird"], &["dog"]).await;
    assert_eq!(tags_of(&bob, &given).await, json!(["bird", "cat"]));
    assert_eq!(tags_of(&alice, &kept).await, json!(["CAT", "Dog"]));
    // The trail knows who did it.
    let query =
        "{ galleryEvents(types: [UPDATED], last: 1) { nodes { imageId actor image { tags } } } }";
    let data = bob.run(query, json!({})).await;
    let expected =
        json!([{ "imageId": given, "actor": "bob", "image": { "tags": ["bird", "cat"] } }]);
    assert_eq!(data["galleryEvents"]["nodes"], expected);
}

/// Also where several calls use a tag for the first time.
#[apply(each_database!)]
async fn calls_at_the_same_time_lose_no_tag_and_agree_on_its_spelling(app: TestApp) {
    let alice = app.user("alice");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(alice.create_image().await);
    }
    let calls = (0..16).map(|n| {
        let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        ids.rotate_left(n % 4);
        let shared = if n % 2 == 0 { "SHARED" } else { "shared" };
        let add = [format!("own {n:02}"), shared.to_owned()];
        let alice = &alice;
        async move {
            let add = add.each_ref().map(String::as_str);
            // Two images each, so that all calls overlap, and no two have all in common.
            tag(alice, &ids[..2], &add, &[]).await;
        }
    });
    join_all(calls).await;
    let mut spellings = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let tags = tags_of(&alice, id).await;
        let tags = tags.as_array().expect("tags");
        spellings.extend(tags.last().cloned());
        let own = (0..16).filter(|n| n % 4 == place || (n + 1) % 4 == place);
        let own: Vec<Value> = own.map(|n| json!(format!("own {n:02}"))).collect();
        assert_eq!(tags[..tags.len() - 1], own);
    }
    spellings.dedup();
    assert_eq!(spellings.len(), 1, "{spellings:?}");
}
