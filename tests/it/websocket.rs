//! GraphQL over WebSocket: both protocols, their close codes, and operations with one result.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{Refused, Socket, TestApp, each_database, on_sqlite};

const NEWER: &str = "graphql-transport-ws";
const LEGACY: &str = "graphql-ws";

async fn open(app: &TestApp, protocols: &str) -> Socket {
    let opened = Socket::open(app, protocols, &[]).await;
    opened.expect("the upgrade is answered")
}

/// Opens a socket and sends `connection_init`.
async fn initialised(app: &TestApp, protocols: &str) -> Socket {
    let mut socket = open(app, protocols).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
    socket
}

#[apply(each_database!)]
async fn queries_and_mutations_run_over_a_socket(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let mut socket = Socket::begun(&app, Value::Null).await;
    socket
        .subscribe(
            "a",
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": id }),
        )
        .await;
    let data = json!({ "data": { "softDeleteImage": { "changed": true } } });
    assert_eq!(
        socket.receive().await,
        json!({ "type": "next", "id": "a", "payload": data })
    );
    assert_eq!(
        socket.receive().await,
        json!({ "type": "complete", "id": "a" })
    );
    // An id can be reused after its operation has ended.
    socket
        .subscribe("a", "{ deletedImages { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        socket.receive().await["payload"]["data"]["deletedImages"]["nodes"][0]["id"],
        json!(id)
    );
    assert_eq!(socket.receive().await["type"], "complete");
}

#[apply(each_database!)]
async fn the_older_protocol_has_words_of_its_own(app: TestApp) {
    let mut socket = open(&app, LEGACY).await;
    socket
        .send(json!({ "type": "connection_init", "payload": {} }))
        .await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
    socket.send(json!({ "type": "start", "id": "1", "payload": { "query": "{ images { totalCount } }" } })).await;
    let data = json!({ "data": { "images": { "totalCount": 0 } } });
    assert_eq!(
        socket.receive().await,
        json!({ "type": "data", "id": "1", "payload": data })
    );
    assert_eq!(
        socket.receive().await,
        json!({ "type": "complete", "id": "1" })
    );
    socket
        .send(json!({ "type": "start", "id": "2", "payload": { "query": "{ nothing }" } }))
        .await;
    let error = socket.receive().await;
    assert_eq!(error["type"], "error");
    assert_eq!(
        error["payload"]["extensions"]["code"],
        "GRAPHQL_VALIDATION_FAILED"
    );
    socket.send(json!({ "type": "connection_terminate" })).await;
    assert_eq!(socket.close_code().await, 1000);
}

#[apply(each_database!)]
async fn a_close_frame_is_answered(app: TestApp) {
    for protocol in [NEWER, LEGACY] {
        let start = if protocol == NEWER {
            "subscribe"
        } else {
            "start"
        };
        let operation =
            |query: &str| json!({ "type": start, "id": "1", "payload": { "query": query } });
        for code in [1000, 1001, 4000] {
            assert_eq!(
                open(&app, protocol).await.close(code).await,
                code,
                "{protocol}, before anything is said"
            );

            let mut socket = initialised(&app, protocol).await;
            socket.send(operation("{ __typename }")).await;
            assert_eq!(
                socket.receive().await["payload"]["data"]["__typename"],
                "Query"
            );
            assert_eq!(socket.receive().await["type"], "complete");
            assert_eq!(
                socket.close(code).await,
                code,
                "{protocol}, between two operations"
            );

            let mut socket = initialised(&app, protocol).await;
            socket
                .send(operation("subscription { galleryEvents { id } }"))
                .await;
            assert_eq!(
                socket.close(code).await,
                code,
                "{protocol}, during a subscription"
            );
        }
    }
}

#[apply(each_database!)]
async fn a_client_that_offered_both_protocols_may_speak_either(app: TestApp) {
    for (start, result, end) in [("start", "data", "stop"), ("subscribe", "next", "complete")] {
        let mut socket = initialised(&app, &format!("{LEGACY}, {NEWER}")).await;
        let operation = |id: &str, query: &str| json!({ "type": start, "id": id, "payload": { "query": query } });
        socket
            .send(operation("1", "{ images { totalCount } }"))
            .await;
        let data = json!({ "data": { "images": { "totalCount": 0 } } });
        assert_eq!(
            socket.receive().await,
            json!({ "type": result, "id": "1", "payload": data })
        );
        assert_eq!(
            socket.receive().await,
            json!({ "type": "complete", "id": "1" })
        );
        socket.send(operation("2", "{ nothing }")).await;
        let error = &socket.receive().await["payload"];
        // The older protocol has one error there, the newer one a list.
        let error = if start == "start" { error } else { &error[0] };
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{start}"
        );
        socket
            .send(operation("3", "subscription { galleryEvents { id } }"))
            .await;
        socket.send(json!({ "type": end, "id": "3" })).await;
        socket.send(operation("3", "{ __typename }")).await;
        assert_eq!(socket.receive().await["type"], result);
    }
    // It cannot switch protocols later.
    for (first, other) in [("start", "subscribe"), ("subscribe", "start")] {
        let mut socket = initialised(&app, &format!("{NEWER}, {LEGACY}")).await;
        for kind in [first, other] {
            socket
                .send(json!({ "type": kind, "id": kind, "payload": { "query": "{ __typename }" } }))
                .await;
        }
        assert_eq!(socket.close_code().await, 4400, "{first}, then {other}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_protocol_is_spoken_when_both_are_offered() {
    on_sqlite(&[], async |app: TestApp| {
        for offers in [
            format!("{LEGACY}, {NEWER}"),
            format!("{NEWER}, {LEGACY}"),
            NEWER.to_owned(),
        ] {
            let mut socket = open(&app, &offers).await;
            socket.send(json!({ "type": "connection_init" })).await;
            assert_eq!(
                socket.receive().await,
                json!({ "type": "connection_ack" }),
                "{offers}"
            );
            socket
                .send(json!({ "type": "ping", "payload": { "a": 1 } }))
                .await;
            assert_eq!(
                socket.receive().await,
                json!({ "type": "pong", "payload": { "a": 1 } }),
                "{offers}"
            );
        }
        let refused = Socket::open(&app, "soap", &[]).await.err();
        assert_eq!(refused, Some(Refused::Status(400)));
        let foreign = Socket::open(&app, NEWER, &[("origin", "https://evil.example")])
            .await
            .err();
        assert_eq!(foreign, Some(Refused::Status(403)));
        let own = format!("http://{}", app.address());
        assert!(Socket::open(&app, NEWER, &[("origin", &own)]).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protocol_violation_has_a_close_code() {
    on_sqlite(&[], async |app: TestApp| {
        let init = r#"{"type":"connection_init"}"#;
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}"#;
        for (said, code) in [
            (vec![subscribe], 4401),
            (vec![init, init], 4429),
            (vec!["{"], 4400),
            (
                vec![r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#],
                4400,
            ),
            (vec![init, r#"{"type":"subscribe","id":"1"}"#], 4400),
            (
                vec![
                    init,
                    r#"{"type":"subscribe","id":"","payload":{"query":"{ a }"}}"#,
                ],
                4400,
            ),
        ] {
            let mut socket = open(&app, NEWER).await;
            for text in &said {
                socket.send_text(text).await;
            }
            assert_eq!(socket.close_code().await, code, "{said:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_connection_init_is_disconnected() {
    on_sqlite(&[], async |app: TestApp| {
        assert_eq!(open(&app, NEWER).await.close_code().await, 4408);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_operation_is_an_error_of_its_id() {
    on_sqlite(&["--graphql-max-aliases=1"], async |app: TestApp| {
        let mut socket = Socket::begun(&app, Value::Null).await;
        for (payload, code) in [
            (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
            (
                json!({ "query": "{ nothing }" }),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            (json!({}), "BAD_USER_INPUT"),
            (json!({ "query": 1 }), "BAD_USER_INPUT"),
            (
                json!({ "query": "{ __typename }", "variables": [] }),
                "BAD_USER_INPUT",
            ),
            (
                json!({ "query": "{ a: __typename b: __typename }" }),
                "QUERY_TOO_COMPLEX",
            ),
            (json!({ "query": "[".repeat(2000) }), "QUERY_TOO_COMPLEX"),
        ] {
            socket
                .send(json!({ "type": "subscribe", "id": "x", "payload": payload }))
                .await;
            let error = socket.receive().await;
            assert_eq!(
                (&error["type"], &error["id"]),
                (&json!("error"), &json!("x")),
                "{error}"
            );
            assert_eq!(error["payload"][0]["extensions"]["code"], code, "{payload}");
        }
        // The socket stays open.
        socket.subscribe("y", "{ __typename }", json!({})).await;
        assert_eq!(
            socket.receive().await["payload"],
            json!({ "data": { "__typename": "Query" } })
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_is_closed_for_a_restart_when_the_server_stops() {
    on_sqlite(&[], async |app: TestApp| {
        let mut begun = Socket::begun(&app, Value::Null).await;
        let mut silent = open(&app, NEWER).await;
        let stopping = tokio::spawn({
            let app = app.clone();
            async move { app.stop().await }
        });
        assert_eq!(begun.close_code().await, 1012);
        assert_eq!(silent.close_code().await, 1012);
        stopping.await.expect("the server ends");
    })
    .await;
}
