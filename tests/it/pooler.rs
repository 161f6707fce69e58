//! Through PgBouncer in transaction mode: three sessions shared by all clients, reassigned with each transaction.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row as _};
use uuid::Uuid;

use crate::harness::rows::{Dice, Row, db_insert};
use crate::harness::{
    Program, TestApp, TestDatabase, User, image_url, on_pgbouncer, on_pgbouncer_url, on_postgres,
};

const IMAGE: &str = "id userId refinedPrompt metadata deletedAt";

/// The operations of one client, each with unique values that its responses must contain.
async fn converse(user: User, rounds: usize) {
    for round in 0..rounds {
        let id = Uuid::new_v4().to_string();
        let prompt = format!("{} says {round}", user.id);
        let created = user
            .create(json!({ "imageUrl": image_url(&id), "refinedPrompt": prompt, "metadata": { "own": [user.id, round] } }))
            .await;
        assert_eq!(created["id"], id);
        assert_eq!(created["refinedPrompt"], prompt);
        let query = format!(
            "query($id: ID!, $user: String!, $search: String!, $part: JSON!) {{
                image(id: $id) {{ {IMAGE} }}
                found: images(userId: $user, filter: {{ search: $search }}) {{ nodes {{ id }} totalCount }}
                contained: images(filter: {{ metadataContains: $part }}) {{ nodes {{ id userId }} }}
                galleryStats(userId: $user) {{ activeCount deletedCount }}
                own: images(userId: $user, first: 3) {{ nodes {{ userId }} }}
            }}"
        );
        let variables = json!({
            "id": id, "user": user.id, "search": format!("\"{prompt}\""), "part": { "own": [user.id, round] },
        });
        let data = user.run(&query, variables).await;
        assert_eq!(
            data["image"],
            json!({ "id": id, "userId": user.id, "refinedPrompt": prompt, "metadata": { "own": [user.id, round] }, "deletedAt": null })
        );
        assert_eq!(
            data["found"],
            json!({ "nodes": [{ "id": id }], "totalCount": 1 }),
            "{prompt}"
        );
        assert_eq!(
            data["contained"]["nodes"],
            json!([{ "id": id, "userId": user.id }])
        );
        assert_eq!(
            data["galleryStats"]["activeCount"],
            round + 1,
            "{}",
            user.id
        );
        for image in data["own"]["nodes"].as_array().expect("nodes") {
            assert_eq!(image["userId"], user.id);
        }
        let mutation = format!(
            "mutation($id: ID!, $prompt: String!) {{
                updateImage(input: {{ id: $id, refinedPrompt: $prompt }}) {{ image {{ id refinedPrompt }} }}
                softDeleteImage(id: $id) {{ changed image {{ {IMAGE} }} }}
                restoreImage(id: $id) {{ changed image {{ {IMAGE} }} }}
            }}"
        );
        let later = format!("{prompt} later");
        let data = user
            .run(&mutation, json!({ "id": id, "prompt": later }))
            .await;
        assert_eq!(
            data["updateImage"]["image"],
            json!({ "id": id, "refinedPrompt": later })
        );
        for field in ["softDeleteImage", "restoreImage"] {
            assert_eq!(data[field]["changed"], true);
            assert_eq!(data[field]["image"]["id"], id);
            assert_eq!(data[field]["image"]["refinedPrompt"], later);
        }
        let trail = "query($id: ID!) { image(id: $id) { events(first: 10) { nodes { imageId userId type } } } }";
        let data = user.run(trail, json!({ "id": id })).await;
        let expected: Vec<Value> = ["CREATED", "UPDATED", "SOFT_DELETED", "RESTORED"]
            .map(|kind| json!({ "imageId": id, "userId": user.id, "type": kind }))
            .into();
        assert_eq!(data["image"]["events"]["nodes"], json!(expected));
    }
}

/// All of PgBouncer's sessions at once.
async fn assert_nothing_is_prepared(pooled_url: &str) {
    let options = pooled_url.parse::<PgConnectOptions>().expect("a URL");
    let options = options.extra_float_digits(None);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let mut session = options.connect().await.expect("it answers");
        session.execute("BEGIN").await.expect("there are three");
        let statements = session.fetch_all("SELECT statement FROM pg_prepared_statements");
        let statements = statements.await.expect("it answers");
        let statements: Vec<String> = statements.iter().map(|row| row.get_unchecked(0)).collect();
        assert_eq!(statements, Vec::<String>::new());
        sessions.push(session);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_concurrent_clients_get_their_own_responses() {
    on_pgbouncer(true, &["--database-max-connections=30"], async |app: TestApp| {
        let clients = (0..16).map(|number| {
            let user = app.user(&format!("user{number}"));
            tokio::spawn(converse(user, 6 * Dice::scale()))
        });
        for client in join_all(clients).await {
            client.expect("every answer is right");
        }
        // Proves sharing: PgBouncer has no more than the allowed sessions.
        let sessions = "SELECT count(*)::text FROM pg_stat_activity \
                        WHERE datname = current_database() AND application_name = 'image-gallery' AND query NOT LIKE 'LISTEN%'";
        let sessions = app.db_query_text(sessions).await.expect("a count");
        assert!(sessions.parse::<usize>().expect("a number") <= 3, "{sessions}");
        assert_nothing_is_prepared(&app.setting("--database-url")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paging_batches_sweeps_and_purges_work_as_without_it() {
    on_pgbouncer(true, &[], async |app: TestApp| {
        let rows: Vec<_> = (0..1100).map(|_| Row::new()).collect();
        db_insert(&app, &rows).await;
        let query = "query($after: String) { images(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }";
        let (mut seen, mut after) = (HashSet::new(), Value::Null);
        loop {
            let data = app.run(query, json!({ "after": after })).await;
            for image in data["images"]["nodes"].as_array().expect("nodes") {
                assert!(seen.insert(image["id"].as_str().expect("an id").to_owned()));
            }
            if data["images"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = data["images"]["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(seen.len(), 1100);
        app.db_execute("UPDATE image_gallery SET deleted_at = now()").await;
        let data = app.run("mutation { emptyTrash(all: true) { purgedCount hasMore } }", json!({})).await;
        assert_eq!(data["emptyTrash"], json!({ "purgedCount": 1100, "hasMore": false }));
        let (mut events, mut after) = (0, Value::Null);
        let query = "query($after: String) { galleryEvents(first: 100, after: $after) { nodes { type } pageInfo { hasNextPage endCursor } } }";
        loop {
            let data = app.run(query, json!({ "after": after })).await;
            events += data["galleryEvents"]["nodes"].as_array().expect("nodes").len();
            if data["galleryEvents"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = data["galleryEvents"]["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(events, 3 * 1100);
    })
    .await;
}

/// Follows the trail with server-sent events until one image's event arrives.
async fn follow_until(app: &TestApp, has_begun: impl AsyncFnOnce() -> String) {
    let query = [("query", "subscription { galleryEvents { imageId type } }")];
    let url = url::Url::parse_with_params(&format!("{}/graphql", app.url()), query);
    let response = app
        .client()
        .get(url.expect("a URL"))
        .header("accept", "text/event-stream")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let id = has_begun().await;
    let mut text = String::new();
    while !text.contains(&id) {
        let part = stream.next().await.expect("it goes on").expect("a part");
        text += &String::from_utf8_lossy(&part);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_follow_with_a_direct_url_and_without() {
    for has_direct_url in [true, false] {
        on_pgbouncer(has_direct_url, &[], async |app: TestApp| {
            follow_until(&app, async || app.user("alice").create_image().await).await;
            // A change by another application.
            follow_until(&app, async || {
                let rows = [Row::new()];
                db_insert(&app, &rows).await;
                rows[0].id.to_string()
            })
            .await;
            let listening = "SELECT count(*)::text FROM pg_stat_activity \
                             WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            // The listening connection closes shortly after the last subscriber.
            let listening = app.db_query_text(listening).await;
            if !has_direct_url {
                assert_eq!(listening.as_deref(), Some("0"));
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_use_the_direct_url_or_report_that_it_is_missing() {
    on_pgbouncer(true, &[], async |app: TestApp| {
        let pooled = app.setting("--database-url");
        let through_pooler = || {
            Program::new()
                .with("DATABASE_URL", &pooled)
                .with("DATABASE_POOLER", "transaction")
        };
        let direct = || through_pooler().with("DATABASE_DIRECT_URL", &app.database().url());
        for command in ["up", "down"] {
            let refused = through_pooler().run(&["migrate", command]).await;
            assert_eq!(refused.code, Some(1), "{}", refused.stdout);
            assert!(
                refused.stderr.contains("DATABASE_DIRECT_URL: not set"),
                "{}",
                refused.stderr
            );
            assert_eq!(
                refused.stderr.trim_end().lines().count(),
                1,
                "{}",
                refused.stderr
            );
        }
        let refused = through_pooler()
            .with("AUTO_MIGRATE", "true")
            .run(&["serve", "--port=0"])
            .await;
        assert!(
            refused.stderr.contains("DATABASE_DIRECT_URL: not set"),
            "{}",
            refused.stderr
        );
        // A status is not a migration.
        let status = through_pooler()
            .run(&["migrate", "status"])
            .await
            .expect_success();
        assert!(
            status.contains("applied m0001") && !status.contains("pending"),
            "{status}"
        );
        direct().run(&["migrate", "down"]).await.expect_success();
        let status = through_pooler()
            .run(&["migrate", "status"])
            .await
            .expect_success();
        assert!(status.contains("pending m0001"), "{status}");
        let up = direct().run(&["migrate", "up"]).await.expect_success();
        assert!(up.contains("applied m0001"), "{up}");
        let astray =
            through_pooler().with("DATABASE_DIRECT_URL", "postgres://u:s3cret@127.0.0.1:1/d");
        let astray = astray.run(&["migrate", "up"]).await;
        assert!(
            astray
                .stderr
                .contains("DATABASE_DIRECT_URL, postgres://u@127.0.0.1:1/d: "),
            "{}",
            astray.stderr
        );
        assert!(!astray.stderr.contains("s3cret"), "{}", astray.stderr);
    })
    .await;
}

/// The lock would stay in the pooler's session and block all migrations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_refuse_to_run_through_a_transaction_pooler() {
    on_pgbouncer_url(async |database: TestDatabase, pooled: String| {
        let unnamed = Program::new().with("DATABASE_URL", &pooled);
        let astray = Program::new()
            .with("DATABASE_URL", &pooled)
            .with("DATABASE_POOLER", "transaction")
            .with("DATABASE_DIRECT_URL", &pooled);
        for (program, command) in [(&unnamed, "up"), (&astray, "up"), (&astray, "down")] {
            let refused = program.run(&["migrate", command]).await;
            assert_eq!(refused.code, Some(1), "{}", refused.stdout);
            let said = &refused.stderr;
            assert!(said.contains("pooler in transaction mode") && said.contains("DATABASE_DIRECT_URL"), "{said}");
            let locks = "SELECT count(*)::text FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                         WHERE locktype = 'advisory' AND datname = current_database()";
            assert_eq!(database.db_query_text(locks).await.as_deref(), Some("0"));
        }
    })
    .await;
}

/// Migrations have no request timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_waits_longer_than_a_request_may_is_not_cut_short() {
    on_postgres(&[], async |app: TestApp| {
        let mut other = sqlx::PgConnection::connect(&app.database().url())
            .await
            .expect("it answers");
        other
            .execute("BEGIN; LOCK TABLE image_gallery_trail IN ACCESS SHARE MODE")
            .await
            .expect("nobody holds it");
        let program = Program::new()
            .with("DATABASE_URL", &app.database().url())
            .with("REQUEST_TIMEOUT_SECONDS", "1");
        let release = async {
            // Longer than the request timeout of a second.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            other.execute("COMMIT").await.expect("it answers");
        };
        let (down, ()) = tokio::join!(program.run(&["migrate", "down"]), release);
        down.expect_success();
    })
    .await;
}
