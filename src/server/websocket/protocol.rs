//! The messages of the two protocols of GraphQL over WebSocket: `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>) and the older `graphql-ws`
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::super::stream::to_json;
use crate::execution::reply::Reply;

/// Maximum payload of `connection_init` and `ping`: a token has at most 16 KiB.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// One of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `graphql-transport-ws`.
    TransportWs,
    /// `graphql-ws`, from before 2020.
    Legacy,
}

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Negotiated {
    /// Agreed in the upgrade.
    Agreed(Protocol),
    /// The client offered both, and the response named `graphql-transport-ws`. Python's `gql` uses the older one
    /// anyway, because it looks up the response header case-sensitively. So the first message that exists in only one
    /// of the protocols decides.
    Either,
}

/// A client's message, in either protocol.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// `connection_init`, optionally with a token.
    Init(Option<Json>),
    /// An operation and its id; the payload is parsed on execution.
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
    /// Selects one of the client's protocols.
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

    /// The protocol named in the response, used until the client turns out to use the other one.
    pub(super) const fn protocol(self) -> Protocol {
        match self {
            Self::Agreed(protocol) => protocol,
            Self::Either => Protocol::TransportWs,
        }
    }

    /// Parses a message. The error is the reason in the close frame.
    pub(super) fn read(&mut self, text: &str) -> Result<ClientMessage, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let message: Message =
            serde_json::from_str(text).map_err(|_| "Invalid message received".to_owned())?;
        if let (Self::Either, Some(protocol)) = (*self, Protocol::only_one_with(&message.kind)) {
            *self = Self::Agreed(protocol);
        }
        self.protocol().parse(message)
    }
}

impl Protocol {
    /// The protocol of a message type, unless both have it.
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

    /// Accepts the connection.
    pub(super) fn ack() -> String {
        json!({ "type": "connection_ack" }).to_string()
    }

    /// The response to a ping.
    pub(super) fn pong(payload: Option<&Json>) -> String {
        match payload {
            Some(payload) => json!({ "type": "pong", "payload": payload }).to_string(),
            None => json!({ "type": "pong" }).to_string(),
        }
    }

    /// The older protocol's keep-alive message.
    pub(super) fn heartbeat(self) -> Option<String> {
        match self {
            Self::TransportWs => None,
            Self::Legacy => Some(json!({ "type": "ka" }).to_string()),
        }
    }

    /// A result of an operation.
    pub(super) fn next(self, id: &str, reply: &Reply) -> String {
        let kind = match self {
            Self::TransportWs => "next",
            Self::Legacy => "data",
        };
        with_payload(kind, id, &to_json(reply))
    }

    /// The error and end of an operation that was not executed. The message has no other place for the operation's cost
    /// than its errors.
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

/// An arbitrary payload. Limited in size, because parsed JSON takes many times the memory.
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

/// The payload is already JSON.
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
            // The decision is final.
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
