//! A client that follows the trail through nginx, and resumes from its cursor after each disconnect.

use serde_json::{Value, json};

use super::topology::Topology;
use crate::harness::{Socket, eventually, token};

const FOLLOW: &str =
    "subscription($after: String) { galleryEvents(after: $after) { cursor imageId } }";

/// The transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    WebSocket,
    ServerSentEvents,
}

/// An open subscription.
enum Stream {
    Socket(Box<Socket>),
    Response {
        response: reqwest::Response,
        /// The beginning of an incomplete line.
        rest: String,
    },
}

/// A subscriber, with the events it has received.
pub(super) struct Follower {
    pub(super) way: Way,
    /// The images of the events, in order.
    pub(super) seen: Vec<String>,
    /// The number of disconnects.
    pub(super) cuts: usize,
    cursor: String,
    stream: Stream,
}

impl Follower {
    /// Subscribes after a cursor.
    pub(super) async fn start(topology: &Topology, way: Way, cursor: &str) -> Self {
        let stream = Stream::open(topology, way, cursor).await;
        Self {
            way,
            seen: Vec::new(),
            cuts: 0,
            cursor: cursor.to_owned(),
            stream: stream.expect("nginx has a server to go to"),
        }
    }

    /// Follows until it has received this many events.
    pub(super) async fn see(mut self, topology: &Topology, events: usize) -> Self {
        while self.seen.len() < events {
            if let Some(event) = self.stream.next().await {
                event["cursor"]
                    .as_str()
                    .expect("a cursor")
                    .clone_into(&mut self.cursor);
                let image = event["imageId"].as_str().expect("an id");
                self.seen.push(image.to_owned());
                continue;
            }
            self.cuts += 1;
            let (way, cursor) = (self.way, &self.cursor);
            self.stream = eventually("it may come back", async || {
                Stream::open(topology, way, cursor).await
            })
            .await;
        }
        self
    }
}

impl Stream {
    /// `None` if no server is available.
    async fn open(topology: &Topology, way: Way, cursor: &str) -> Option<Self> {
        match way {
            Way::WebSocket => Self::socket(topology, cursor).await,
            Way::ServerSentEvents => Self::events(topology, cursor).await,
        }
    }

    async fn socket(topology: &Topology, cursor: &str) -> Option<Self> {
        let address = topology.nginx.address();
        let opened = Socket::open_at(address, "graphql-transport-ws", &[]).await;
        let mut socket = opened.ok()?;
        let payload = json!({ "Authorization": authorization() });
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        let answer = socket.receive_while_open().await?;
        assert_eq!(answer, json!({ "type": "connection_ack" }));
        let variables = json!({ "after": cursor });
        socket.subscribe("1", FOLLOW, variables).await;
        Some(Self::Socket(Box::new(socket)))
    }

    /// Like a browser's `EventSource`, which reconnects with the last `id:`.
    async fn events(topology: &Topology, cursor: &str) -> Option<Self> {
        let url = topology.url("/graphql");
        let url = url::Url::parse_with_params(&url, [("query", FOLLOW)]).expect("a URL");
        let client = reqwest::Client::builder().no_proxy().build();
        let request = client.expect("an HTTP client").get(url);
        let request = request
            .header("authorization", authorization())
            .header("accept", "text/event-stream")
            .header("last-event-id", cursor);
        let response = request.send().await.ok()?;
        (response.status() == 200).then_some(Self::Response {
            response,
            rest: String::new(),
        })
    }

    /// The next event; `None` once disconnected.
    async fn next(&mut self) -> Option<Value> {
        match self {
            Self::Socket(socket) => {
                let mut message = socket.receive_while_open().await?;
                assert_eq!(message["type"], "next", "{message}");
                Some(message["payload"]["data"]["galleryEvents"].take())
            }
            Self::Response { response, rest } => loop {
                while let Some(end) = rest.find('\n') {
                    let line: String = rest.drain(..=end).collect();
                    let data = line.trim_end().strip_prefix("data: ");
                    if let Some(data) = data {
                        let mut reply: Value = serde_json::from_str(data).expect("JSON");
                        assert_eq!(reply.get("errors"), None, "{reply}");
                        return Some(reply["data"]["galleryEvents"].take());
                    }
                }
                let chunk = response.chunk().await.ok()??;
                rest.push_str(&String::from_utf8_lossy(&chunk));
            },
        }
    }
}

/// The program `worker`, with access to all images.
pub(super) fn authorization() -> String {
    format!("Bearer {}", token::SERVICE_TOKEN)
}
