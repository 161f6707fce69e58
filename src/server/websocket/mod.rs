//! GraphQL over WebSocket: one task per socket, which alternates between reading the client's messages and writing the
//! operations' output. While the client does not read, nothing more is loaded for it.

mod protocol;
mod session;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::UPGRADE;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use tracing::{Instrument, Span};

use super::State;
use super::authentication::sign_in;
use super::http::{peer, refused, shows_cost};
use crate::contract::code::Code;
use crate::telemetry::RequestId;
use protocol::Negotiated;
use session::Session;

/// The library's default is 128 KiB per socket.
const BUFFER_BYTES: usize = 4 * 1024;

/// Whether a request is a WebSocket upgrade.
pub(super) fn is_asked_for(request: &Request) -> bool {
    let upgrade = request.headers().get(UPGRADE);
    request.method() == Method::GET
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Accepts the upgrade and serves the socket.
pub(super) async fn upgrade(state: State, request_id: RequestId, request: Request) -> Response {
    let (mut head, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let error = Code::BadUserInput.error(rejection.body_text());
            return refused(rejection.status(), error);
        }
    };
    let offers: Vec<_> = upgrade
        .requested_protocols()
        .filter_map(|offer| offer.to_str().ok().map(ToOwned::to_owned))
        .collect();
    let Some(negotiated) = Negotiated::from_offers(offers.iter().map(String::as_str)) else {
        let message = "Sec-WebSocket-Protocol: allowed are graphql-transport-ws and graphql-ws";
        return refused(StatusCode::BAD_REQUEST, Code::BadUserInput.error(message));
    };
    let session = Session {
        negotiated,
        signed_in: sign_in(&state.authenticator, &head.headers).await,
        address: state.rate_limiter.client(peer(&head), &head.headers),
        request_id,
        shows_cost: shows_cost(&head.headers),
    };
    let max_bytes = state.options.max_body_bytes;
    let sockets = state.sockets.clone();
    // The socket's log lines have the id of the upgrade request.
    let span = Span::current();
    let serve = move |socket| request_id.scope(session.run(state, socket).instrument(span));
    upgrade
        .protocols([negotiated.protocol().name()])
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(max_bytes)
        .max_frame_size(max_bytes)
        .on_upgrade(move |socket| sockets.track_future(serve(socket)))
}
