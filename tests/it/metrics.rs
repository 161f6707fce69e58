//! `/metrics`: counters, gauges and access, and the log line of each operation.

#![expect(clippy::float_cmp, reason = "what is counted is whole")]

use std::collections::BTreeMap;

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::rows::db_fill_trash;
use crate::harness::token::user_authorization;
use crate::harness::{Program, Socket, TestApp, each_database, eventually, on_postgres, on_sqlite};

/// The samples of a page, by name and labels.
async fn samples(app: &TestApp) -> BTreeMap<String, f64> {
    let page = app.client().get(format!("{}/metrics", app.url())).send();
    let page = page.await.expect("the server answers");
    assert_eq!(page.status(), StatusCode::OK);
    let content_type = page.headers()[CONTENT_TYPE].to_str().expect("text");
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    let text = page.text().await.expect("a page");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

async fn sample(app: &TestApp, name: &str) -> f64 {
    let samples = samples(app).await;
    *samples
        .get(name)
        .unwrap_or_else(|| panic!("{name} is not among {samples:#?}"))
}

#[apply(each_database!)]
async fn operations_and_errors_are_counted(app: TestApp) {
    app.user("alice").create_image().await;
    app.run("query One { images { totalCount } }", json!({}))
        .await;
    app.graphql("{ images(first: 1000) { totalCount } }", json!({}))
        .await;
    app.graphql("{ nothing }", json!({})).await;
    app.graphql("{", json!({})).await;
    let samples = samples(&app).await;
    let operations = |kind: &str, outcome: &str| {
        let name =
            format!("image_gallery_operations_total{{outcome=\"{outcome}\",type=\"{kind}\"}}");
        samples.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(operations("mutation", "succeeded"), 1.0, "{samples:#?}");
    assert_eq!(operations("query", "succeeded"), 1.0, "{samples:#?}");
    assert_eq!(operations("query", "failed"), 1.0, "{samples:#?}");
    assert_eq!(
        operations("query", "refused") + operations("unknown", "refused"),
        2.0,
        "{samples:#?}"
    );
    for (code, count) in [
        ("BAD_USER_INPUT", 1.0),
        ("GRAPHQL_VALIDATION_FAILED", 1.0),
        ("GRAPHQL_PARSE_FAILED", 1.0),
    ] {
        assert_eq!(
            samples[&format!("image_gallery_errors_total{{code=\"{code}\"}}")],
            count,
            "{samples:#?}"
        );
    }
    assert!(samples["image_gallery_operation_duration_seconds_count{type=\"query\"}"] >= 2.0);
    assert!(samples["image_gallery_http_responses_total{status=\"200\"}"] >= 4.0);
    let version = format!(
        "image_gallery_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(samples[&version], 1.0);
    assert_eq!(samples["image_gallery_database_up"], 1.0);
}

#[apply(each_database!)]
async fn subscribers_and_how_far_they_are_is_read(app: TestApp) {
    assert_eq!(sample(&app, "image_gallery_subscribers").await, 0.0);
    let mut socket = Socket::begun(&app, json!({})).await;
    socket
        .subscribe(
            "1",
            "subscription { galleryEvents(after: \"\") { type } }",
            json!({}),
        )
        .await;
    app.user("alice").create_image().await;
    socket.receive().await;
    assert_eq!(sample(&app, "image_gallery_subscribers").await, 1.0);
    let is_told = async || {
        let samples = samples(&app).await;
        let is_close = samples.get("image_gallery_feed_lag_events") == Some(&0.0)
            && *samples.get("image_gallery_feed_look_age_seconds")? < 30.0;
        is_close.then_some(samples)
    };
    let samples = eventually("the feed has looked", is_told).await;
    assert_eq!(samples["image_gallery_trail_last_position"], 1.0);
    assert_eq!(samples["image_gallery_trail_waiting_events"], 0.0);
    drop(socket);
    let is_gone = async || (sample(&app, "image_gallery_subscribers").await == 0.0).then_some(());
    eventually("the subscriber is gone", is_gone).await;
}

#[apply(each_database!)]
#[settings("--trash-retention-days=30")]
async fn retention_is_counted_and_what_is_overdue_is_read(app: TestApp) {
    let pass = "image_gallery_retention_passes_total{outcome=\"succeeded\"}";
    let passes = async |number: f64| {
        let has_passed = async || (samples(&app).await.get(pass) == Some(&number)).then_some(());
        eventually("a pass", has_passed).await;
    };
    passes(1.0).await;
    db_fill_trash(&app, 700).await;
    assert_eq!(
        sample(&app, "image_gallery_retention_overdue_images").await,
        700.0
    );
    app.restart().await;
    passes(1.0).await;
    let samples = samples(&app).await;
    assert_eq!(samples["image_gallery_retention_overdue_images"], 0.0);
    assert_eq!(
        samples["image_gallery_retention_expired_total{kind=\"image\"}"],
        700.0
    );
    assert_eq!(
        samples["image_gallery_retention_expired_total{kind=\"event\"}"],
        0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_in_use_and_units_that_wait_for_one_are_read() {
    on_postgres(&["--database-max-connections=2"], async |app: TestApp| {
        app.user("alice").create_image().await;
        let maximum = "image_gallery_database_connections_max{pool=\"primary\"}";
        assert_eq!(sample(&app, maximum).await, 2.0);
        let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&app.database().url())
            .await
            .expect("it answers");
        let lock = "BEGIN; LOCK TABLE image_gallery IN ACCESS EXCLUSIVE MODE";
        sqlx::Executor::execute(&mut other, lock)
            .await
            .expect("a lock");
        let is_read = std::cell::Cell::new(false);
        // Each waits for three seconds and is repeated: the page may take as long.
        let query = async || {
            while !is_read.get() {
                app.graphql("{ images { totalCount } }", json!({})).await;
            }
        };
        let watch = async {
            let in_use = "image_gallery_database_connections{pool=\"primary\",state=\"in_use\"}";
            let waiting = "image_gallery_database_waiting{pool=\"primary\"}";
            let is_busy = async || {
                let samples = samples(&app).await;
                // At least one of the three waits, and so does the page's own query.
                (samples[in_use] >= 2.0 && samples[waiting] >= 1.0).then_some(())
            };
            eventually("the connections are in use", is_busy).await;
            is_read.set(true);
            drop(other);
        };
        tokio::join!(query(), query(), query(), watch);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_of_a_disconnected_client_counts_as_abandoned() {
    on_postgres(&[], async |app: TestApp| {
        app.user("alice").create_image().await;
        let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&app.database().url())
            .await
            .expect("it answers");
        let lock = "BEGIN; LOCK TABLE image_gallery IN ACCESS EXCLUSIVE MODE";
        sqlx::Executor::execute(&mut other, lock)
            .await
            .expect("a lock");
        let waits = async {
            let waiting = "SELECT 'waits' FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let is_waiting = async || app.db_query_text(waiting).await;
            eventually("the query waits", is_waiting).await;
        };
        // Whichever completes first cancels the other: the query cannot complete.
        tokio::select! {
            reply = app.graphql("{ images { totalCount } }", json!({})) => panic!("{reply:?}"),
            () = waits => {}
        }
        let abandoned = "image_gallery_operations_total{outcome=\"abandoned\",type=\"query\"}";
        let is_counted = async || (samples(&app).await.get(abandoned) == Some(&1.0)).then_some(());
        eventually("it is counted", is_counted).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_authentication_metrics_require_their_token_or_full_access() {
    let settings = [
        "--auth-mode=supabase",
        "--metrics-token=the-token-of-prometheus",
    ];
    on_sqlite(&settings, async |app: TestApp| {
        let read = async |authorization: Option<&str>| {
            let mut request = app.client().get(format!("{}/metrics", app.url()));
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = request.send().await.expect("the server answers");
            let status = response.status();
            let text = response.text().await.expect("text");
            assert_eq!(
                text.contains("image_gallery_"),
                status == StatusCode::OK,
                "{text}"
            );
            status
        };
        let worker = format!("Bearer {}", crate::harness::token::SERVICE_TOKEN);
        for (authorization, status) in [
            (None, StatusCode::UNAUTHORIZED),
            (Some("Bearer the-token-of-prometheus"), StatusCode::OK),
            (Some("bearer the-token-of-prometheus"), StatusCode::OK),
            (Some(worker.as_str()), StatusCode::OK),
            (
                Some("Bearer the-token-of-prometheu"),
                StatusCode::UNAUTHORIZED,
            ),
            (
                Some("Basic the-token-of-prometheus"),
                StatusCode::UNAUTHORIZED,
            ),
            (
                Some(user_authorization("alice").as_str()),
                StatusCode::FORBIDDEN,
            ),
        ] {
            assert_eq!(read(authorization).await, status, "{authorization:?}");
        }
        // It gives no other access.
        let reply = app.graphql_as(
            Some("Bearer the-token-of-prometheus"),
            "{ images { totalCount } }",
            json!({}),
        );
        assert_eq!(reply.await.error_code(), "UNAUTHENTICATED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_a_line_of_each_operation_without_its_values() {
    let secret = "the prompt that nobody may read";
    let program = Program::new()
        .with("LOG_FORMAT", "json")
        .with("SLOW_QUERY_MILLISECONDS", "0")
        .with("AUTH_MODE", "supabase")
        .with("METRICS_TOKEN", "a-token-that-nobody-may-read")
        .with("SUPABASE_JWT_SECRET", crate::harness::token::JWT_SECRET);
    let server = program.serve().await;
    let authorization = user_authorization("alice");
    let document =
        "mutation Store($input: CreateImageInput!) { createImage(input: $input) { created } }";
    let variables = json!({ "input": {
        "imageUrl": crate::harness::image_url("3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"), "refinedPrompt": secret,
    } });
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let send = async |document: &str| {
        let request = client
            .post(format!("http://{}/graphql", server.address()))
            .header(AUTHORIZATION, &authorization)
            .json(&json!({ "query": document, "variables": variables }));
        let response = request.send().await.expect("the server answers");
        response.headers()["x-request-id"]
            .to_str()
            .expect("text")
            .to_owned()
    };
    let stored = send(document).await;
    let refused = send("{ nothing }").await;
    server.terminate();
    let log = server.output().await.stderr;
    let line = |request_id: &str| -> Value {
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_operation = lines.filter(|line| {
            line["fields"]["operation.type"].is_string() && line["request.id"] == request_id
        });
        let line = of_operation.next().unwrap_or_else(|| panic!("{log}"));
        assert_eq!(of_operation.next(), None, "{log}");
        line
    };
    let line_of_stored = line(&stored);
    assert_eq!(line_of_stored["level"], "INFO");
    let fields = &line_of_stored["fields"];
    assert_eq!(fields["operation.type"], "mutation");
    assert_eq!(fields["operation.name"], "Store");
    assert_eq!(fields["outcome"], "succeeded");
    assert_eq!(fields["caller.kind"], "user");
    // `printf alice | sha256sum`
    assert_eq!(fields["caller.subject"], "2bd806c97f0e00af");
    assert!(fields["duration_ms"].is_u64(), "{log}");
    let fields = &line(&refused)["fields"];
    assert_eq!(fields["outcome"], "refused");
    assert_eq!(fields["error.codes"], "GRAPHQL_VALIDATION_FAILED");
    assert!(log.contains("slow statement"), "{log}");
    let token = authorization.trim_start_matches("Bearer ");
    for secret in [
        secret,
        token,
        "a-token-that-nobody-may-read",
        "alice",
        "3f2b8c1e-5d4a",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
