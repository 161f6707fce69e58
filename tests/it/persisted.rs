//! Automatic persisted queries, by Apollo's protocol.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Reply, TestApp, on_sqlite};

fn sha256(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    format!("{:x}", Hash(digest))
}

struct Hash([u8; 32]);

impl std::fmt::LowerHex for Hash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn extensions(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn post(app: &TestApp, query: Option<&str>, extensions: Value) -> Reply {
    let mut body = json!({ "extensions": extensions });
    if let Some(query) = query {
        body["query"] = query.into();
    }
    let request = app.client().post(format!("{}/graphql", app.url()));
    Reply::read(
        request
            .json(&body)
            .send()
            .await
            .expect("the server answers"),
    )
    .await
}

async fn get(app: &TestApp, query: Option<&str>, extensions: &Value) -> Reply {
    let mut url = url::Url::parse(&format!("{}/graphql", app.url())).expect("a URL");
    url.query_pairs_mut()
        .append_pair("extensions", &extensions.to_string());
    if let Some(query) = query {
        url.query_pairs_mut().append_pair("query", query);
    }
    Reply::read(
        app.client()
            .get(url)
            .send()
            .await
            .expect("the server answers"),
    )
    .await
}

#[track_caller]
fn assert_not_found(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(reply.error_code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(reply.body.get("data"), None);
}

const QUERY: &str = "{ images { totalCount } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_was_sent_once_is_known_by_its_hash() {
    on_sqlite(&[], async |app: TestApp| {
        let known = extensions(&sha256(QUERY));
        let expected = json!({ "data": { "images": { "totalCount": 0 } } });
        assert_not_found(&post(&app, None, known.clone()).await);
        assert_not_found(&get(&app, None, &known).await);
        assert_eq!(get(&app, Some(QUERY), &known).await.body, expected);
        assert_eq!(get(&app, None, &known).await.body, expected);
        assert_eq!(post(&app, None, known).await.body, expected);
        let capitals = extensions(&sha256(QUERY).to_uppercase());
        assert_eq!(post(&app, None, capitals).await.body, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_valid_documents_under_their_own_hash_are_kept() {
    on_sqlite(&[], async |app: TestApp| {
        for query in [
            "{",
            "{ nothing }",
            "query($a: ID!) { image(id: $a) { id } }",
        ] {
            let hash = extensions(&sha256(query));
            let reply = post(&app, Some(query), hash.clone()).await;
            assert!(reply.body.get("errors").is_some(), "{}", reply.body);
            assert_not_found(&post(&app, None, hash).await);
        }
        let foreign = extensions(&sha256("{ __typename }"));
        let reply = post(&app, Some(QUERY), foreign.clone()).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        assert_eq!(reply.body.get("data"), None);
        assert_not_found(&post(&app, None, foreign).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_mutation_still_requires_post() {
    on_sqlite(&[], async |app: TestApp| {
        let mutation = "mutation { emptyTrash(all: true) { purgedCount } }";
        let known = extensions(&sha256(mutation));
        assert_eq!(get(&app, Some(mutation), &known).await.status, 405);
        assert_not_found(&post(&app, None, known.clone()).await);
        let reply = post(&app, Some(mutation), known.clone()).await;
        assert_eq!(reply.body["data"]["emptyTrash"]["purgedCount"], 0);
        assert_eq!(get(&app, None, &known).await.status, 405);
        assert_eq!(post(&app, None, known).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_persisted_query_is_rejected() {
    on_sqlite(&[], async |app: TestApp| {
        for (version, hash) in [
            (2, sha256(QUERY)),
            (1, "abc".to_owned()),
            (1, "é".repeat(32)),
            (1, "x".repeat(64)),
        ] {
            let extensions =
                json!({ "persistedQuery": { "version": version, "sha256Hash": hash } });
            let reply = post(&app, Some(QUERY), extensions).await;
            assert_eq!(reply.status, 400, "{}", reply.body);
            assert_eq!(reply.error_code(), "BAD_USER_INPUT");
        }
        for extensions in [
            json!({ "persistedQuery": 1 }),
            json!({ "persistedQuery": {} }),
            json!({ "persistedQuery": [] }),
        ] {
            assert_eq!(post(&app, Some(QUERY), extensions).await.status, 400);
        }
        let reply = post(&app, Some(QUERY), json!({ "persistedQuery": null })).await;
        assert_eq!(reply.status, 200);
    })
    .await;
}
