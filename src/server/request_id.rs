//! A name for each request: in the log, in the answer's header, and in internal errors.

use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::Metrics;

/// The header that names the request in the answer.
pub(super) const HEADER: &str = "x-request-id";

/// The request's name. It is this server's own: what a caller sends cannot be trusted to be unique.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Names the request, counts it, and logs how it ended.
pub(super) async fn name_request(
    Extract(metrics): Extract<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = Uuid::new_v4().to_string();
    // Of this level, so that whatever is logged has the name beside it.
    let span = tracing::error_span!("request", request.id = id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    let status = response.status();
    metrics.count_response(status.as_u16());
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    macro_rules! served {
        ($level:ident) => {
            tracing::$level!(http.method = %method, http.path = path, http.status = status.as_u16(), duration_ms, "request served")
        };
    }
    span.in_scope(|| {
        if path == "/graphql" && status != StatusCode::OK {
            served!(info);
        } else {
            // An operation has told of itself, and probes come every few seconds.
            served!(debug);
        }
    });
    response
}
