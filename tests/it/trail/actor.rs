//! The actor: recorded in the transaction, and reset afterwards.

use image_gallery::config::Settings;
use image_gallery::db::{Database, Error};
use macro_rules_attribute::apply;
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::trail;
use crate::harness::{TestApp, each_database};

/// Runs a statement as an actor.
async fn write(
    database: &Database,
    actor: Option<&str>,
    sql: &'static str,
    fails: bool,
) -> Result<(), Error> {
    database
        .write(actor, move |unit| {
            Box::pin(async move {
                unit.execute_unprepared(sql).await?;
                if fails {
                    return Err(DbErr::Custom("it is rolled back".to_owned()).into());
                }
                Ok(())
            })
        })
        .await
}

#[apply(each_database!)]
async fn changes_record_their_actor_and_no_other(app: TestApp) {
    app.user("alice").create_image().await;
    let url = format!("--database-url={}", app.database().url());
    // One connection, so that the next transaction would see what one leaves behind.
    let settings =
        Settings::from_arguments([url.as_str(), "--database-max-connections=1"]).expect("settings");
    let database = Database::connect(&settings.database().expect("a database"))
        .await
        .expect("it answers");
    let edit = "UPDATE image_gallery SET intent = 'edit'";
    let enhance = "UPDATE image_gallery SET intent = 'enhance'";
    write(&database, Some("worker 'w' Č"), edit, false)
        .await
        .expect("it is written");
    write(&database, None, enhance, false)
        .await
        .expect("it is written");
    write(&database, Some("worker"), edit, true)
        .await
        .expect_err("it is rolled back");
    write(&database, None, edit, false)
        .await
        .expect("it is written");
    app.db_execute(enhance).await;
    let actors: Vec<Value> = trail(&app)
        .await
        .iter()
        .map(|event| event["actor"].clone())
        .collect();
    assert_eq!(
        json!(actors),
        json!([null, "worker 'w' Č", null, null, null])
    );
    database.close().await;
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn the_trail_records_authenticated_users(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let purge = "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }";
    app.worker().run(purge, json!({ "id": id })).await;
    let query = "{ galleryEvents { nodes { type actor } } }";
    let expected =
        json!([{ "type": "CREATED", "actor": "alice" }, { "type": "PURGED", "actor": "worker" }]);
    for user in [app.user("alice"), app.worker()] {
        assert_eq!(
            user.run(query, json!({})).await["galleryEvents"]["nodes"],
            expected
        );
    }
    // Purged for her, as the trail shows; for him it never existed.
    for (user, expected) in [
        (
            app.user("alice"),
            json!({ "changed": false, "purgedId": id, "userErrors": [] }),
        ),
        (
            app.user("bob"),
            json!({ "changed": false, "purgedId": null, "userErrors": [{ "code": "IMAGE_NOT_FOUND" }] }),
        ),
    ] {
        let purge =
            "mutation($id: ID!) { purgeImage(id: $id) { changed purgedId userErrors { code } } }";
        assert_eq!(
            user.run(purge, json!({ "id": id })).await["purgeImage"],
            expected
        );
    }
}
