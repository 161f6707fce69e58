//! Which changes create events, and which do not.

use std::collections::BTreeSet;
use std::time::Instant;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{change, happened, trail, types};
use crate::harness::rows::{Row, db_insert, id_literal};
use crate::harness::{TestApp, TestDatabase, each_database, image_url, on_postgres};

fn literal(app: &TestApp, id: &str) -> String {
    id_literal(app, id.parse().expect("a UUID"))
}

fn pair(kind: &str, id: &str) -> (String, String) {
    (kind.to_owned(), id.to_owned())
}

#[apply(each_database!)]
async fn every_mutation_creates_its_event(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    let update = "mutation($id: ID!) { updateImage(input: { id: $id, refinedPrompt: \"a cat\" }) { userErrors { code } } }";
    app.run(update, json!({ "id": id })).await;
    // No change.
    app.run(update, json!({ "id": id })).await;
    app.run("mutation($url: URL!) { createImage(input: { userId: \"alice\", imageUrl: $url }) { created } }", json!({ "url": image_url(&id) })).await;
    change(&app, "softDeleteImage", &id).await;
    change(&app, "restoreImage", &id).await;
    change(&app, "softDeleteImage", &id).await;
    change(&app, "purgeImage", &id).await;
    let events = trail(&app).await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(
        kinds,
        [
            "CREATED",
            "UPDATED",
            "SOFT_DELETED",
            "RESTORED",
            "SOFT_DELETED",
            "PURGED"
        ]
    );
    for event in &events {
        assert_eq!(
            (&event["imageId"], &event["userId"]),
            (&json!(id), &json!("alice"))
        );
        assert_eq!(
            (&event["imageUrl"], &event["actor"]),
            (&json!(image_url(&id)), &Value::Null)
        );
        let instant = event["occurredAt"].as_str().expect("an instant");
        assert!(instant.len() == 27 && instant.ends_with('Z'), "{instant}");
    }
    for field in ["id", "cursor"] {
        let distinct: BTreeSet<_> = events.iter().map(|event| event[field].as_str()).collect();
        assert_eq!(distinct.len(), events.len(), "{field}");
    }
}

#[apply(each_database!)]
async fn changes_of_other_applications_are_captured(app: TestApp) {
    let row = Row::new();
    db_insert(&app, std::slice::from_ref(&row)).await;
    let id = row.id.to_string();
    let place = format!("WHERE image_id = {}", literal(&app, &id));
    for set in [
        "intent = 'EDIT'",
        // These change no stored value.
        "intent = 'EDIT'",
        "updated_at = '2030-01-01T00:00:00.000000Z'",
        "deleted_at = '2030-01-01T00:00:00.000000Z', intent = NULL",
        "deleted_at = '2030-01-02T00:00:00.000000Z'",
        "deleted_at = NULL",
    ] {
        app.db_execute(&format!("UPDATE image_gallery SET {set} {place}"))
            .await;
    }
    app.db_execute(&format!("DELETE FROM image_gallery {place}"))
        .await;
    assert_eq!(
        types(&app).await,
        [
            "CREATED",
            "UPDATED",
            "SOFT_DELETED",
            "UPDATED",
            "RESTORED",
            "PURGED"
        ]
    );
    assert_eq!(trail(&app).await[0]["actor"], Value::Null);
}

#[apply(each_database!)]
async fn rolled_back_changes_are_not_in_the_trail(app: TestApp) {
    let id = app.user("alice").create_image().await;
    app.db_execute(
        "BEGIN; UPDATE image_gallery SET intent = 'edit'; DELETE FROM image_gallery; ROLLBACK",
    )
    .await;
    change(&app, "softDeleteImage", &id).await;
    assert_eq!(
        happened(&app).await,
        [pair("CREATED", &id), pair("SOFT_DELETED", &id)]
    );
}

#[apply(each_database!)]
async fn one_statement_creates_an_event_per_changed_row(app: TestApp) {
    let rows: Vec<Row> = (0..250).map(|_| Row::new()).collect();
    db_insert(&app, &rows).await;
    app.db_execute("UPDATE image_gallery SET intent = 'edit'")
        .await;
    app.db_execute("DELETE FROM image_gallery").await;
    let expected: BTreeSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let happened = happened(&app).await;
    for (place, kind) in ["CREATED", "UPDATED", "PURGED"].iter().enumerate() {
        let part = &happened[place * 250..][..250];
        assert!(part.iter().all(|(found, _)| found == kind), "{kind}");
        assert_eq!(
            part.iter()
                .map(|(_, id)| id.clone())
                .collect::<BTreeSet<_>>(),
            expected,
            "{kind}"
        );
    }
    assert_eq!(happened.len(), 750);
}

#[apply(each_database!)]
async fn a_change_of_owner_is_reported_to_the_new_owner_only(app: TestApp) {
    let id = app.user("alice").create_image().await;
    app.db_execute("UPDATE image_gallery SET user_id = 'bob'")
        .await;
    let query = "query($user: String) { galleryEvents(userId: $user) { nodes { type userId } } }";
    let of = async |user: &str| {
        app.run(query, json!({ "user": user })).await["galleryEvents"]["nodes"].take()
    };
    assert_eq!(
        of("alice").await,
        json!([{ "type": "CREATED", "userId": "alice" }])
    );
    assert_eq!(
        of("bob").await,
        json!([{ "type": "UPDATED", "userId": "bob" }])
    );
    // Only under its present owner.
    let query = "query($id: ID!) { image(id: $id) { events { nodes { type } } } }";
    let data = app.run(query, json!({ "id": id })).await;
    assert_eq!(
        data["image"]["events"]["nodes"],
        json!([{ "type": "UPDATED" }])
    );
}

#[apply(each_database!)]
async fn a_changed_id_is_a_purge_and_a_creation(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let new = Uuid::new_v4().to_string();
    app.db_execute(&format!(
        "UPDATE image_gallery SET image_id = {}",
        literal(&app, &new)
    ))
    .await;
    let mut happened = happened(&app).await;
    happened[1..].sort();
    assert_eq!(
        happened,
        [
            pair("CREATED", &id),
            pair("CREATED", &new),
            pair("PURGED", &id)
        ]
    );
}

#[apply(each_database!)]
async fn ten_thousand_rows_in_one_statement_are_captured_at_set_speed(app: TestApp) {
    let started = Instant::now();
    let series = match app.database() {
            TestDatabase::Sqlite(_) => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                INSERT INTO image_gallery (image_id, user_id, image_url, metadata, created_at, updated_at)
                SELECT randomblob(16), 'alice', 'x', '{}', '2026-01-15T10:30:00.000000Z', '2026-01-15T10:30:00.000000Z' FROM n",
            TestDatabase::Postgres(_) => "INSERT INTO image_gallery (image_id, user_id, image_url, metadata, created_at, updated_at)
                SELECT gen_random_uuid(), 'alice', 'x', '{}', now(), now() FROM generate_series(1, 10000)",
        };
    app.db_execute(series).await;
    let written = started.elapsed();
    let data = app.run("{ galleryEvents(last: 1) { nodes { type } pageInfo { hasPreviousPage } } trailCursor }", json!({})).await;
    eprintln!(
        "10,000 rows: {written:?}, read after {:?}",
        started.elapsed()
    );
    assert_eq!(
        data["galleryEvents"],
        json!({ "nodes": [{ "type": "CREATED" }], "pageInfo": { "hasPreviousPage": true } })
    );
    let count = app.db_query_text("SELECT CAST(count(DISTINCT position) AS text) FROM image_gallery_event WHERE position BETWEEN 1 AND 10000").await;
    assert_eq!(count.as_deref(), Some("10000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_table_purges_every_image() {
    on_postgres(&[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        app.db_execute("TRUNCATE image_gallery").await;
        assert_eq!(
            happened(&app).await,
            [pair("CREATED", &id), pair("PURGED", &id)]
        );
    })
    .await;
}

/// The Django application's role, on an adopted table with an additional column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_privileges_on_the_trail_creates_events() {
    on_postgres(&[], async |app: TestApp| {
        let name = app
            .db_query_text("SELECT current_database()::text")
            .await
            .expect("a name");
        app.db_execute(&format!(
            "ALTER TABLE image_gallery ADD COLUMN actor json;
             ALTER TABLE image_gallery DISABLE ROW LEVEL SECURITY;
             CREATE ROLE {name}; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON image_gallery TO {name}"
        ))
        .await;
        let id = Uuid::new_v4();
        // Objects that a session creates do not replace the trail's own.
        app.db_execute(&format!(
            "CREATE TEMPORARY TABLE image_gallery_event (type text);
             SET ROLE {name};
             SET search_path = pg_temp, public;
             INSERT INTO public.image_gallery (image_id, user_id, image_url, metadata, created_at, updated_at, actor)
                VALUES ('{id}', 'alice', 'x', '{{}}', now(), now(), '{{}}');
             UPDATE public.image_gallery SET metadata = '{{\"a\": 1}}', actor = '[]';
             UPDATE public.image_gallery SET actor = '[1]';
             DELETE FROM public.image_gallery;
             TRUNCATE public.image_gallery"
        ))
        .await;
        assert_eq!(types(&app).await, ["CREATED", "UPDATED", "PURGED"]);
        for table in ["image_gallery_event", "image_gallery_trail"] {
            let sql = format!("SELECT has_table_privilege('{name}', '{table}', 'SELECT')::text");
            assert_eq!(app.db_query_text(&sql).await.as_deref(), Some("false"), "{table}");
            let sql = format!("SELECT relrowsecurity::text FROM pg_class WHERE oid = '{table}'::regclass");
            assert_eq!(app.db_query_text(&sql).await.as_deref(), Some("true"), "{table}");
        }
        let callable = format!(
            "SELECT string_agg(proname, ' ') FROM pg_proc WHERE proname LIKE 'image\\_gallery\\_%\\_events'
             AND has_function_privilege('{name}', oid, 'EXECUTE')"
        );
        assert_eq!(app.db_query_text(&callable).await, None);
        app.db_execute(&format!("DROP OWNED BY {name}")).await;
    })
    .await;
}
