//! `DATABASE_READ_URL`: a streaming standby for requests that ask for it.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use image_gallery::db::Lsn;
use serde_json::{Value, json};

use crate::harness::{
    Fixture, Program, Reply, Standby, TestApp, TestDatabase, eventually, image_url, on_own_cluster,
};

const COUNT: &str = "{ images { totalCount } }";

/// A server with this replica.
async fn with_replica(primary: &TestDatabase, replica_url: &str) -> TestApp {
    let flag = format!("--database-read-url={replica_url}");
    TestApp::set_up(primary.clone(), &[&flag]).await
}

/// Reads from the replica, which must have replayed the position if one is given.
async fn read(app: &TestApp, query: &str, position: Option<&str>) -> Reply {
    let request = app.client().post(format!("{}/graphql", app.url()));
    let mut request = request.header("x-gallery-read", "replica");
    if let Some(position) = position {
        request = request.header("x-gallery-position", position);
    }
    let response = request.json(&json!({ "query": query })).send().await;
    Reply::read(response.expect("the server answers")).await
}

async fn count(app: &TestApp, position: Option<&str>) -> Value {
    read(app, COUNT, position).await.into_data()["images"]["totalCount"].clone()
}

fn position(reply: &Reply) -> Option<String> {
    let position = reply.headers.get("x-gallery-position")?;
    Some(position.to_str().expect("text").to_owned())
}

fn place(position: &str) -> Lsn {
    position.parse().expect("a position")
}

/// Creates an image, and returns its id and its position.
async fn create(app: &TestApp) -> (String, String) {
    let id = uuid::Uuid::new_v4().to_string();
    let mutation = "mutation($input: CreateImageInput!) { createImage(input: $input) { created } }";
    let input = json!({ "userId": "alice", "imageUrl": image_url(&id) });
    let reply = app.graphql(mutation, json!({ "input": input })).await;
    let position = position(&reply).expect("a mutation has a position");
    assert_eq!(reply.into_data()["createImage"]["created"], true);
    (id, position)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_serves_on_request_unless_it_lags_behind() {
    on_own_cluster(&[], &[], async |direct: TestApp| {
        let standby = Standby::of(direct.database()).await;
        let app = with_replica(direct.database(), &standby.database.url()).await;
        standby.pause().await;
        let (first, at_first) = create(&app).await;
        assert_eq!(count(&app, None).await, 0, "the replica does not know it");
        assert_eq!(count(&app, Some(&at_first)).await, 1);
        assert_eq!(count(&app, Some("no position")).await, 1, "what cannot be reached the primary serves");
        let plain = app.graphql(COUNT, json!({})).await;
        assert_eq!(position(&plain), None, "a query has no position");
        assert_eq!(plain.into_data()["images"]["totalCount"], 1);
        standby.resume().await;
        eventually("the replica has it", async || (count(&app, None).await == 1).then_some(())).await;
        standby.pause().await;
        let (_, at_second) = create(&app).await;
        assert!(place(&at_second) > place(&at_first));
        assert_eq!(count(&app, Some(&at_first)).await, 1, "the replica has reached it");
        assert_eq!(count(&app, Some(&at_second)).await, 2);
        // The trail is always read from the primary, and everything else in the request from one database.
        let query = format!(
            "{{ images {{ totalCount nodes {{ id }} }} galleryStats {{ activeCount }} image(id: \"{first}\") {{ id }}
                galleryEvents {{ nodes {{ type }} }} }}"
        );
        let data = read(&app, &query, None).await.into_data();
        assert_eq!(data["images"], json!({ "totalCount": 1, "nodes": [{ "id": first }] }));
        assert_eq!(data["galleryStats"]["activeCount"], 1);
        assert_eq!(data["galleryEvents"]["nodes"].as_array().map(Vec::len), Some(2));
        // Reads in a mutation, and after it in a batch, see the mutation.
        let batch = json!([
            { "query": format!("mutation {{ softDeleteImage(id: \"{first}\") {{ changed image {{ id }} }} }}") },
            { "query": "{ images { totalCount } deletedImages { totalCount } }" },
        ]);
        let request = app.client().post(format!("{}/graphql", app.url()));
        let response = request.header("x-gallery-read", "replica").json(&batch).send().await;
        let reply = Reply::read(response.expect("the server answers")).await;
        let at_third = position(&reply).expect("a mutation has a position");
        assert!(place(&at_third) > place(&at_second));
        assert_eq!(
            reply.body[1]["data"],
            json!({ "images": { "totalCount": 1 }, "deletedImages": { "totalCount": 1 } })
        );
        standby.resume().await;
        app.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_has_not_replayed_the_migrations_costs_no_error() {
    on_own_cluster(&[], &[], async |direct: TestApp| {
        let program = Program::new().with("DATABASE_URL", &direct.database().url());
        program.run(&["migrate", "down"]).await.expect_success();
        let standby = Standby::of(direct.database()).await;
        standby.pause().await;
        let flag = format!("--database-read-url={}", standby.database.url());
        let flags = ["--auto-migrate=false", flag.as_str()];
        let app = TestApp::set_up(direct.database().clone(), &flags).await;
        let reply = read(&app, COUNT, None).await;
        assert_eq!(reply.error_code(), "SERVICE_UNAVAILABLE", "{}", reply.body);
        program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(count(&app, None).await, 0);
        standby.resume().await;
        app.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_away_or_ends_its_sessions_costs_no_error() {
    on_own_cluster(&[], &[], async |direct: TestApp| {
        let away = with_replica(direct.database(), "postgres://nobody:nothing@127.0.0.1:1/nowhere").await;
        create(&away).await;
        assert_eq!(count(&away, None).await, 1);
        away.stop().await;
        let standby = Standby::of(direct.database()).await;
        let app = with_replica(direct.database(), &standby.database.url()).await;
        // The server's sessions are terminated repeatedly, at any point.
        let is_over = AtomicBool::new(false);
        let disturb = async {
            let sql = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                       AND application_name = 'image-gallery'";
            let mut ended = 0;
            while !is_over.load(Ordering::Relaxed) {
                let count = standby.database.db_query_text(sql).await.expect("a count");
                ended += count.parse::<usize>().expect("a number");
            }
            ended
        };
        let ask = async {
            let query = "{ images { totalCount nodes { id } } a: galleryStats { activeCount } b: galleryStats { activeCount } }";
            for _ in 0..40 {
                for reply in join_all((0..8).map(|_| read(&app, query, None))).await {
                    assert_eq!(reply.into_data()["images"]["totalCount"], 1);
                }
            }
            is_over.store(true, Ordering::Relaxed);
        };
        let (ended, ()) = tokio::join!(disturb, ask);
        assert!(ended > 0, "no session was ended");
        drop(standby);
        for _ in 0..10 {
            assert_eq!(count(&app, None).await, 1);
        }
        create(&app).await;
        app.stop().await;
    })
    .await;
}
