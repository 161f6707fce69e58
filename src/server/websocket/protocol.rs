//! The two protocols of GraphQL over WebSocket, as messages: `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>) and its forerunner `graphql-ws`
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::super::stream::to_json;
use crate::execution::reply::Reply;

/// The most bytes that `connection_init` and `ping` may carry: a token has 16 KiB at most.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Which of the two is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `graphql-transport-ws`.
    TransportWs,
    /// `graphql-ws`, of before 2020.
    Legacy,
}

/// What a client says, in either protocol.
#[derive(Debug)]
pub(super) enum Said {
    /// The first message, with a token perhaps.
    Init(Option<Json>),
    /// An operation, to be answered under an id; its payload is read when it is executed.
    Start {
        id: String,
        payload: Box<RawValue>,
    },
    /// The client has enough of an operation.
    Stop {
        id: String,
    },
    Ping(Option<Json>),
    Pong,
    /// The client wants to go.
    Terminate,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::TransportWs, Self::Legacy];

    /// Its name in `Sec-WebSocket-Protocol`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TransportWs => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }

    /// The newer one of those that a client offers.
    pub(super) fn of_offers<'a>(offers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut offered = [false; 2];
        for offer in offers {
            for (protocol, offered) in Self::ALL.iter().zip(&mut offered) {
                *offered |= protocol.name() == offer.trim();
            }
        }
        let found = Self::ALL
            .into_iter()
            .zip(offered)
            .find(|(_, offered)| *offered);
        found.map(|(protocol, _)| protocol)
    }

    /// Reads a message; what is wrong with it is told in the close frame.
    pub(super) fn read(self, text: &str) -> Result<Said, String> {
        let message: Message =
            serde_json::from_str(text).map_err(|_| "Invalid message received".to_owned())?;
        let id = |id: Option<String>| {
            id.filter(|id| !id.is_empty())
                .ok_or_else(|| "Invalid message: `id` is missing".to_owned())
        };
        match (self, message.kind.as_str()) {
            (_, "connection_init") => Ok(Said::Init(any_payload(message.payload.as_deref())?)),
            (Self::TransportWs, "subscribe") | (Self::Legacy, "start") => Ok(Said::Start {
                id: id(message.id)?,
                payload: message
                    .payload
                    .filter(|payload| payload.get().starts_with('{'))
                    .ok_or_else(|| "Invalid message: `payload` is missing".to_owned())?,
            }),
            (Self::TransportWs, "complete") | (Self::Legacy, "stop") => Ok(Said::Stop {
                id: id(message.id)?,
            }),
            (Self::TransportWs, "ping") => Ok(Said::Ping(any_payload(message.payload.as_deref())?)),
            (Self::TransportWs, "pong") => Ok(Said::Pong),
            (Self::Legacy, "connection_terminate") => Ok(Said::Terminate),
            (_, kind) => Err(format!("Invalid message type: {kind}")),
        }
    }

    /// The connection is accepted.
    pub(super) fn ack() -> String {
        json!({ "type": "connection_ack" }).to_string()
    }

    /// An answer to a ping.
    pub(super) fn pong(payload: Option<&Json>) -> String {
        match payload {
            Some(payload) => json!({ "type": "pong", "payload": payload }).to_string(),
            None => json!({ "type": "pong" }).to_string(),
        }
    }

    /// What the older protocol sends so that a silent connection is known to live.
    pub(super) fn heartbeat(self) -> Option<String> {
        match self {
            Self::TransportWs => None,
            Self::Legacy => Some(json!({ "type": "ka" }).to_string()),
        }
    }

    /// One result of an operation.
    pub(super) fn next(self, id: &str, reply: &Reply) -> String {
        let kind = match self {
            Self::TransportWs => "next",
            Self::Legacy => "data",
        };
        with_payload(kind, id, &to_json(reply))
    }

    /// An operation that failed before it was executed: its end. The message has no place for the operation's cost but in
    /// its errors.
    pub(super) fn error(self, id: &str, reply: &Reply) -> String {
        let mut errors = json!(reply.errors());
        if let Some(cost) = reply.shown_cost() {
            for error in errors.as_array_mut().into_iter().flatten() {
                error["extensions"]["cost"] = json!(cost);
            }
        }
        match self {
            Self::TransportWs => with_payload("error", id, &errors.to_string()),
            Self::Legacy => with_payload("error", id, &errors[0].to_string()),
        }
    }

    /// The end of an operation.
    pub(super) fn complete(id: &str) -> String {
        json!({ "type": "complete", "id": id }).to_string()
    }
}

/// A payload that may hold anything. What is built of it takes many times its bytes, so there may be only so many.
fn any_payload(payload: Option<&RawValue>) -> Result<Option<Json>, String> {
    let Some(payload) = payload else {
        return Ok(None);
    };
    let bytes = payload.get().len();
    if bytes > MAX_PAYLOAD_BYTES {
        return Err(format!(
            "Invalid message: its payload has {bytes} bytes, of {MAX_PAYLOAD_BYTES} that are allowed"
        ));
    }
    Ok(serde_json::from_str(payload.get()).ok())
}

/// The payload is JSON already.
fn with_payload(kind: &str, id: &str, payload: &str) -> String {
    format!(
        r#"{{"type":"{kind}","id":{},"payload":{payload}}}"#,
        Json::from(id)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_of_the_offered_protocols_is_spoken() {
        for (offers, expected) in [
            ("graphql-transport-ws", Some(Protocol::TransportWs)),
            ("graphql-ws", Some(Protocol::Legacy)),
            (
                "graphql-ws, graphql-transport-ws",
                Some(Protocol::TransportWs),
            ),
            ("soap, graphql-ws", Some(Protocol::Legacy)),
            ("soap", None),
            ("", None),
        ] {
            assert_eq!(Protocol::of_offers(offers.split(',')), expected, "{offers}");
        }
    }

    #[test]
    fn messages_of_the_other_protocol_are_invalid() {
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#;
        let start = r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#;
        assert!(Protocol::TransportWs.read(subscribe).is_ok());
        assert!(Protocol::TransportWs.read(start).is_err());
        assert!(Protocol::Legacy.read(start).is_ok());
        assert!(Protocol::Legacy.read(subscribe).is_err());
    }

    #[test]
    fn payloads_that_may_hold_anything_are_bounded() {
        for kind in ["connection_init", "ping"] {
            let message = |bytes: usize| {
                let text = "x".repeat(bytes - 2);
                format!(r#"{{"type":"{kind}","payload":"{text}"}}"#)
            };
            let read = |bytes| Protocol::TransportWs.read(&message(bytes));
            assert!(read(MAX_PAYLOAD_BYTES).is_ok());
            let refused = read(MAX_PAYLOAD_BYTES + 1).expect_err(kind);
            assert!(refused.contains("65537 bytes, of 65536"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_message_is_told() {
        for text in [
            "",
            "{",
            "[]",
            "1",
            r#"{"id":"1"}"#,
            r#"{"type":1}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":[]}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"next"}"#,
        ] {
            assert!(Protocol::TransportWs.read(text).is_err(), "{text}");
        }
    }
}
