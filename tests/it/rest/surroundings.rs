//! REST has the same limits, checks and metrics as GraphQL.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Caller, assert_error, ids};
use crate::harness::{
    Fixture, Outage, Program, Reply, Standby, TestApp, TestDatabase, each_database, eventually,
    image_url, on_own_cluster, on_sqlite,
};

async fn send(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut request = app.client().request(method, format!("{}{path}", app.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body.to_owned()).send().await;
    Reply::read(response.expect("the server answers")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_off_or_elsewhere() {
    on_sqlite(&["--rest-api=off"], async |app: TestApp| {
        for below in ["", "/", "/count", "/openapi.json"] {
            let reply = Caller::anyone(&app).get(below).await;
            assert_eq!(
                (reply.status, reply.error_code()),
                (StatusCode::NOT_FOUND, "BAD_USER_INPUT".to_owned())
            );
        }
    })
    .await;
    on_sqlite(&["--rest-path=/api/images/"], async |app: TestApp| {
        for path in ["/api/images", "/api/images/", "/api/images/count"] {
            assert_eq!(
                send(&app, Method::GET, path, &[], "").await.status,
                200,
                "{path}"
            );
        }
        let document = send(&app, Method::GET, "/api/images/openapi.json", &[], "")
            .await
            .body;
        assert!(document["paths"]["/api/images/{image_id}/"]["get"].is_object());
        assert_eq!(
            send(&app, Method::GET, "/v1/gallery", &[], "").await.status,
            404
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_and_methods_that_are_not_there() {
    on_sqlite(&[], async |app: TestApp| {
        let caller = Caller::anyone(&app);
        for (method, below, allow) in [
            (Method::PUT, "/", "GET,HEAD,POST"),
            (Method::DELETE, "/deleted/", "GET,HEAD"),
            (Method::PATCH, "/x/", "GET,HEAD,DELETE"),
            (Method::GET, "/x/restore", "POST"),
            (Method::POST, "/x/permanent/", "DELETE"),
        ] {
            let reply = caller.send(method, below, None).await;
            assert_error(&reply, 405, "method");
            assert_eq!(reply.headers["allow"], allow, "{below}");
            let options = caller.send(Method::OPTIONS, below, None).await;
            assert_eq!(options.status, 204);
            let with_options = format!("{}, OPTIONS", allow.replace(',', ", "));
            assert_eq!(
                options.headers["allow"].to_str().ok(),
                Some(with_options.as_str())
            );
        }
        assert_error(&caller.get("/x/y").await, 404, "nothing");
        assert_error(&caller.get("/x/y/z/").await, 404, "nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_origins_and_hosts_are_refused() {
    on_sqlite(
        &["--cors-allowed-origins=https://app.example.com"],
        async |app: TestApp| {
            for (name, value, allowed) in [
                ("origin", "https://evil.example", "CORS_ALLOWED_ORIGINS"),
                ("sec-fetch-site", "cross-site", "CORS_ALLOWED_ORIGINS"),
                ("host", "evil.example", "PUBLIC_URL"),
            ] {
                for method in [Method::GET, Method::POST, Method::DELETE] {
                    let reply = send(&app, method, "/v1/gallery/", &[(name, value)], "").await;
                    assert_error(&reply, 403, allowed);
                }
            }
            let listed = [("origin", "https://app.example.com")];
            let reply = send(&app, Method::GET, "/v1/gallery/", &listed, "").await;
            assert_eq!(reply.status, 200);
            assert_eq!(
                reply.headers["access-control-allow-origin"],
                "https://app.example.com"
            );
            let exposed = reply.headers["access-control-expose-headers"]
                .to_str()
                .expect("text");
            assert!(exposed.contains("link"), "{exposed}");
            let preflight = [
                listed[0],
                ("access-control-request-method", "DELETE"),
                ("access-control-request-headers", "authorization"),
            ];
            let reply = send(&app, Method::OPTIONS, "/v1/gallery/x/", &preflight, "").await;
            let methods = reply.headers["access-control-allow-methods"]
                .to_str()
                .expect("text");
            assert!(methods.contains("DELETE"), "{methods}");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_limited() {
    on_sqlite(&["--max-body-bytes=1000"], async |app: TestApp| {
        let json = ("content-type", "application/json");
        for (headers, body, status) in [
            (&[json][..], "x".repeat(1001), 413),
            (&[json], "{".to_owned(), 400),
            (&[json], String::new(), 400),
            (&[], "{}".to_owned(), 415),
            (&[("content-type", "text/plain")], "{}".to_owned(), 415),
            (&[json, ("content-encoding", "gzip")], "{}".to_owned(), 415),
        ] {
            let reply = send(&app, Method::POST, "/v1/gallery/", headers, &body).await;
            assert_error(&reply, status, "");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_count_against_the_rate_of_operations() {
    on_sqlite(&["--rate-limit-per-minute=3"], async |app: TestApp| {
        let caller = Caller::anyone(&app);
        for left in ["2", "1"] {
            let reply = caller.get("/").await;
            assert_eq!(reply.headers["ratelimit-remaining"], left);
        }
        app.graphql("{ __typename }", json!({})).await.into_data();
        let reply = caller.get("/?limit=0").await;
        assert_error(&reply, 429, "RATE_LIMIT_PER_MINUTE");
        assert!(reply.headers.contains_key("retry-after"));
    })
    .await;
}

#[apply(each_database!)]
async fn calls_are_counted_as_operations(app: TestApp) {
    let caller = Caller::anyone(&app);
    let id = caller.create("alice").await;
    caller.get("/").await;
    caller.get("/?limit=0").await;
    caller.delete(&format!("/{id}")).await;
    let metrics = app
        .client()
        .get(format!("{}/metrics", app.url()))
        .send()
        .await;
    let metrics = metrics.expect("an answer").text().await.expect("text");
    for line in [
        "image_gallery_operations_total{outcome=\"succeeded\",type=\"rest_read\"} 1",
        "image_gallery_operations_total{outcome=\"refused\",type=\"rest_read\"} 1",
        "image_gallery_operations_total{outcome=\"succeeded\",type=\"rest_write\"} 2",
        "image_gallery_errors_total{code=\"BAD_USER_INPUT\"} 1",
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line} in\n{metrics}"
        );
    }
}

/// One line per call, with the caller only as a hash, and without request data.
#[tokio::test]
async fn calls_are_logged_as_operations() {
    let server = Program::new().with("LOG_FORMAT", "json").serve().await;
    let url = format!("http://{}/v1/gallery/", server.address());
    let body = json!({ "user_id": "alice", "image_url": image_url("3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b"), "refined_prompt": "s3cret" });
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let reply = client
        .post(&url)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let id = reply.headers()["x-request-id"]
        .to_str()
        .expect("text")
        .to_owned();
    client
        .get(format!("{url}?user_id=s3cret"))
        .send()
        .await
        .expect("an answer");
    server.terminate();
    let log = server.output().await.stderr;
    assert!(!log.contains("s3cret"), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("createImage"))
        .expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert!(line.to_string().contains(&id), "{line}");
    assert!(line.to_string().contains("rest_write"), "{line}");
}

/// Like GraphQL: 503 until the schema exists.
#[apply(each_database!)]
async fn before_the_migrations_callers_are_told_to_come_back(database: TestDatabase) {
    let program = Program::new()
        .with("DATABASE_URL", &database.url())
        .with("AUTO_MIGRATE", "false");
    let server = program.serve().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let reply = client
        .get(format!("http://{}/v1/gallery/", server.address()))
        .send()
        .await;
    let reply = Reply::read(reply.expect("an answer")).await;
    assert_error(&reply, 503, "migrate up");
    assert_eq!(reply.headers["retry-after"], "1");
    server.terminate();
    server.output().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_callers_are_told_to_come_back() {
    on_own_cluster(&[], &[], async |app: TestApp| {
        let caller = Caller::anyone(&app);
        let id = caller.create("alice").await;
        let outage = Outage::of(app.database()).await;
        outage.stop();
        for reply in [
            caller.get("/").await,
            caller.delete(&format!("/{id}")).await,
        ] {
            assert_error(&reply, 503, "not available");
            assert!(reply.headers.contains_key("retry-after"));
        }
        outage.start();
        let back = eventually("the database is back", async || {
            let reply = caller.get("/").await;
            (reply.status == StatusCode::OK).then_some(reply)
        });
        back.await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_serves_reads_that_ask_for_it() {
    on_own_cluster(&[], &[], async |direct: TestApp| {
        let standby = Standby::of(direct.database()).await;
        let flag = format!("--database-read-url={}", standby.database.url());
        let app = TestApp::set_up(direct.database().clone(), &[&flag]).await;
        let replica = ("x-gallery-read", "replica");
        standby.pause().await;
        let id = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b";
        let body = json!({ "user_id": "alice", "image_url": image_url(id) }).to_string();
        let headers = [replica, ("content-type", "application/json")];
        let reply = send(&app, Method::POST, "/v1/gallery/", &headers, &body).await;
        assert_eq!(reply.status, 201, "a change goes to the primary");
        let position = reply.headers["x-gallery-position"].to_str().expect("text");
        let reply = send(&app, Method::GET, "/v1/gallery/", &[replica], "").await;
        assert_eq!(
            ids(&reply),
            Vec::<String>::new(),
            "the replica does not know it"
        );
        assert!(!reply.headers.contains_key("x-gallery-position"));
        for headers in [&[][..], &[replica, ("x-gallery-position", position)]] {
            let reply = send(&app, Method::GET, "/v1/gallery/", headers, "").await;
            assert_eq!(ids(&reply), [id]);
        }
        let one = format!("/v1/gallery/{id}/");
        let reply = send(&app, Method::DELETE, &one, &[replica], "").await;
        assert_eq!(reply.status, 200);
        standby.resume().await;
        app.stop().await;
    })
    .await;
}
