//! Operations answered as server-sent events and as multipart.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use crate::harness::{TestApp, on_sqlite};

const EVENTS: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0";

async fn post(app: &TestApp, accept: &str, query: &str) -> (u16, String, String) {
    let request = app.client().post(format!("{}/graphql", app.url()));
    let request = request
        .header(ACCEPT, accept)
        .json(&json!({ "query": query }));
    let response = request.send().await.expect("the server answers");
    let content_type = response.headers()[CONTENT_TYPE]
        .to_str()
        .expect("text")
        .to_owned();
    let status = response.status().as_u16();
    (
        status,
        content_type,
        response.text().await.expect("the body ends"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_streamed_if_only_streams_are_accepted() {
    on_sqlite(&[], async |app: TestApp| {
        let (status, content_type, body) = post(&app, EVENTS, "{ __typename }").await;
        assert_eq!((status, content_type.split(';').next()), (200, Some(EVENTS)));
        let expected = ":\n\nevent: next\ndata: {\"data\":{\"__typename\":\"Query\"}}\n\nevent: complete\ndata:\n\n";
        assert_eq!(body, expected);
        let (status, content_type, body) = post(&app, MULTIPART, "{ __typename }").await;
        assert_eq!(status, 200);
        assert!(content_type.starts_with("multipart/mixed") && content_type.contains("boundary=graphql"), "{content_type}");
        let expected = "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{\"payload\":{\"data\":{\"__typename\":\"Query\"}}}\r\n--graphql--\r\n";
        assert_eq!(body, expected);
        let (_, content_type, _) = post(&app, &format!("{EVENTS}, application/json"), "{ __typename }").await;
        assert!(content_type.starts_with("application/json"), "{content_type}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_before_execution_is_one_reply_and_the_end() {
    on_sqlite(&[], async |app: TestApp| {
        for query in ["{", "{ nothing }"] {
            let (status, _, body) = post(&app, EVENTS, query).await;
            assert_eq!(status, 200);
            assert!(
                body.starts_with(":\n\nevent: next\ndata: {\"errors\":["),
                "{body}"
            );
            assert!(body.ends_with("event: complete\ndata:\n\n"), "{body}");
            let (status, _, body) = post(&app, MULTIPART, query).await;
            assert_eq!(status, 200);
            assert!(
                body.contains("{\"payload\":{\"errors\":[") && body.ends_with("--graphql--\r\n"),
                "{body}"
            );
        }
    })
    .await;
}
