//! The messages of the two protocols of GraphQL over WebSocket: `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>) and the older `graphql-ws`
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::super::stream::to_json;
use crate::execution::reply::Reply;

/// The most bytes that `connection_init` and `ping` may carry: a token has 16 KiB at most.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// One of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `graphql-transport-ws`.
    TransportWs,
    /// `graphql-ws`, of before 2020.
    Legacy,
}

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Negotiated {
    /// Both sides know it.
    Agreed(Protocol),
    /// The client offered both, and the answer named `graphql-transport-ws`. Python's `gql` speaks the older one
    /// nevertheless: it looks up the answer's header by its exact case. So the first message that only one of the two
    /// protocols has decides.
    Either,
}

/// A message of the client, in either protocol.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// `connection_init`, perhaps with a token.
    Init(Option<Json>),
    /// An operation and its id; the payload is parsed when it is executed.
    Start {
        id: String,
        payload: Box<RawValue>,
    },
    /// Ends an operation.
    Stop {
        id: String,
    },
    Ping(Option<Json>),
    Pong,
    /// Ends the connection.
    Terminate,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

impl Negotiated {
    /// Chooses from the protocols that a client offers.
    pub(super) fn from_offers<'a>(offers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offers: Vec<_> = offers.map(str::trim).collect();
        let is_offered = |protocol: Protocol| offers.contains(&protocol.name());
        match (
            is_offered(Protocol::TransportWs),
            is_offered(Protocol::Legacy),
        ) {
            (true, true) => Some(Self::Either),
            (true, false) => Some(Self::Agreed(Protocol::TransportWs)),
            (false, true) => Some(Self::Agreed(Protocol::Legacy)),
            (false, false) => None,
        }
    }

    /// The protocol that the answer names, and that is spoken until the client shows that it speaks the other one.
    pub(super) const fn protocol(self) -> Protocol {
        match self {
            Self::Agreed(protocol) => protocol,
            Self::Either => Protocol::TransportWs,
        }
    }

    /// Parses a message. The error is the reason of the close frame.
    pub(super) fn read(&mut self, text: &str) -> Result<ClientMessage, String> {
        let message: Message =
            serde_json::from_str(text).map_err(|_| "Invalid message received".to_owned())?;
        if let (Self::Either, Some(protocol)) = (*self, Protocol::only_one_with(&message.kind)) {
            *self = Self::Agreed(protocol);
        }
        self.protocol().parse(message)
    }
}

impl Protocol {
    /// The protocol that a type of message belongs to, unless both have it.
    fn only_one_with(kind: &str) -> Option<Self> {
        match kind {
            "subscribe" | "complete" | "ping" | "pong" => Some(Self::TransportWs),
            "start" | "stop" | "connection_terminate" => Some(Self::Legacy),
            _ => None,
        }
    }

    /// Its name in `Sec-WebSocket-Protocol`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TransportWs => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }

    fn parse(self, message: Message) -> Result<ClientMessage, String> {
        let id = |id: Option<String>| {
            id.filter(|id| !id.is_empty())
                .ok_or_else(|| "Invalid message: `id` is missing".to_owned())
        };
        match (self, message.kind.as_str()) {
            (_, "connection_init") => Ok(ClientMessage::Init(any_payload(
                message.payload.as_deref(),
            )?)),
            (Self::TransportWs, "subscribe") | (Self::Legacy, "start") => {
                Ok(ClientMessage::Start {
                    id: id(message.id)?,
                    payload: message
                        .payload
                        .filter(|payload| payload.get().starts_with('{'))
                        .ok_or_else(|| "Invalid message: `payload` is missing".to_owned())?,
                })
            }
            (Self::TransportWs, "complete") | (Self::Legacy, "stop") => Ok(ClientMessage::Stop {
                id: id(message.id)?,
            }),
            (Self::TransportWs, "ping") => Ok(ClientMessage::Ping(any_payload(
                message.payload.as_deref(),
            )?)),
            (Self::TransportWs, "pong") => Ok(ClientMessage::Pong),
            (Self::Legacy, "connection_terminate") => Ok(ClientMessage::Terminate),
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

    fn read(protocol: Protocol, text: &str) -> Result<ClientMessage, String> {
        Negotiated::Agreed(protocol).read(text)
    }

    #[test]
    fn the_protocol_is_one_that_is_offered() {
        for (offers, expected) in [
            (
                "graphql-transport-ws",
                Some(Negotiated::Agreed(Protocol::TransportWs)),
            ),
            ("graphql-ws", Some(Negotiated::Agreed(Protocol::Legacy))),
            (
                "graphql-ws,graphql-ws",
                Some(Negotiated::Agreed(Protocol::Legacy)),
            ),
            ("graphql-ws, graphql-transport-ws", Some(Negotiated::Either)),
            (
                "soap, graphql-ws",
                Some(Negotiated::Agreed(Protocol::Legacy)),
            ),
            ("soap", None),
            ("", None),
        ] {
            let negotiated = Negotiated::from_offers(offers.split(','));
            assert_eq!(negotiated, expected, "{offers}");
        }
    }

    const INIT: &str = r#"{"type":"connection_init"}"#;
    const SUBSCRIBE: &str = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#;
    const START: &str = r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#;

    #[test]
    fn messages_of_the_other_protocol_are_invalid() {
        assert!(read(Protocol::TransportWs, SUBSCRIBE).is_ok());
        assert!(read(Protocol::TransportWs, START).is_err());
        assert!(read(Protocol::Legacy, START).is_ok());
        assert!(read(Protocol::Legacy, SUBSCRIBE).is_err());
    }

    #[test]
    fn the_first_message_of_a_client_that_offered_both_decides() {
        for (text, protocol) in [
            (SUBSCRIBE, Protocol::TransportWs),
            (r#"{"type":"ping"}"#, Protocol::TransportWs),
            (START, Protocol::Legacy),
            (r#"{"type":"connection_terminate"}"#, Protocol::Legacy),
        ] {
            let mut negotiated = Negotiated::Either;
            for text in [INIT, text] {
                assert!(negotiated.read(text).is_ok(), "{text}");
            }
            assert_eq!(negotiated, Negotiated::Agreed(protocol), "{text}");
            // There is no way back.
            let is_legacy = protocol == Protocol::Legacy;
            assert_eq!(negotiated.read(START).is_ok(), is_legacy, "{text}");
            assert_eq!(negotiated.read(SUBSCRIBE).is_ok(), !is_legacy, "{text}");
        }
    }

    #[test]
    fn payloads_that_may_hold_anything_are_bounded() {
        for kind in ["connection_init", "ping"] {
            let message = |bytes: usize| {
                let text = "x".repeat(bytes - 2);
                format!(r#"{{"type":"{kind}","payload":"{text}"}}"#)
            };
            let read = |bytes| read(Protocol::TransportWs, &message(bytes));
            assert!(read(MAX_PAYLOAD_BYTES).is_ok());
            let refused = read(MAX_PAYLOAD_BYTES + 1).expect_err(kind);
            assert!(refused.contains("65537 bytes, of 65536"), "{refused}");
        }
    }

    #[test]
    fn invalid_messages_are_refused() {
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
            assert!(read(Protocol::TransportWs, text).is_err(), "{text}");
        }
    }
}
