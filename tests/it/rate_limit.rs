//! The rate limit.

use serde_json::json;

use crate::harness::{Reply, TestApp, on_sqlite};

const QUERY: &str = "{ __typename }";

/// Sends one request with this forwarded address.
async fn from(app: &TestApp, forwarded_for: &str) -> Reply {
    let request = app.client().post(format!("{}/graphql", app.url()));
    let request = request.header("x-forwarded-for", forwarded_for);
    let response = request.json(&json!({ "query": QUERY })).send().await;
    Reply::read(response.expect("the server answers")).await
}

fn number(reply: &Reply, header: &str) -> u64 {
    let value = reply
        .headers
        .get(header)
        .and_then(|value| value.to_str().ok());
    let number = value.and_then(|value| value.parse().ok());
    number.unwrap_or_else(|| panic!("{header} is missing: {:?}", reply.headers))
}

#[track_caller]
fn assert_limited(reply: &Reply) {
    assert_eq!(reply.error_code(), "RATE_LIMITED");
    assert_eq!(reply.status, 429);
    assert!((1..=30).contains(&number(reply, "retry-after")));
    assert_eq!(number(reply, "ratelimit-remaining"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_setting_there_is_no_limit() {
    on_sqlite(&[], async |app: TestApp| {
        for _ in 0..100 {
            let reply = app.graphql(QUERY, json!({})).await;
            assert_eq!(reply.status, 200);
            assert!(!reply.headers.contains_key("ratelimit-limit"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_caller_gets_retry_after() {
    on_sqlite(&["--rate-limit-per-minute=2"], async |app: TestApp| {
        for left in [1, 0] {
            let reply = app.graphql(QUERY, json!({})).await;
            assert_eq!(reply.status, 200);
            assert_eq!(number(&reply, "ratelimit-limit"), 2);
            assert_eq!(number(&reply, "ratelimit-remaining"), left);
            assert!(number(&reply, "ratelimit-reset") <= 60);
        }
        assert_limited(&app.graphql(QUERY, json!({})).await);
        // Without trusted proxies, clients cannot choose their address.
        assert_limited(&from(&app, "198.51.100.1").await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_clients_are_counted_separately() {
    let settings = ["--rate-limit-per-minute=2", "--trusted-proxies=127.0.0.0/8"];
    on_sqlite(&settings, async |app: TestApp| {
        for forged in ["1.1.1.1", "2.2.2.2"] {
            assert_eq!(
                from(&app, &format!("{forged}, 198.51.100.1")).await.status,
                200
            );
        }
        assert_limited(&from(&app, "3.3.3.3, 198.51.100.1").await);
        assert_eq!(from(&app, "198.51.100.2").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_counted_by_subject_and_anonymous_callers_by_address() {
    let settings = ["--rate-limit-per-minute=2", "--auth-mode=supabase"];
    on_sqlite(&settings, async |app: TestApp| {
        let query = "{ images { totalCount } }";
        for _ in 0..2 {
            for user in [app.user("alice"), app.user("bob"), app.worker()] {
                assert_eq!(user.graphql(query, json!({})).await.status, 200);
            }
            assert_eq!(
                app.graphql_as(Some("Bearer guess"), query, json!({}))
                    .await
                    .status,
                401
            );
        }
        for user in [app.user("alice"), app.worker()] {
            assert_limited(&user.graphql(query, json!({})).await);
        }
        assert_limited(
            &app.graphql_as(Some("Bearer another guess"), query, json!({}))
                .await,
        );
    })
    .await;
}
