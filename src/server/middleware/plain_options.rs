//! `OPTIONS` without CORS. The CORS layer would handle it as a preflight and omit `Allow`.

use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::server::http;
use crate::server::rest::RestPath;

/// Whether a request is an `OPTIONS` that is not a preflight.
pub(super) fn is_plain(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && !(request.headers()).contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Responds with the methods of its path.
pub(super) fn answer(rest: Option<&RestPath>, request: Request) -> Response {
    let path = request.uri().path();
    let methods = http::allowed_methods(path);
    match methods.or_else(|| rest?.allowed_methods(path)) {
        Some(methods) => (StatusCode::NO_CONTENT, [(ALLOW, methods)]).into_response(),
        None => http::unknown_path(rest, request.into_body()),
    }
}
