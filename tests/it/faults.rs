//! Tests the server while its database is stopped, frozen, locked or inconsistent, and its recovery.

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{
    Outage, Program, Reply, TestApp, TestDatabase, each_database, on_own_cluster, on_postgres,
    on_sqlite,
};

/// How soon an outage is reported, and how soon the server recovers: operations.md.
const SOON: Duration = Duration::from_secs(5);
const COUNT: &str = "{ images { totalCount } }";

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client.build().expect("a client")
}

/// One POST request, or a GET without a document.
async fn request(url: &str, path: &str, document: Option<&str>) -> Reply {
    request_by(&client(), url, path, document).await
}

/// Creating a client takes time that must not be measured.
async fn request_by(
    client: &reqwest::Client,
    url: &str,
    path: &str,
    document: Option<&str>,
) -> Reply {
    let request = match document {
        Some(document) => client
            .post(format!("{url}{path}"))
            .json(&json!({ "query": document })),
        None => client.get(format!("{url}{path}")),
    };
    Reply::read(request.send().await.expect("the server answers")).await
}

async fn graphql(url: &str, document: &str) -> Reply {
    request(url, "/graphql", Some(document)).await
}

async fn ready(url: &str) -> Reply {
    request(url, "/readyz", None).await
}

#[track_caller]
fn assert_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.body);
    for error in reply.body["errors"].as_array().expect("errors") {
        assert_eq!(
            error["extensions"]["code"], "SERVICE_UNAVAILABLE",
            "{}",
            reply.body
        );
    }
    let retry_after = reply.headers["retry-after"].to_str().expect("text");
    assert!(
        retry_after.parse::<u32>().is_ok_and(|seconds| seconds > 0),
        "{retry_after}"
    );
    assert!(reply.body.get("data").is_none_or(|data| {
        data.is_null()
            || data
                .as_object()
                .is_some_and(|data| data.values().all(Value::is_null))
    }));
    assert_leaks_nothing(reply);
}

/// Asserts that SQL, hosts, paths and driver details do not leak.
#[track_caller]
fn assert_leaks_nothing(reply: &Reply) {
    let mut body = reply.body.clone();
    for error in body["errors"].as_array_mut().expect("errors") {
        // GraphQL errors contain `column` as well, and names from the request.
        let error = error.as_object_mut().expect("an object");
        error.retain(|key, _| key != "locations" && key != "path");
    }
    let text = body.to_string().to_lowercase();
    for word in [
        "select",
        "insert",
        "image_gallery",
        "column",
        "relation",
        "sqlx",
        "sqlite",
        "postgres",
        "127.0.0.1",
        "/tmp",
        "pool",
        "refused",
        "password",
        "os error",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

/// Asserts that concurrent requests of all kinds fail in time.
async fn assert_away(app: &TestApp, id: &str) {
    let url = app.url();
    let query = format!(r#"{{ node(id: "{id}") {{ id }} image(id: "{id}") {{ id }} }}"#);
    let lists = format!(
        r#"{{ nodes(ids: ["{id}"]) {{ id }} deletedImages {{ nodes {{ id }} }} galleryEvents {{ nodes {{ id }} }} }}"#
    );
    let mutation = format!(r#"mutation {{ softDeleteImage(id: "{id}") {{ changed }} }}"#);
    let client = client();
    let timed = async |document: &str| {
        let started = Instant::now();
        let reply = request_by(&client, &url, "/graphql", Some(document)).await;
        assert!(
            started.elapsed() < SOON,
            "{:?} for {document}",
            started.elapsed()
        );
        assert_unavailable(&reply);
    };
    let readiness = async {
        let started = Instant::now();
        let reply = request_by(&client, &url, "/readyz", None).await;
        assert!(
            started.elapsed() < SOON,
            "{:?} for /readyz",
            started.elapsed()
        );
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert_leaks_no_hosts(&reply);
    };
    tokio::join!(
        timed(COUNT),
        timed(&query),
        timed(&lists),
        timed(&mutation),
        readiness
    );
    assert_eq!(request(&url, "/healthz", None).await.status, 200);
    // Needs no database.
    assert_eq!(graphql(&url, "{ __typename }").await.status, 200);
}

#[track_caller]
fn assert_leaks_no_hosts(reply: &Reply) {
    let text = reply.body.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains('/'), "{text}");
}

/// Asserts the recovery in time, without a restart.
async fn assert_recovers(app: &TestApp) {
    let url = app.url();
    let started = Instant::now();
    loop {
        let (reply, ready) = tokio::join!(graphql(&url, COUNT), ready(&url));
        if reply.status == 200 && ready.status == 200 {
            assert_eq!(reply.into_data(), json!({ "images": { "totalCount": 1 } }));
            break;
        }
        assert!(started.elapsed() < SOON, "{}", reply.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Enough to use all connections of the pool.
    let many = futures_util::future::join_all((0..30).map(|_| graphql(&url, COUNT)));
    for reply in many.await {
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_database_is_reported_until_it_is_back() {
    on_own_cluster(&[], &[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let outage = Outage::of(app.database()).await;
        for _ in 0..2 {
            // The harness's clusters commit asynchronously: a crash would lose recent changes.
            app.db_execute("CHECKPOINT").await;
            outage.stop();
            assert_away(&app, &id).await;
            assert_away(&app, &id).await;
            outage.start();
            assert_recovers(&app).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_database_is_reported_until_it_is_back() {
    on_own_cluster(&[], &[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let outage = Outage::of(app.database()).await;
        outage.freeze();
        assert_away(&app, &id).await;
        // By now all connections of the pool are waiting or closed.
        futures_util::future::join_all((0..15).map(|_| assert_away(&app, &id))).await;
        outage.thaw();
        // Requests sent before the freeze may be executed after it, including the mutation.
        app.graphql(
            "mutation($id: ID!) { restoreImage(id: $id) { changed } }",
            json!({ "id": id }),
        )
        .await;
        assert_recovers(&app).await;
    })
    .await;
}

async fn assert_reported_until_migrated(database: TestDatabase) {
    let url = database.url();
    let program = Program::new()
        .with("DATABASE_URL", &url)
        .with("AUTO_MIGRATE", "false");
    let server = program.serve().await;
    let address = format!("http://{}", server.address());
    for document in [COUNT, "mutation { softDeleteImage(id: \"x\") { changed } }"] {
        let reply = graphql(&address, document).await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert_eq!(reply.error_code(), "SERVICE_UNAVAILABLE");
        assert!(reply.headers.contains_key("retry-after"));
        assert!(
            reply.body.to_string().contains("image-gallery migrate up"),
            "{}",
            reply.body
        );
    }
    let reply = ready(&address).await;
    assert_eq!(reply.status, 503);
    assert!(
        reply.body.to_string().contains("image-gallery migrate up"),
        "{}",
        reply.body
    );
    assert_eq!(request(&address, "/healthz", None).await.status, 200);
    program.run(&["migrate", "up"]).await.expect_success();
    assert_eq!(ready(&address).await.status, 200);
    assert_eq!(
        graphql(&address, COUNT).await.into_data(),
        json!({ "images": { "totalCount": 0 } })
    );
    server.terminate();
    let log = server.output().await;
    assert!(
        log.stderr.contains("image-gallery migrate up"),
        "{}",
        log.stderr
    );
}

#[apply(each_database!)]
async fn pending_migrations_are_reported_until_they_have_run(database: TestDatabase) {
    assert_reported_until_migrated(database).await;
}

#[apply(each_database!)]
async fn migrations_reverted_by_another_process_are_reported(app: TestApp) {
    let program = Program::new().with("DATABASE_URL", &app.database().url());
    let id = app.user("alice").create_image().await;
    // The migrations add the prompt's column.
    let image = format!("{{ image(id: \"{id}\") {{ id originalPrompt }} }}");
    let mutation = format!("mutation {{ softDeleteImage(id: \"{id}\") {{ changed }} }}");
    for is_asked_first in [false, true] {
        assert_eq!(ready(&app.url()).await.status, 200);
        program.run(&["migrate", "down"]).await.expect_success();
        if is_asked_first {
            assert_eq!(ready(&app.url()).await.status, 503);
        }
        for document in [&image, COUNT, &mutation] {
            let reply = graphql(&app.url(), document).await;
            assert_eq!(reply.status, 503, "{}", reply.body);
            assert_eq!(reply.error_code(), "SERVICE_UNAVAILABLE", "{document}");
            assert!(
                reply.body.to_string().contains("image-gallery migrate up"),
                "{}",
                reply.body
            );
        }
        assert_eq!(ready(&app.url()).await.status, 503);
        program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(app.run(COUNT, json!({})).await["images"]["totalCount"], 1);
    }
}

#[apply(each_database!)]
async fn a_database_newer_than_the_program_is_served(app: TestApp) {
    app.db_execute(
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_from_the_future', 1)",
    )
    .await;
    app.restart().await;
    assert_eq!(ready(&app.url()).await.status, 200);
    assert_eq!(app.run(COUNT, json!({})).await["images"]["totalCount"], 0);
    let program = Program::new().with("DATABASE_URL", &app.database().url());
    let status = program.run(&["migrate", "status"]).await.expect_success();
    assert!(
        status.contains("applied m0001") && !status.contains("pending"),
        "{status}"
    );
    let up = program.run(&["migrate", "up"]).await.expect_success();
    assert!(up.contains("nothing is pending"), "{up}");
    let kept = app
        .db_query_text(
            "SELECT version FROM seaql_migrations WHERE version = 'm9999_from_the_future'",
        )
        .await;
    assert!(kept.is_some());
}

#[apply(each_database!)]
async fn database_errors_are_logged_but_not_returned(app: TestApp) {
    let alice = app.user("alice");
    let id = alice.create_image().await;
    app.db_execute("ALTER TABLE image_gallery RENAME TO image_gallery_gone")
        .await;
    let input = json!({ "userId": "alice", "imageUrl": crate::harness::image_url(&id) });
    for (document, variables) in [
        (COUNT, json!({})),
        ("{ galleryStats { activeCount } }", json!({})),
        (
            "query($id: ID!) { node(id: $id) { id } }",
            json!({ "id": id }),
        ),
        (
            "query($id: ID!) { image(id: $id) { id } }",
            json!({ "id": id }),
        ),
        (
            "query($id: ID!) { nodes(ids: [$id]) { id } }",
            json!({ "id": id }),
        ),
        (
            "mutation($id: ID!) { purgeImage(id: $id) { changed } }",
            json!({ "id": id }),
        ),
        (
            "mutation($id: ID!) { updateImage(input: { id: $id, intent: EDIT }) { image { id } } }",
            json!({ "id": id }),
        ),
        (
            "mutation($input: CreateImageInput!) { createImage(input: $input) { created } }",
            json!({ "input": input }),
        ),
        (
            "mutation { emptyTrash(all: true) { purgedCount } }",
            json!({}),
        ),
    ] {
        let reply = app.graphql(document, variables).await;
        assert_eq!(reply.status, 200, "{document}");
        assert_eq!(reply.error_code(), "INTERNAL_SERVER_ERROR", "{document}");
        let request_id = reply.headers["x-request-id"].to_str().expect("text");
        assert_eq!(
            reply.body["errors"][0]["extensions"]["requestId"], request_id,
            "{document}"
        );
        assert_leaks_nothing(&reply);
    }
    app.db_execute("ALTER TABLE image_gallery_gone RENAME TO image_gallery")
        .await;
    assert_eq!(app.run(COUNT, json!({})).await["images"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_error_is_in_the_log_under_its_requests_id() {
    on_postgres(&[], async |app: TestApp| {
        let program = Program::new().with("DATABASE_URL", &app.database().url());
        let server = program.serve().await;
        app.db_execute("ALTER TABLE image_gallery DROP COLUMN metadata")
            .await;
        let reply = graphql(
            &format!("http://{}", server.address()),
            "{ images { nodes { metadata } } }",
        )
        .await;
        assert_eq!(reply.error_code(), "INTERNAL_SERVER_ERROR");
        assert_leaks_nothing(&reply);
        ready(&format!("http://{}", server.address())).await;
        server.terminate();
        let log = server.output().await.stderr;
        let request_id = reply.headers["x-request-id"].to_str().expect("text");
        let line = log
            .lines()
            .find(|line| line.contains("ERROR") && line.contains(request_id));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("metadata"), "{log}");
        assert_eq!(line.matches(request_id).count(), 1, "{line}");
        let operations: Vec<_> = (log.lines())
            .filter(|line| line.contains("operation failed"))
            .collect();
        assert_eq!(operations.len(), 1, "{log}");
        assert!(operations[0].contains(request_id), "{log}");
        // Probes are frequent.
        assert!(!log.contains("/readyz"), "{log}");
    })
    .await;
}

/// Holds SQLite's write lock like another process, until the connection is dropped.
async fn lock(app: &TestApp) -> sqlx::SqliteConnection {
    use sqlx::{Connection, Executor};

    let mut connection = sqlx::SqliteConnection::connect(&app.database().url())
        .await
        .expect("the file opens");
    connection
        .execute("BEGIN IMMEDIATE")
        .await
        .expect("the lock is free");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_writes_to_sqlite_reads_work_and_writes_wait() {
    on_sqlite(&[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let lock = lock(&app).await;
        let delete = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
        let writer = tokio::spawn({
            let (app, id) = (app.clone(), id.clone());
            async move { app.run(delete, json!({ "id": id })).await }
        });
        let started = Instant::now();
        for _ in 0..20 {
            assert_eq!(app.run(COUNT, json!({})).await["images"]["totalCount"], 1);
        }
        assert_eq!(ready(&app.url()).await.status, 200);
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
        assert!(!writer.is_finished());
        drop(lock);
        assert_eq!(
            writer.await.expect("it ends")["softDeleteImage"]["changed"],
            true
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_too_long_for_sqlite_is_unavailable() {
    on_sqlite(&[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let lock = lock(&app).await;
        let delete = format!(r#"mutation {{ softDeleteImage(id: "{id}") {{ changed }} }}"#);
        let url = app.url();
        let started = Instant::now();
        let writers = (0..5).map(|_| graphql(&url, &delete));
        for reply in futures_util::future::join_all(writers).await {
            assert_unavailable(&reply);
        }
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        drop(lock);
        let reply = graphql(&url, &delete).await;
        assert_eq!(reply.into_data()["softDeleteImage"]["changed"], true);
    })
    .await;
}
