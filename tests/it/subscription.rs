//! Live changes as clients receive them: over WebSocket, as server-sent events and as multipart.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use macro_rules_attribute::apply;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::token::{authorization, now, user_claims};
use crate::harness::{Program, Socket, TestApp, TestDatabase, each_database, image_url};

const FOLLOW: &str = "subscription($after: String) { galleryEvents(after: $after) { type imageId cursor image { userId } } }";

/// The body of a response, block by block.
struct Blocks {
    body: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
    separator: &'static str,
}

impl Blocks {
    async fn open(
        app: &TestApp,
        accept: &'static str,
        headers: &[(&str, &str)],
        after: Option<&str>,
    ) -> Self {
        // Like a browser's EventSource.
        let mut url = url::Url::parse(&format!("{}/graphql", app.url())).expect("a URL");
        let variables = json!({ "after": after }).to_string();
        url.query_pairs_mut()
            .extend_pairs([("query", FOLLOW), ("variables", &variables)]);
        let mut request = app.client().get(url).header(ACCEPT, accept);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        let content_type = response.headers()[CONTENT_TYPE].to_str().expect("text");
        let is_as_accepted = content_type.starts_with(accept.split(';').next().expect("a type"));
        assert!(is_as_accepted, "{content_type}");
        Self {
            body: response
                .bytes_stream()
                .map(|bytes| bytes.map(|bytes| bytes.to_vec()))
                .boxed(),
            text: String::new(),
            separator: if accept.starts_with("text/event-stream") {
                "\n\n"
            } else {
                "\r\n--graphql"
            },
        }
    }

    /// The next non-empty block; none at the end of the body.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once(self.separator) {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if !block.trim_matches([':', '\r', '\n']).is_empty() {
                    return Some(block);
                }
                continue;
            }
            let bytes = tokio::time::timeout(Duration::from_secs(30), self.body.next()).await;
            let bytes = bytes
                .expect("the server sends something")?
                .expect("it is whole");
            self.text += &String::from_utf8(bytes).expect("text");
        }
    }

    /// The next server-sent event: its id, and the gallery's event.
    async fn event(&mut self) -> (String, Value) {
        let block = self.next().await.expect("an event");
        let field = |name: &str| {
            let value = block.lines().find_map(|line| line.strip_prefix(name));
            value
                .unwrap_or_else(|| panic!("no {name} in {block}"))
                .to_owned()
        };
        assert_eq!(field("event: "), "next");
        let mut reply: Value = serde_json::from_str(&field("data: ")).expect("JSON");
        (field("id: "), reply["data"]["galleryEvents"].take())
    }
}

/// The gallery's event in the next message of a socket.
async fn event(socket: &mut Socket) -> Value {
    let mut message = socket.receive().await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["galleryEvents"].take()
}

#[apply(each_database!)]
async fn a_socket_receives_the_backlog_and_then_live_events(app: TestApp) {
    let alice = app.user("alice");
    let first = alice.create_image().await;
    let mut socket = Socket::begun(&app, Value::Null).await;
    socket
        .subscribe("all", FOLLOW, json!({ "after": "" }))
        .await;
    let seen = event(&mut socket).await;
    assert_eq!(
        (&seen["type"], &seen["imageId"]),
        (&json!("CREATED"), &json!(first))
    );
    assert_eq!(seen["image"], json!({ "userId": "alice" }));
    let second = alice.create_image().await;
    let live = event(&mut socket).await;
    assert_eq!(live["imageId"], json!(second));
    // Another one on the same socket, from a cursor.
    socket
        .subscribe("rest", FOLLOW, json!({ "after": seen["cursor"] }))
        .await;
    assert_eq!(event(&mut socket).await["cursor"], live["cursor"]);
    socket
        .send(json!({ "type": "complete", "id": "all" }))
        .await;
    app.run(
        "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }",
        json!({ "id": first }),
    )
    .await;
    let message = socket.receive().await;
    assert_eq!(message["id"], "rest", "{message}");
    assert_eq!(
        message["payload"]["data"]["galleryEvents"]["type"],
        "PURGED"
    );
    assert_eq!(
        message["payload"]["data"]["galleryEvents"]["image"],
        Value::Null
    );
}

#[apply(each_database!)]
async fn an_id_in_use_and_too_many_operations_close_the_socket(app: TestApp) {
    let mut socket = Socket::begun(&app, Value::Null).await;
    for _ in 0..2 {
        socket.subscribe("a", FOLLOW, json!({})).await;
    }
    assert_eq!(socket.close_code().await, 4409);
    let mut socket = Socket::begun(&app, Value::Null).await;
    for number in 0..51 {
        socket
            .subscribe(&number.to_string(), FOLLOW, json!({}))
            .await;
    }
    assert_eq!(socket.close_code().await, 4429);
}

#[apply(each_database!)]
async fn an_event_source_resumes_by_the_id_of_the_last_event(app: TestApp) {
    let alice = app.user("alice");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(alice.create_image().await);
    }
    let mut events = Blocks::open(&app, "text/event-stream", &[], Some("")).await;
    let (id, event) = events.event().await;
    assert_eq!(
        (&event["imageId"], &event["cursor"]),
        (&json!(ids[0]), &json!(id))
    );
    drop(events);
    // It overrides the argument, which an EventSource repeats unchanged. An empty one is ignored.
    let mut events = Blocks::open(
        &app,
        "text/event-stream",
        &[("last-event-id", "")],
        Some(&id),
    )
    .await;
    assert_eq!(events.event().await.1["imageId"], json!(ids[1]));
    let mut events = Blocks::open(
        &app,
        "text/event-stream",
        &[("last-event-id", &id)],
        Some(""),
    )
    .await;
    for expected in &ids[1..] {
        assert_eq!(events.event().await.1["imageId"], json!(expected));
    }
    let live = alice.create_image().await;
    assert_eq!(events.event().await.1["imageId"], json!(live));
    // An invalid cursor is an error: otherwise the client would miss events.
    for headers in [
        vec![("last-event-id", "nonsense")],
        vec![("last-event-id", "\u{e9}")],
        vec![("last-event-id", &*ids[0]), ("last-event-id", &*ids[1])],
    ] {
        let mut events = Blocks::open(&app, "text/event-stream", &headers, Some("")).await;
        let refused = events.next().await.expect("a reply");
        assert!(refused.contains("BAD_USER_INPUT"), "{headers:?}: {refused}");
    }
}

#[apply(each_database!)]
async fn a_multipart_part_is_followed_by_its_boundary(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let mut parts = Blocks::open(&app, "multipart/mixed;subscriptionSpec=1.0", &[], Some("")).await;
    let part = parts.next().await.expect("a part");
    let (head, body) = part.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("application/json"), "{part}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        body["payload"]["data"]["galleryEvents"]["imageId"],
        json!(id)
    );
}

#[apply(each_database!)]
async fn streams_are_cut_at_shutdown_so_that_clients_reconnect(app: TestApp) {
    let mut socket = Socket::begun(&app, Value::Null).await;
    socket.subscribe("a", FOLLOW, json!({})).await;
    let mut events = Blocks::open(&app, "text/event-stream", &[], None).await;
    app.restart().await;
    assert_eq!(socket.close_code().await, 1012);
    assert_eq!(events.next().await, None, "no completion");
    // Resuming misses nothing that happened meanwhile.
    let id = app.user("alice").create_image().await;
    let mut events = Blocks::open(&app, "text/event-stream", &[], Some("")).await;
    assert_eq!(events.event().await.1["imageId"], json!(id));
}

#[apply(each_database!)]
async fn a_stalled_client_does_not_prevent_the_shutdown(app: TestApp) {
    let alice = app.user("alice");
    // More than all buffers between the two hold.
    let metadata = json!({ "text": "x".repeat(60_000) });
    for _ in 0..100 {
        alice.create(json!({ "metadata": metadata })).await;
    }
    let query = "subscription { galleryEvents(after: \"\") { image { metadata } again: image { metadata } more: image { metadata } } }";
    let request = app
        .client()
        .post(format!("{}/graphql", app.url()))
        .header(ACCEPT, "text/event-stream");
    let stream = request
        .json(&json!({ "query": query }))
        .send()
        .await
        .expect("the server answers");
    let mut socket = Socket::begun(&app, Value::Null).await;
    for number in 0..3 {
        socket
            .subscribe(&number.to_string(), query, json!({}))
            .await;
    }
    assert_eq!(socket.receive().await["type"], "next");
    let started = std::time::Instant::now();
    app.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    drop(stream);
}

#[apply(each_database!)]
async fn a_message_that_is_too_large_closes_the_socket_with_a_code(app: TestApp) {
    let mut socket = Socket::begun(&app, Value::Null).await;
    socket.send_text(&" ".repeat(9_000_000)).await;
    assert_eq!(socket.close_code().await, 4400);
}

#[apply(each_database!)]
async fn a_failed_start_of_a_subscription_is_reported(app: TestApp) {
    let mut socket = Socket::begun(&app, Value::Null).await;
    socket
        .subscribe("a", FOLLOW, json!({ "after": "nonsense" }))
        .await;
    let error = socket.receive().await;
    assert_eq!(error["type"], "error", "{error}");
    assert_eq!(error["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let ask = async |accept: &str| {
        let body = json!({ "query": FOLLOW, "variables": { "after": "nonsense" } });
        let request = app
            .client()
            .post(format!("{}/graphql", app.url()))
            .header(ACCEPT, accept);
        let response = request.json(&body).send().await.expect("an answer");
        (
            response.status().as_u16(),
            response.text().await.expect("a body"),
        )
    };
    let (status, body) = ask("text/event-stream").await;
    assert!(
        status == 200
            && body.contains("BAD_USER_INPUT")
            && body.ends_with("event: complete\ndata:\n\n"),
        "{status} {body}"
    );
    let (status, body) = ask("multipart/mixed").await;
    assert!(
        status == 200 && body.contains("BAD_USER_INPUT") && body.ends_with("--graphql--\r\n"),
        "{status} {body}"
    );
    let (status, body) = ask("application/json").await;
    assert!(
        status == 200 && body.contains("BAD_USER_INPUT"),
        "{status} {body}"
    );
}

/// Creates images until the server is gone; returns the acknowledged ids.
async fn create_until_the_end(address: SocketAddr) -> Vec<String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let mut acknowledged = Vec::new();
    loop {
        let id = uuid::Uuid::new_v4().to_string();
        let query = "mutation($i: CreateImageInput!) { createImage(input: $i) { created } }";
        let input = json!({ "userId": "alice", "imageUrl": image_url(&id) });
        let request = client.post(format!("http://{address}/graphql"));
        let request = request.json(&json!({ "query": query, "variables": { "i": input } }));
        let Ok(response) = request.send().await else {
            return acknowledged;
        };
        let Ok(reply) = response.json::<Value>().await else {
            return acknowledged;
        };
        assert_eq!(reply["data"]["createImage"]["created"], true, "{reply}");
        acknowledged.push(id);
    }
}

#[apply(each_database!)]
async fn no_acknowledged_change_is_lost_or_duplicated_when_the_server_is_killed(
    database: TestDatabase,
) {
    let program = Program::new().with("DATABASE_URL", &database.url());
    program.run(&["migrate", "up"]).await.expect_success();
    let (mut acknowledged, mut seen, mut cursor) = (HashSet::new(), Vec::new(), String::new());
    for _ in 0..3 {
        let server = program.serve().await;
        let writers: Vec<_> = (0..4)
            .map(|_| tokio::spawn(create_until_the_end(server.address())))
            .collect();
        let mut socket = Socket::begun_at(server.address(), Value::Null).await;
        socket
            .subscribe("a", FOLLOW, json!({ "after": cursor }))
            .await;
        let enough = seen.len() + 50;
        while seen.len() < enough {
            let event = event(&mut socket).await;
            event["cursor"]
                .as_str()
                .expect("a cursor")
                .clone_into(&mut cursor);
            seen.push(event["imageId"].as_str().expect("an id").to_owned());
        }
        server.kill();
        // Events in flight count too: the next round resumes after them.
        while let Some(message) = socket.receive_while_open().await {
            let event = &message["payload"]["data"]["galleryEvents"];
            event["cursor"]
                .as_str()
                .expect("a cursor")
                .clone_into(&mut cursor);
            seen.push(event["imageId"].as_str().expect("an id").to_owned());
        }
        for writer in writers {
            acknowledged.extend(writer.await.expect("the writer ends"));
        }
    }
    let server = program.serve().await;
    let mut socket = Socket::begun_at(server.address(), Value::Null).await;
    socket
        .subscribe("a", FOLLOW, json!({ "after": cursor }))
        .await;
    let stored = database
        .db_query_text("SELECT CAST(count(*) AS text) FROM image_gallery")
        .await;
    let stored: usize = stored.expect("a count").parse().expect("a number");
    while seen.len() < stored {
        seen.push(
            event(&mut socket).await["imageId"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    let distinct: HashSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "some came twice");
    assert!(
        acknowledged.len() > 100 && acknowledged.is_subset(&distinct),
        "some were lost"
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_subscriber_sees_no_other_owners_events(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut socket = Socket::begun(
        &app,
        json!({ "Authorization": authorization(&user_claims("alice")) }),
    )
    .await;
    socket.subscribe("a", FOLLOW, json!({ "after": "" })).await;
    let bobs = bob.create_image().await;
    let own = alice.create_image().await;
    assert_eq!(event(&mut socket).await["imageId"], json!(own));
    for filter in ["userId: \"bob\"", "userId: \"bob\", types: [CREATED]"] {
        socket
            .subscribe(
                "b",
                &format!("subscription {{ galleryEvents({filter}) {{ imageId }} }}"),
                json!({}),
            )
            .await;
        let error = socket.receive().await;
        assert_eq!(
            error["payload"][0]["extensions"]["code"], "FORBIDDEN",
            "{error}"
        );
    }
    let of_bobs_image =
        "subscription($id: ID!) { galleryEvents(imageId: $id, after: \"\") { imageId } }";
    socket
        .subscribe("c", of_bobs_image, json!({ "id": bobs }))
        .await;
    bob.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": bobs }),
    )
    .await;
    let last = alice.create_image().await;
    let message = socket.receive().await;
    assert_eq!(
        (
            &message["id"],
            &message["payload"]["data"]["galleryEvents"]["imageId"]
        ),
        (&json!("a"), &json!(last))
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_socket_requires_a_token_and_closes_when_it_expires(app: TestApp) {
    for payload in [
        Value::Null,
        json!({}),
        json!({ "Authorization": "Bearer nonsense" }),
    ] {
        let mut socket = Socket::open(&app, "graphql-transport-ws", &[])
            .await
            .expect("an upgrade");
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.close_code().await, 4403, "{payload}");
    }
    let token = authorization(&user_claims("alice"));
    let by_header = [("authorization", token.as_str())];
    let mut socket = Socket::open(&app, "graphql-transport-ws", &by_header)
        .await
        .expect("an upgrade");
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
    let mut claims = user_claims("alice");
    claims["exp"] = json!(now() + 2);
    let mut socket = Socket::begun(
        &app,
        json!({ "headers": { "authorization": authorization(&claims) } }),
    )
    .await;
    socket.subscribe("a", FOLLOW, json!({})).await;
    assert_eq!(socket.close_code().await, 4403);
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_stream_without_a_token_is_401(app: TestApp) {
    for accept in ["text/event-stream", "multipart/mixed"] {
        let request = app
            .client()
            .post(format!("{}/graphql", app.url()))
            .header(ACCEPT, accept);
        let response = request
            .json(&json!({ "query": FOLLOW }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 401);
        assert!(
            response.headers()[CONTENT_TYPE]
                .to_str()
                .is_ok_and(|kind| kind.starts_with("application/json"))
        );
    }
    let request = app
        .client()
        .post(format!("{}/graphql", app.url()))
        .header(ACCEPT, "text/event-stream");
    let request = request.header(AUTHORIZATION, authorization(&user_claims("alice")));
    let response = request
        .json(&json!({ "query": FOLLOW }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
}
