//! A real Django project (`tests/django`), whose own migrations created the table, and which is unaware of this server.

use std::collections::HashMap;

use serde_json::json;

use crate::harness::{Django, TestDatabase, on_postgres};

use super::{ALL_INDEXES, TABLE, count, indexes, program, schema};

/// The events of each image, in order.
type Histories = HashMap<String, Vec<String>>;

fn histories(changes: impl IntoIterator<Item = (String, String)>) -> Histories {
    let mut histories = Histories::new();
    for (kind, id) in changes {
        histories.entry(id).or_default().push(kind);
    }
    histories
}

/// The events of the trail after one event.
async fn events_after(database: &TestDatabase, sequence: i64) -> Histories {
    let events = format!(
        "SELECT json_agg(json_build_array(type, image_id) ORDER BY sequence)::text
         FROM image_gallery_event WHERE sequence > {sequence}"
    );
    let events = database.db_query_text(&events).await;
    let events: Vec<(String, String)> =
        serde_json::from_str(&events.expect("events")).expect("pairs");
    histories(events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_keeps_writing_during_the_adoption_and_the_trail_is_complete() {
    on_postgres(&[], async |database: TestDatabase| {
        let Some(django) = Django::on(&database).await else {
            return;
        };
        let mut writer = django.write();
        writer.go(40);
        let rows = count(&database, "image_gallery").await;
        assert!(rows > 0);

        let program = program(&database);
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains(&format!("with {rows} row")), "{status}");
        let mut migration = program.start(&["migrate", "up"]);
        while migration.is_running() {
            writer.go(3);
        }
        migration.output().await.expect_success();
        assert_eq!(indexes(&database).await, ALL_INDEXES);

        // The migration is applied: from here on the trail is complete.
        let last = "SELECT coalesce(max(sequence), 0)::text FROM image_gallery_event";
        let last = database.db_query_text(last).await.expect("a number");
        let changes = writer.go(150);
        let told = events_after(&database, last.parse().expect("a number")).await;
        assert_eq!(told, histories(changes));

        // Concurrently; Django and the server see each other's changes.
        let server = program.serve().await;
        let create = json!({
            "query": "mutation { createImage(input: { userId: \"alice\", originalPrompt: \"a cat\", metadata: { by: \"server\" },
                imageUrl: \"https://res.cloudinary.com/demo/image/upload/3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b.png\" }) { created } }"
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("http://{}/graphql", server.address());
        let reply = client.post(&url).json(&create).send().await.expect("an answer");
        let reply: serde_json::Value = reply.json().await.expect("JSON");
        assert_eq!(reply["data"]["createImage"]["created"], true, "{reply}");
        let seen = django.manage(&["show_image", "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"]);
        assert_eq!(seen.trim(), r#"alice {"by": "server"}"#);
        writer.go(20);
        let count_of_all = json!({ "query": "{ images { totalCount } deletedImages { totalCount } }" });
        let reply = client.post(&url).json(&count_of_all).send().await.expect("an answer");
        let reply: serde_json::Value = reply.json().await.expect("JSON");
        let total = |list: &str| reply["data"][list]["totalCount"].as_i64().expect("a number");
        let rows = count(&database, "image_gallery").await;
        assert_eq!(total("images") + total("deletedImages"), rows, "{reply}");

        // After `migrate down`, Django continues to work on its own table.
        let mut migration = program.start(&["migrate", "down"]);
        while migration.is_running() {
            writer.go(3);
        }
        migration.output().await.expect_success();
        writer.go(20);
        django.manage(&["makemigrations", "--check", "--dry-run"]);
        django.manage(&["migrate", "--check"]);
    })
    .await;
}

/// The table that other tests create by hand is identical to Django's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_the_tests_is_identical_to_djangos() {
    on_postgres(&[], async |database: TestDatabase| {
        let Some(_django) = Django::on(&database).await else {
            return;
        };
        let columns = |schema: String| -> Vec<String> {
            let lines = schema
                .lines()
                .filter(|line| line.starts_with("image_gallery."));
            lines.map(str::to_owned).collect()
        };
        let made_by_django = columns(schema(&database).await);
        database
            .db_execute(&format!("DROP TABLE image_gallery; {TABLE}"))
            .await;
        assert_eq!(columns(schema(&database).await), made_by_django);
    })
    .await;
}
