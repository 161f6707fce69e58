//! Postgres killed repeatedly under load, and connections that die silently.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use crate::harness::rows::Dice;
use crate::harness::{
    Outage, Reply, TestApp, TestDatabase, Wire, eventually, image_url, on_own_cluster,
    on_own_pooled_cluster, on_postgres,
};

/// How soon everything works again: operations.md.
const SOON: Duration = Duration::from_secs(5);
const CLIENTS: usize = 8;

const CREATE: &str = "mutation($input: CreateImageInput!) { createImage(input: $input) { created image { id } userErrors { code } } }";
const UPDATE: &str = "mutation($id: ID!, $prompt: String!) { updateImage(input: { id: $id, refinedPrompt: $prompt }) { image { id } userErrors { code } } }";

/// Clients that write until they are stopped.
#[derive(Clone)]
struct Load {
    app: TestApp,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

impl Load {
    fn on(app: &TestApp) -> Self {
        Self {
            app: app.clone(),
            is_over: Arc::default(),
            acknowledged: Arc::default(),
        }
    }

    /// Creates images, changes each once, and returns the acknowledged prompts by id. Each image belongs to one client,
    /// so it must have its last acknowledged prompt or one sent later.
    async fn write(self) -> HashMap<String, Vec<String>> {
        let mut prompts: HashMap<String, Vec<String>> = HashMap::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let id = Uuid::new_v4().to_string();
            let input =
                json!({ "userId": "alice", "imageUrl": image_url(&id), "refinedPrompt": "first" });
            if self.is_done(CREATE, json!({ "input": input })).await {
                prompts.insert(id.clone(), vec!["first".to_owned()]);
                if self
                    .is_done(UPDATE, json!({ "id": id, "prompt": "second" }))
                    .await
                {
                    prompts.insert(id, vec!["second".to_owned()]);
                } else {
                    // The result is unknown.
                    prompts.insert(id, vec!["first".to_owned(), "second".to_owned()]);
                }
            }
        }
        prompts
    }

    /// Whether a mutation was acknowledged; otherwise the error must be that the database was unavailable.
    async fn is_done(&self, mutation: &str, variables: Value) -> bool {
        let reply = self.app.graphql(mutation, variables).await;
        if reply.body.get("errors").is_some() {
            assert_eq!(reply.error_code(), "SERVICE_UNAVAILABLE", "{}", reply.body);
            assert_eq!(reply.status, 503, "{}", reply.body);
            return false;
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        reply.into_data();
        true
    }

    /// Waits until each client has succeeded a few times.
    async fn go_on(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        eventually("writes go on", async || {
            let done = self.acknowledged.load(Ordering::Relaxed) - before;
            (done >= 4 * CLIENTS).then_some(())
        })
        .await;
    }
}

async fn is_ready(app: &TestApp) -> bool {
    let response = app
        .client()
        .get(format!("{}/readyz", app.url()))
        .send()
        .await;
    response.expect("the server answers").status() == 200
}

/// Kills Postgres ten times, and compares the stored data with the acknowledged changes.
async fn survives_restarts(app: TestApp) {
    // The harness's clusters commit asynchronously, which is faster, but loses recent changes.
    app.db_execute("ALTER SYSTEM SET synchronous_commit = on")
        .await;
    app.db_execute("SELECT pg_reload_conf()").await;
    let outage = Outage::of(app.database()).await;
    let load = Load::on(&app);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(load.clone().write()))
        .collect();
    for _ in 0..10 * Dice::scale() {
        load.go_on().await;
        let outage = &outage;
        // In the middle of writes; `pg_ctl` would block one of the two threads that they run on.
        tokio::task::block_in_place(|| outage.stop());
        eventually("the outage is told", async || {
            (!is_ready(&app).await).then_some(())
        })
        .await;
        tokio::task::block_in_place(|| outage.start());
        let started = Instant::now();
        eventually("the return is noticed", async || {
            is_ready(&app).await.then_some(())
        })
        .await;
        load.go_on().await;
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
    load.is_over.store(true, Ordering::Relaxed);
    let mut prompts = HashMap::new();
    for client in join_all(clients).await {
        prompts.extend(client.expect("what goes wrong is told"));
    }
    assert_stored(&app, &prompts).await;
}

async fn assert_stored(app: &TestApp, prompts: &HashMap<String, Vec<String>>) {
    let ids: Vec<&String> = prompts.keys().collect();
    for ids in ids.chunks(100) {
        let query =
            "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Image { refinedPrompt } } }";
        let data = app.run(query, json!({ "ids": ids })).await;
        for (id, node) in ids.iter().zip(data["nodes"].as_array().expect("nodes")) {
            assert_eq!(node["id"], **id, "an acknowledged image is lost");
            let prompt = node["refinedPrompt"].as_str().expect("a prompt");
            assert!(
                prompts[*id].iter().any(|possible| possible == prompt),
                "{node}"
            );
        }
    }
    // The trail contains each event once, without gaps in its positions.
    let events = |kind: &str| {
        format!("SELECT count(*)::text FROM image_gallery_event WHERE type = '{kind}'")
    };
    app.run("{ trailCursor }", json!({})).await;
    let created = app.db_query_text(&events("CREATED")).await;
    let rows = app
        .db_query_text("SELECT count(*)::text FROM image_gallery")
        .await;
    assert_eq!(created, rows);
    let gaps = "SELECT (max(position) - count(*))::text FROM image_gallery_event";
    assert_eq!(app.db_query_text(gaps).await.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ten_crashes_of_postgres_under_load_lose_nothing_that_was_acknowledged() {
    on_own_cluster(&[], &[], survives_restarts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ten_crashes_of_postgres_behind_pgbouncer_lose_nothing_that_was_acknowledged() {
    on_own_pooled_cluster(&[], survives_restarts).await;
}

/// A server whose database connections go through a wire.
async fn by_wire(database: TestDatabase, settings: &[&str]) -> (TestApp, Wire) {
    use crate::harness::Fixture;

    let url = url::Url::parse(&database.url()).expect("a URL");
    let port = url.port().expect("a port");
    let wire = Wire::to(([127, 0, 0, 1], port).into()).await;
    let mut wired = url;
    wired.set_port(Some(wire.address().port())).expect("a host");
    let flag = format!("--database-url={wired}");
    let settings = [settings, &[flag.as_str()]].concat();
    (TestApp::set_up(database, &settings).await, wire)
}

const COUNT: &str = "{ images { totalCount } }";

async fn timed(app: &TestApp, query: &str, variables: Value) -> (Reply, Duration) {
    let started = Instant::now();
    let reply = app.graphql(query, variables).await;
    (reply, started.elapsed())
}

#[track_caller]
fn assert_size_limit(reply: &Reply, elapsed: Duration) {
    let code = reply.error_code();
    assert!(
        ["TIMEOUT", "SERVICE_UNAVAILABLE"].contains(&code.as_str()),
        "{}",
        reply.body
    );
    assert!(elapsed < SOON, "{elapsed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silently_dead_connections_are_detected_and_replaced() {
    on_postgres(&[], async |direct: TestApp| {
        let settings = &[
            "--request-timeout-seconds=2",
            "--database-max-connections=6",
        ];
        let (app, wire) = by_wire(direct.database().clone(), settings).await;
        let id = direct.user("alice").create_image().await;
        // All connections of the pool are open and idle.
        let warm = join_all((0..20).map(|_| app.run(COUNT, json!({}))));
        warm.await;
        // All connections of the pool execute a statement.
        let mut other = sqlx::PgConnection::connect(&direct.database().url())
            .await
            .expect("it answers");
        let lock = "BEGIN; SELECT 1 FROM image_gallery FOR UPDATE";
        other.execute(lock).await.expect("the row is free");
        let mutation = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
        let waiting = (0..6).map(|_| {
            let (app, id) = (app.clone(), id.clone());
            tokio::spawn(async move { timed(&app, mutation, json!({ "id": id })).await })
        });
        let waiting: Vec<_> = waiting.collect();
        let waiters = "SELECT 1::text FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' HAVING count(*) = 6";
        eventually("they wait for the lock", async || {
            direct.db_query_text(waiters).await
        })
        .await;
        wire.cut();
        for reply in join_all(waiting).await {
            let (reply, elapsed) = reply.expect("it ends");
            assert_size_limit(&reply, elapsed);
        }
        for (reply, elapsed) in join_all((0..12).map(|_| timed(&app, COUNT, json!({})))).await {
            assert_size_limit(&reply, elapsed);
        }
        other.execute("ROLLBACK").await.expect("it answers");
        wire.repair();
        let with_remedy = Instant::now();
        eventually("it works again", async || {
            let reply = app.graphql(COUNT, json!({})).await;
            (reply.status == 200 && reply.body.get("errors").is_none()).then_some(())
        })
        .await;
        assert!(with_remedy.elapsed() < SOON, "{:?}", with_remedy.elapsed());
        for (reply, _) in join_all((0..20).map(|_| timed(&app, COUNT, json!({})))).await {
            reply.into_data();
        }
        app.stop().await;
    })
    .await;
}

/// No requests while the wire is cut: the first one afterwards finds only dead connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_idle_connections_delay_requests_only_briefly() {
    on_postgres(&[], async |direct: TestApp| {
        let (app, wire) =
            by_wire(direct.database().clone(), &["--database-max-connections=6"]).await;
        join_all((0..20).map(|_| app.run(COUNT, json!({})))).await;
        wire.cut();
        wire.repair();
        for _ in 0..12 {
            let (reply, elapsed) = timed(&app, COUNT, json!({})).await;
            reply.into_data();
            assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
        }
        app.stop().await;
    })
    .await;
}
