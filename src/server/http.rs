//! Paths, methods and error responses that handlers and middleware share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_graphql::ServerError;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::media::Media;
use super::rest::RestPath;
use super::{State, body};
use crate::contract::code::Code;
use crate::execution::reply::Reply;

/// The endpoint. A trailing slash is accepted.
pub(super) const GRAPHQL: &str = "/graphql";
/// The methods of the endpoint.
pub(super) const GRAPHQL_METHODS: &str = "GET, POST, OPTIONS";
/// With the value `1`, replies report the cost of their operations in `extensions.cost`.
pub(super) const COST: &str = "x-graphql-cost";

/// Whether a path is the endpoint.
pub(super) fn is_graphql(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == GRAPHQL
}

/// The methods of a path, as in `Allow`; None for unknown paths.
pub(super) fn allowed_methods(path: &str) -> Option<&'static str> {
    match path {
        path if is_graphql(path) => Some(GRAPHQL_METHODS),
        "/healthz" | "/readyz" | "/metrics" => Some("GET, HEAD, OPTIONS"),
        path if path.starts_with("/assets/") => Some("GET, HEAD, OPTIONS"),
        _ => None,
    }
}

/// The response to unknown paths.
pub(super) async fn not_found(Extract(state): Extract<State>, request: Request) -> Response {
    unknown_path(state.rest_path(), request.into_body())
}

/// The same, for middleware.
pub(super) fn unknown_path(rest: Option<&RestPath>, body: Body) -> Response {
    body::discard(body);
    nothing_here(rest)
}

/// The same, after the body was handled.
pub(super) fn nothing_here(rest: Option<&RestPath>) -> Response {
    let rest = rest.map_or_else(String::new, |path| format!("{}/, ", path.as_str()));
    let message = format!(
        "there is nothing at this path; the paths are /graphql, {rest}/healthz, /readyz and /metrics"
    );
    refused(StatusCode::NOT_FOUND, Code::BadUserInput.error(message))
}

/// The response to a method that a path does not support; the router adds `Allow`.
pub(super) async fn method_not_allowed(request: Request) -> Response {
    unread(
        request.into_body(),
        StatusCode::METHOD_NOT_ALLOWED,
        "this path is read by GET",
    )
}

/// The peer address of the connection.
pub(super) fn peer(head: &Parts) -> IpAddr {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
        peer.ip()
    })
}

/// Whether the client requests the cost of its operations.
pub(super) fn shows_cost(headers: &HeaderMap) -> bool {
    headers.get_all(COST).iter().any(|value| value == "1")
}

/// A response in JSON.
pub(super) fn json(status: StatusCode, media: Media, body: &(impl Serialize + ?Sized)) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(CONTENT_TYPE, media.content_type())], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The response to a request that contains no operation.
pub(super) fn refused(status: StatusCode, error: ServerError) -> Response {
    refused_as(Media::Json, status, error)
}

/// The same, in another media type.
pub(super) fn refused_as(media: Media, status: StatusCode, error: ServerError) -> Response {
    json(status, media, &Reply::refused(error))
}

/// Rejects a request without reading its body first; the client may receive the response while it is still sending.
pub(super) fn unread(body: Body, status: StatusCode, message: &str) -> Response {
    body::discard(body);
    refused(status, Code::BadUserInput.error(message))
}
