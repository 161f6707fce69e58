//! The keys of a key server: fetching, caching, rotation.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::{COUNT, assert_unauthenticated};
use crate::harness::token::{SigningKey, user_claims};
use crate::harness::{Reply, SignedApp, TestApp, eventually, on_sqlite};

async fn ask(app: &TestApp, key: &SigningKey, id: &str) -> Reply {
    let authorization = format!("Bearer {}", key.sign(id, &user_claims("alice")));
    app.graphql_as(Some(&authorization), COUNT, json!({})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_at_need_and_once_for_all_who_wait() {
    on_sqlite(&[], async |SignedApp { app, keys }: SignedApp| {
        let key = SigningKey::elliptic_curve();
        keys.publish(&[key.published("a")]);
        app.user("alice").run(COUNT, json!({})).await;
        assert_eq!(keys.fetches(), 0, "HS256 needs none");
        let asking = (0..20).map(|_| ask(&app, &key, "a"));
        for reply in futures_util::future::join_all(asking).await {
            reply.into_data();
        }
        for id in 0..20 {
            assert_unauthenticated(&ask(&app, &key, &format!("unheard of {id}")).await);
        }
        assert_eq!(keys.fetches(), 1);
    })
    .await;
}

/// Takes half a minute, the minimum time between two fetches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_be_rotated_and_the_key_server_may_go_away() {
    on_sqlite(&[], async |SignedApp { app, keys }: SignedApp| {
        let (old, new) = (SigningKey::elliptic_curve(), SigningKey::elliptic_curve());
        keys.publish(&[old.published("old")]);
        ask(&app, &old, "old").await.into_data();
        keys.publish(&[new.published("new")]);
        assert_unauthenticated(&ask(&app, &new, "new").await);
        assert_eq!(keys.fetches(), 1);
        tokio::time::sleep(Duration::from_secs(29)).await;
        let took_over = eventually("the new key is taken over", async || {
            let reply = ask(&app, &new, "new").await;
            (reply.status == StatusCode::OK).then_some(reply)
        });
        took_over.await.into_data();
        assert_eq!(keys.fetches(), 2);
        // Tokens issued before stay valid.
        ask(&app, &old, "old").await.into_data();
        keys.go_away();
        ask(&app, &new, "new").await.into_data();
        ask(&app, &old, "old").await.into_data();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_clients_are_told_to_try_again() {
    on_sqlite(&[], async |SignedApp { app, keys }: SignedApp| {
        let key = SigningKey::rsa();
        let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
        for (status, body) in [
            (StatusCode::SERVICE_UNAVAILABLE, "{\"keys\":[]}"),
            (StatusCode::FOUND, ""),
            (StatusCode::OK, "<html>"),
            (StatusCode::OK, &huge),
        ] {
            keys.answer(status, body);
            let reply = ask(&app, &key, "a").await;
            assert_eq!(reply.error_code(), "SERVICE_UNAVAILABLE", "{}", reply.body);
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(reply.headers.contains_key("retry-after"));
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        // Callers whose tokens need none of its keys are served all the time.
        app.user("alice").run(COUNT, json!({})).await;
        keys.publish(&[key.published("a")]);
        let served = eventually("the keys are there", async || {
            let reply = ask(&app, &key, "a").await;
            (reply.status == StatusCode::OK).then_some(reply)
        });
        served.await.into_data();
    })
    .await;
}
