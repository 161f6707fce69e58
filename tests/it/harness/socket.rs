//! A GraphQL over WebSocket client, message by message.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::TestApp;

/// Timeout of everything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket to `/graphql`.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a socket was rejected or closed.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    /// The status of a rejected upgrade.
    Status(u16),
}

impl Socket {
    /// Opens a socket without sending a message.
    pub(crate) async fn open(
        app: &TestApp,
        protocols: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        Self::open_at(app.address(), protocols, headers).await
    }

    /// Opens a socket to the server at an address.
    pub(crate) async fn open_at(
        address: SocketAddr,
        protocols: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let url = format!("ws://{address}/graphql");
        let mut request = url.into_client_request().expect("a request");
        let own = [("sec-websocket-protocol", protocols)];
        for (name, value) in own.iter().chain(headers) {
            let name: reqwest::header::HeaderName = name.parse().expect("a name");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a value"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(Refused::Status(response.status().as_u16())),
            Err(error) => panic!("no socket: {error}"),
        }
    }

    /// Opens a socket of the newer protocol and sends `connection_init`.
    pub(crate) async fn begun(app: &TestApp, payload: Value) -> Self {
        Self::begun_at(app.address(), payload).await
    }

    /// The same, to the server at an address.
    pub(crate) async fn begun_at(address: SocketAddr, payload: Value) -> Self {
        let opened = Self::open_at(address, "graphql-transport-ws", &[]).await;
        let mut socket = opened.expect("the upgrade is answered");
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    /// Sends any text.
    pub(crate) async fn send_text(&mut self, text: &str) {
        // If the socket was closed meanwhile, reading it shows why.
        let _ = self.0.send(Message::text(text)).await;
    }

    /// Starts an operation.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The next message; none once the connection has ended for any reason.
    pub(crate) async fn receive_while_open(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Ping(_) | Message::Pong(_) => {}
                _ => return None,
            }
        }
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Reads until the server closes the socket, and returns the code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a close frame has a code").code.into();
            }
        }
    }

    /// Closes the socket with a code, and returns the server's code.
    pub(crate) async fn close(&mut self, code: u16) -> u16 {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let sent = self.0.send(Message::Close(Some(frame))).await;
        sent.expect("the close frame is sent");
        let answered = self.close_code().await;
        let end = tokio::time::timeout(PATIENCE, self.0.next()).await;
        let end = end.expect("the server ends the connection");
        assert!(end.is_none(), "after the close frame: {end:?}");
        answered
    }

    async fn next(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await;
            let message = message.expect("the server says something");
            match message.expect("the socket is open").expect("it is whole") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}
