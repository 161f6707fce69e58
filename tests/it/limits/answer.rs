//! Limits on the size of a response, and on the connections of a request.

use serde_json::{Value, json};

use super::numbered;
use crate::harness::{Socket, TestApp, eventually, image_url, on_postgres, on_sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_subscription_each_event_counts_for_itself() {
    on_sqlite(
        &["--graphql-max-answer-bytes=5000"],
        async |app: TestApp| {
            let mut socket = Socket::begun(&app, json!({})).await;
            let query = "subscription { galleryEvents(after: \"\") { image { metadata } } }";
            socket.subscribe("1", query, json!({})).await;
            let create = async |metadata: Value| {
            let url = image_url(&uuid::Uuid::new_v4().to_string());
            let input = json!({ "userId": "alice", "imageUrl": url, "metadata": metadata });
            let mutation = "mutation($input: CreateImageInput!) { createImage(input: $input) { created } }";
            app.run(mutation, json!({ "input": input })).await;
        };
        let metadata = json!({ "text": "x".repeat(1000) });
            for _ in 0..5 {
                create(metadata.clone()).await;
                let event = socket.receive().await;
                let image = &event["payload"]["data"]["galleryEvents"]["image"];
                assert_eq!(image["metadata"], metadata, "{event}");
            }
            create(json!({ "text": "x".repeat(6000) })).await;
            let event = socket.receive().await;
            assert_eq!(
                event["payload"]["errors"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX",
                "{event}"
            );
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_many_lists_leaves_connections_to_others() {
    on_postgres(&["--database-max-connections=6"], async |app: TestApp| {
        app.user("alice").create_image().await;
        let mut other = app.database().db_connect().await;
        sqlx::Executor::execute(
            &mut other,
            "BEGIN; LOCK TABLE image_gallery IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .expect("a lock");
        let lists = numbered(30, |n| format!("a{n}: images {{ nodes {{ id }} }} "));
        let document = format!("{{ {lists} }}");
        let waiting = "SELECT count(*)::text FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let others = async {
            eventually("the request waits for the table", async || {
                let count = app.db_query_text(waiting).await;
                (count.as_deref() == Some("2")).then_some(())
            })
            .await;
            let reply = app
                .run(
                    "{ galleryEvents { nodes { type } } trailCursor }",
                    json!({}),
                )
                .await;
            assert_eq!(
                reply["galleryEvents"]["nodes"],
                json!([{ "type": "CREATED" }])
            );
            assert_eq!(app.db_query_text(waiting).await.as_deref(), Some("2"));
            drop(other);
        };
        let (reply, ()) = tokio::join!(app.run(&document, json!({})), others);
        assert_eq!(reply.as_object().map(serde_json::Map::len), Some(30));
    })
    .await;
}

/// Far below the complexity limit: few fields with long values.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_of_gigabytes_fails_while_it_is_built() {
    let settings = ["--graphql-max-answer-bytes=8388608"];
    on_sqlite(&settings, async |app: TestApp| {
        let list: Vec<u8> = vec![0; 32_000];
        let input = |_| {
            json!({
                "userId": "alice",
                "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()),
                "metadata": { "list": list },
            })
        };
        let create = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) { results { created } } }";
        let inputs: Vec<_> = (0..25).map(input).collect();
        app.run(create, json!({ "input": inputs })).await;
        let whole = "images(first: 25) { nodes { id metadata } }";
        let document = format!("{{ a: {whole} b: {whole} }}");
        let data = app.run(&document, json!({})).await;
        assert_eq!(data["b"]["nodes"][24]["metadata"]["list"], json!(list));
        // Columns that are not selected are not read.
        let cursors = numbered(6, |n| format!("a{n}: images(first: 25) {{ pageInfo {{ endCursor }} }} "));
        app.run(&format!("{{ {cursors} }}"), json!({})).await;
        for field in [
            "images(first: 25) { nodes { metadata } edges { node { metadata } } }",
            "galleryEvents(first: 25) { nodes { image { id } } }",
        ] {
            let more = numbered(6, |number| format!("a{number}: {field} "));
            let reply = app.graphql(&format!("{{ {more} }}"), json!({})).await;
            assert_eq!(reply.error_code(), "QUERY_TOO_COMPLEX", "{field}");
            assert_eq!(reply.body["data"], Value::Null);
            let errors = &reply.body["errors"];
            assert_eq!(errors.as_array().map(Vec::len), Some(1), "one error says it all");
            let message = errors[0]["message"].as_str().unwrap_or_default();
            let expected = "at most 8388608 are allowed (GRAPHQL_MAX_ANSWER_BYTES)";
            assert!(message.contains(expected), "{message}");
        }
    })
    .await;
}
