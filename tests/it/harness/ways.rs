//! All transports of an operation.

use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::{Reply, Socket, TestApp};

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// The body of a POST.
    Post,
    /// The query string of a GET.
    Get,
    /// An entry of a JSON array.
    Batch,
    /// A POST, answered as server-sent events.
    EventStream,
    /// A POST, answered as multipart.
    Multipart,
    /// A message of `graphql-transport-ws`.
    WebSocket,
    /// A message of the older `graphql-ws`.
    LegacyWebSocket,
}

impl Way {
    /// All transports.
    pub(crate) const ALL: [Self; 7] = [
        Self::Post,
        Self::Get,
        Self::Batch,
        Self::EventStream,
        Self::Multipart,
        Self::WebSocket,
        Self::LegacyWebSocket,
    ];

    /// Sends a request's parameters, and returns the first reply: `data`, or `errors`, or both.
    pub(crate) async fn ask(self, app: &TestApp, parameters: &Value) -> Value {
        match self {
            Self::Post => post(app, "application/json", parameters).await,
            Self::Get => get(app, parameters).await,
            Self::Batch => {
                let mut replies = post(app, "application/json", &json!([parameters])).await;
                replies[0].take()
            }
            Self::EventStream => {
                let body = post(app, "text/event-stream", parameters).await;
                between(&body, "event: next\ndata: ", "\n")
            }
            Self::Multipart => {
                let body = post(app, "multipart/mixed", parameters).await;
                let mut part = between(&body, "Content-Type: application/json\r\n\r\n", "\r\n");
                part["payload"].take()
            }
            Self::WebSocket => socket(app, "graphql-transport-ws", "subscribe", parameters).await,
            Self::LegacyWebSocket => socket(app, "graphql-ws", "start", parameters).await,
        }
    }
}

async fn post(app: &TestApp, accept: &str, body: &Value) -> Value {
    let request = app.client().post(format!("{}/graphql", app.url()));
    let response = request.header(ACCEPT, accept).json(body).send().await;
    Reply::read(response.expect("the server answers"))
        .await
        .body
}

async fn get(app: &TestApp, parameters: &Value) -> Value {
    let mut url = url::Url::parse(&format!("{}/graphql", app.url())).expect("a URL");
    for (name, value) in parameters.as_object().expect("parameters") {
        let text = value.as_str().map(ToOwned::to_owned);
        let text = text.unwrap_or_else(|| value.to_string());
        url.query_pairs_mut().append_pair(name, &text);
    }
    let response = app.client().get(url).send().await;
    Reply::read(response.expect("the server answers"))
        .await
        .body
}

/// The JSON in a text body.
fn between(body: &Value, before: &str, after: &str) -> Value {
    let text = body.as_str().unwrap_or_else(|| panic!("no stream: {body}"));
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no reply: {text}"));
    let (json, _) = rest.split_once(after).expect("an end");
    serde_json::from_str(json).expect("JSON")
}

async fn socket(app: &TestApp, protocol: &str, start: &str, parameters: &Value) -> Value {
    let opened = Socket::open(app, protocol, &[]).await;
    let mut socket = opened.expect("the upgrade is answered");
    socket.send(json!({ "type": "connection_init" })).await;
    socket
        .send(json!({ "type": start, "id": "1", "payload": parameters }))
        .await;
    loop {
        let mut message = socket.receive().await;
        match message["type"].as_str() {
            Some("next" | "data") => return message["payload"].take(),
            // A list of errors in the newer protocol, one error in the older.
            Some("error") => {
                let errors = match message["payload"].take() {
                    Value::Array(errors) => errors,
                    error => vec![error],
                };
                return json!({ "errors": errors });
            }
            _ => {}
        }
    }
}
