//! Streams the replies of an operation in one HTTP response: as server-sent events
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>, distinct connections) or as multipart
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
//!
//! The body is written only as fast as the client reads it, and data is loaded only when it can be written.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep_until};

use crate::execution::reply::{Reply, StreamItem};

/// Keep-alive interval: proxies close silent connections.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How replies are framed in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// `text/event-stream`.
    EventStream,
    /// `multipart/mixed`.
    Multipart,
}

impl Framing {
    /// Value of `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::EventStream => "text/event-stream; charset=utf-8",
            Self::Multipart => "multipart/mixed; boundary=graphql; subscriptionSpec=1.0",
        }
    }

    /// Sent first, so that the client knows that it is connected.
    fn opening(self) -> &'static str {
        match self {
            Self::EventStream => ":\n\n",
            Self::Multipart => "\r\n--graphql",
        }
    }

    fn reply(self, item: &StreamItem) -> String {
        let json = to_json(&item.reply);
        match (self, &item.cursor) {
            (Self::EventStream, Some(cursor)) => {
                format!("event: next\nid: {cursor}\ndata: {json}\n\n")
            }
            (Self::EventStream, None) => format!("event: next\ndata: {json}\n\n"),
            // Clients process a part when they receive the boundary after it.
            (Self::Multipart, _) => part(&format!(r#"{{"payload":{json}}}"#)),
        }
    }

    fn heartbeat(self) -> String {
        match self {
            Self::EventStream => ":\n\n".to_owned(),
            Self::Multipart => part("{}"),
        }
    }

    /// Tells the client not to reconnect.
    fn ending(self) -> &'static str {
        match self {
            Self::EventStream => "event: complete\ndata:\n\n",
            Self::Multipart => "--\r\n",
        }
    }
}

fn part(json: &str) -> String {
    format!("\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql")
}

/// A reply as JSON.
pub(super) fn to_json(reply: &Reply) -> String {
    serde_json::to_string(reply).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        r#"{"data":null,"errors":[{"message":"internal server error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#.to_owned()
    })
}

/// Sends one reply, then the end.
pub(super) fn one(framing: Framing, reply: Reply) -> Response {
    let item = StreamItem {
        reply,
        cursor: None,
        is_last: true,
    };
    let items = stream::iter([item]);
    respond(framing, items.boxed(), Box::pin(std::future::pending()))
}

/// Streams replies. If there is no last one, or when `cut` completes, the body ends without the ending, so that the
/// client reconnects.
pub(super) fn respond(
    framing: Framing,
    items: BoxStream<'static, StreamItem>,
    cut: BoxFuture<'static, ()>,
) -> Response {
    let opening = stream::once(async move { framing.opening().to_owned() });
    let body = opening.chain(frames(framing, items, cut));
    let body =
        Body::from_stream(body.map(|frame| Ok::<_, std::convert::Infallible>(Bytes::from(frame))));
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static(framing.content_type()),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Otherwise nginx would buffer the response.
        (
            axum::http::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, body).into_response()
}

struct Frames {
    items: BoxStream<'static, StreamItem>,
    cut: BoxFuture<'static, ()>,
    has_ended: bool,
}

fn frames(
    framing: Framing,
    items: BoxStream<'static, StreamItem>,
    cut: BoxFuture<'static, ()>,
) -> impl stream::Stream<Item = String> {
    let frames = Frames {
        items,
        cut,
        has_ended: false,
    };
    stream::unfold(frames, move |mut frames| async move {
        if frames.has_ended {
            return None;
        }
        let heartbeat_at = Instant::now() + HEARTBEAT;
        let frame = tokio::select! {
            () = &mut frames.cut => return None,
            item = frames.items.next() => {
                let item = item?;
                frames.has_ended = item.is_last;
                let ending = if item.is_last { framing.ending() } else { "" };
                framing.reply(&item) + ending
            }
            () = sleep_until(heartbeat_at) => framing.heartbeat(),
        };
        Some((frame, frames))
    })
}
