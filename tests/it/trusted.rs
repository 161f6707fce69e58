//! Trusted documents: which requests a manifest allows and rejects, for all transports.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::{Program, TestApp, Way, image_url, on_sqlite};

const COUNT: &str =
    "query Count($userId: String) {\n  images(userId: $userId) {\n    totalCount\n  }\n}";
const NAMED: &str = "query One { __typename }\nquery Two { two: __typename }";
const CREATE: &str =
    "mutation Create($input: CreateImageInput!) { createImage(input: $input) { created } }";
const FOLLOW: &str = "subscription Follow { galleryEvents(after: \"\") { type } }";
const UNTRUSTED: &str = "{ images { pageInfo { hasNextPage } } }";

/// Ids like those of Relay's compiler: 32 hexadecimal digits.
const IDS: [&str; 4] = [
    "0d6c1d0f9a1e4b8c8a3b1f4f7f2f9a01",
    "0d6c1d0f9a1e4b8c8a3b1f4f7f2f9a02",
    "0d6c1d0f9a1e4b8c8a3b1f4f7f2f9a03",
    "0d6c1d0f9a1e4b8c8a3b1f4f7f2f9a04",
];
const TEXTS: [&str; 4] = [COUNT, NAMED, CREATE, FOLLOW];

fn sha256(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

type IdOf = fn(&'static str) -> String;

/// A manifest in each tool's format, with the tool's id for a text.
fn manifests() -> [(Value, IdOf); 3] {
    let operations = TEXTS
        .map(|text| json!({ "id": sha256(text), "name": "Any", "type": "query", "body": text }));
    let apollo = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": operations,
    });
    let relay: Value = IDS.into_iter().zip(TEXTS).collect();
    let codegen: Value = TEXTS
        .map(|text| (format!("1{}", sha256(text)), text))
        .into_iter()
        .collect();
    let relay_id = |text| {
        let place = TEXTS.iter().position(|known| *known == text);
        IDS[place.expect("a known text")].to_owned()
    };
    [
        (apollo, sha256),
        (relay, relay_id),
        (codegen, |text| format!("1{}", sha256(text))),
    ]
}

fn written(folder: &TempDir, manifest: &Value) -> String {
    let path = folder.path().join("manifest.json");
    std::fs::write(&path, manifest.to_string()).expect("the file can be written");
    path.to_str().expect("text").to_owned()
}

/// Runs a body on a server with this manifest.
async fn with_manifest(manifest: &Value, settings: &[&str], body: impl AsyncFnOnce(TestApp)) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let flag = format!("--trusted-documents={}", written(&folder, manifest));
    on_sqlite(&[&[flag.as_str()], settings].concat(), body).await;
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[track_caller]
fn assert_code(reply: &Value, code: &str, asked: &impl std::fmt::Debug) {
    assert_eq!(
        reply["errors"][0]["extensions"]["code"], code,
        "{asked:?}: {reply}"
    );
    assert_eq!(reply.get("data"), None, "{asked:?}: {reply}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_document_runs_by_any_id_with_every_transport() {
    for (manifest, id_of) in manifests() {
        with_manifest(&manifest, &[], async |app: TestApp| {
            let id = id_of(COUNT);
            let minified = "query Count($userId:String){images(userId:$userId){totalCount}}";
            for way in Way::ALL {
                for mut parameters in [
                    json!({ "documentId": id }),
                    json!({ "doc_id": id }),
                    json!({ "id": id }),
                    json!({ "documentId": format!("sha256:{}", sha256(COUNT)) }),
                    json!({ "extensions": persisted(&id) }),
                    json!({ "extensions": persisted(&sha256(COUNT)) }),
                    json!({ "extensions": persisted(&sha256(COUNT)), "query": COUNT }),
                    json!({ "documentId": id, "query": "" }),
                    json!({ "query": COUNT }),
                    json!({ "query": minified }),
                ] {
                    parameters["variables"] = json!({ "userId": "nobody" });
                    let reply = way.ask(&app, &parameters).await;
                    let expected = json!({ "data": { "images": { "totalCount": 0 } } });
                    assert_eq!(reply, expected, "{way:?} {parameters}");
                }
                let two = json!({ "documentId": id_of(NAMED), "operationName": "Two" });
                let expected = json!({ "data": { "two": "Query" } });
                assert_eq!(way.ask(&app, &two).await, expected, "{way:?}");
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_document_runs_with_any_transport() {
    let [(manifest, _), ..] = manifests();
    with_manifest(&manifest, &[], async |app: TestApp| {
        let resembling = COUNT.replace("totalCount", "totalCount __typename");
        let foreign =
            "mutation { createImage(input: { userId: \"a\", imageUrl: \"b\" }) { created } }";
        let introspection = "{ __schema { queryType { name } } }";
        for way in Way::ALL {
            for text in [
                UNTRUSTED,
                &resembling,
                foreign,
                introspection,
                "{",
                "",
                "{ nothing }",
            ] {
                let parameters = json!({ "query": text });
                let reply = way.ask(&app, &parameters).await;
                // An empty parameter of a query string counts as absent.
                let code = if way == Way::Get && text.is_empty() {
                    "BAD_USER_INPUT"
                } else {
                    "FORBIDDEN"
                };
                assert_code(&reply, code, &(way, text));
            }
            for id in [
                "abc",
                "sha256:abc",
                "",
                &format!("sha256:{}", sha256(UNTRUSTED)),
                &sha256(COUNT).to_uppercase(),
            ] {
                let reply = way
                    .ask(&app, &json!({ "documentId": id, "operationName": "Count" }))
                    .await;
                let code = if way == Way::Get && id.is_empty() {
                    "BAD_USER_INPUT"
                } else {
                    "PERSISTED_QUERY_NOT_FOUND"
                };
                assert_code(&reply, code, &(way, id));
            }
            // An id next to a text is ignored.
            let both = json!({ "documentId": sha256(COUNT), "query": UNTRUSTED });
            assert_code(&way.ask(&app, &both).await, "FORBIDDEN", &way);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persisted_queries_do_not_bypass_it() {
    let [(manifest, _), ..] = manifests();
    with_manifest(&manifest, &[], async |app: TestApp| {
        let hash = sha256(UNTRUSTED);
        for way in Way::ALL {
            for _ in 0..2 {
                let reply = way
                    .ask(&app, &json!({ "extensions": persisted(&hash) }))
                    .await;
                assert_code(&reply, "PERSISTED_QUERY_NOT_FOUND", &way);
                assert_eq!(reply["errors"][0]["message"], "PersistedQueryNotFound");
                let taught = json!({ "extensions": persisted(&hash), "query": UNTRUSTED });
                assert_code(&way.ask(&app, &taught).await, "FORBIDDEN", &way);
            }
            // The hash of a trusted document with another text.
            let disguised = json!({ "extensions": persisted(&sha256(COUNT)), "query": UNTRUSTED });
            assert_code(&way.ask(&app, &disguised).await, "BAD_USER_INPUT", &way);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_and_subscriptions_run_by_id() {
    let [_, (manifest, id_of), _] = manifests();
    with_manifest(&manifest, &[], async |app: TestApp| {
        let url = image_url("3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b");
        let create = json!({
            "documentId": id_of(CREATE),
            "variables": { "input": { "userId": "alice", "imageUrl": url } },
        });
        let reply = Way::Get.ask(&app, &create).await;
        assert_code(&reply, "BAD_USER_INPUT", &create);
        let reply = Way::Batch.ask(&app, &create).await;
        assert_eq!(
            reply,
            json!({ "data": { "createImage": { "created": true } } })
        );
        let follow = json!({ "query": "", "doc_id": id_of(FOLLOW) });
        let expected = json!({ "data": { "galleryEvents": { "type": "CREATED" } } });
        for way in [Way::WebSocket, Way::LegacyWebSocket] {
            assert_eq!(way.ask(&app, &follow).await, expected, "{way:?}");
        }
        // The stream does not end, so its start suffices.
        let request = app.client().post(format!("{}/graphql", app.url()));
        let request = request.header("accept", "text/event-stream").json(&follow);
        let mut response = request.send().await.expect("the server answers");
        let mut body = String::new();
        while !body.contains(&expected.to_string()) {
            let chunk = response.chunk().await.expect("the stream is whole");
            body += std::str::from_utf8(&chunk.expect("the stream goes on")).expect("text");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_manifest_an_id_is_not_a_request() {
    on_sqlite(&[], async |app: TestApp| {
        for way in Way::ALL {
            for name in ["documentId", "doc_id", "id"] {
                let reply = way.ask(&app, &json!({ name: "abc" })).await;
                assert_code(&reply, "BAD_USER_INPUT", &(way, name));
                let message = reply["errors"][0]["message"].as_str().expect("a message");
                assert!(
                    message.contains(name) && message.contains("`query`"),
                    "{message}"
                );
                // As before, for a client that numbers its requests.
                let numbered = way
                    .ask(&app, &json!({ name: "7", "query": "{ __typename }" }))
                    .await;
                assert_eq!(numbered, json!({ "data": { "__typename": "Query" } }));
            }
        }
        let numbered = Way::Post
            .ask(&app, &json!({ "id": 7, "query": "{ __typename }" }))
            .await;
        assert_eq!(numbered, json!({ "data": { "__typename": "Query" } }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_report_mode_others_run_and_are_logged_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let [(manifest, _), ..] = manifests();
    let program = Program::new()
        .with("TRUSTED_DOCUMENTS", &written(&folder, &manifest))
        .with("TRUSTED_DOCUMENTS_MODE", "report");
    let server = program.serve().await;
    let url = format!("http://{}/graphql", server.address());
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let post = async |parameters: Value| -> Value {
        let response = client.post(&url).json(&parameters).send().await;
        response.expect("an answer").json().await.expect("JSON")
    };
    let secret = "query Secret($userId: String) { images(userId: $userId) { totalCount } }";
    for _ in 0..3 {
        let reply = post(json!({ "query": secret, "variables": { "userId": "hunter2" } })).await;
        assert_eq!(reply["data"]["images"]["totalCount"], 0, "{reply}");
        let reply = post(json!({ "documentId": sha256(COUNT) })).await;
        assert_eq!(reply["data"]["images"]["totalCount"], 0, "{reply}");
        let reply =
            post(json!({ "query": UNTRUSTED, "extensions": persisted(&sha256(UNTRUSTED)) })).await;
        assert_eq!(reply["errors"], Value::Null, "{reply}");
        let reply = post(json!({ "extensions": persisted(&sha256(UNTRUSTED)) })).await;
        assert_eq!(reply["errors"], Value::Null, "{reply}");
    }
    let unknown = post(json!({ "documentId": "abc" })).await;
    assert_code(&unknown, "PERSISTED_QUERY_NOT_FOUND", &"abc");
    server.terminate();
    let log = server.output().await.stderr;
    let reported: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("is not trusted runs"))
        .collect();
    assert_eq!(reported.len(), 2, "{log}");
    assert!(
        reported[0].contains(&sha256(secret)) && reported[0].contains("Secret"),
        "{log}"
    );
    assert!(reported[1].contains(&sha256(UNTRUSTED)), "{log}");
    assert!(
        !log.contains("hunter2") && !log.contains("totalCount"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_trusted_document_is_logged_at_startup() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let manifest = json!({
        "good": COUNT,
        "follow": FOLLOW,
        "create": CREATE,
        "old": "query Old { images { cameraName } }",
        "deep": format!("query Deep {}{}", "{ a".repeat(16), "}".repeat(16)),
        "dear": format!(
            "mutation Dear($id: ID!) {{ restoreImage(id: $id) {{ created: image {{ id }} }} {} }}",
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|key| format!("{key}: emptyTrash {{ purgedCount }}")).concat()
        ),
        "curious": "query Curious { __type(name: \"Image\") { name } }",
    });
    let program = Program::new()
        .with("TRUSTED_DOCUMENTS", &written(&folder, &manifest))
        .with("GRAPHQL_INTROSPECTION", "false");
    let server = program.serve().await;
    server.terminate();
    let log = server.output().await.stderr;
    let warned: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("will be rejected"))
        .collect();
    assert_eq!(warned.len(), 4, "{log}");
    for parts in [
        ["\"old\"", "Old", "cameraName"],
        ["\"deep\"", "Deep", "GRAPHQL_MAX_DEPTH"],
        ["\"dear\"", "Dear", "GRAPHQL_MAX_COMPLEXITY"],
        ["\"curious\"", "Curious", "GRAPHQL_INTROSPECTION"],
    ] {
        let is_named = |line: &&str| parts.iter().all(|part| line.contains(part));
        assert!(warned.iter().any(is_named), "{parts:?}: {log}");
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_used_stops_the_start_with_one_line() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let directory = folder.path().to_str().expect("text").to_owned();
    assert_refused(&directory, "is not a file that can be read").await;
    let missing = Path::new(&directory).join("missing.json");
    assert_refused(
        missing.to_str().expect("text"),
        "is not a file that can be read",
    )
    .await;
    for (manifest, allowed) in [
        (json!({}), "at least one"),
        (json!([]), "Apollo's persisted query manifest"),
        (
            json!({ "a": COUNT, "b": "{ a" }),
            "the document does not parse",
        ),
        (
            json!({ "a": format!("{{ {} }}", "a ".repeat(5001)) }),
            "GRAPHQL_MAX_TOKENS",
        ),
    ] {
        assert_refused(&written(&folder, &manifest), allowed).await;
    }
}

async fn assert_refused(path: &str, allowed: &str) {
    let output = Program::new()
        .with("TRUSTED_DOCUMENTS", path)
        .run(&[])
        .await;
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    let beginning = format!("TRUSTED_DOCUMENTS: `{path}` ");
    assert!(
        output.stderr.starts_with(&beginning) && output.stderr.contains(allowed),
        "{}",
        output.stderr
    );
}
