//! `OPTIONS` without CORS. The CORS layer would take it for a preflight, and leave out `Allow`.

use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::server::http;

/// Answers an `OPTIONS` that is not a preflight with the methods of its path.
pub(in crate::server) async fn answer(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return next.run(request).await;
    }
    match http::allowed_methods(request.uri().path()) {
        Some(methods) => (StatusCode::NO_CONTENT, [(ALLOW, methods)]).into_response(),
        None => http::not_found(request).await,
    }
}
