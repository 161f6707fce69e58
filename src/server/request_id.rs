//! A name for each request: in the log, in the answer's header, and in internal errors.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

/// The header that names the request in the answer.
pub(super) const HEADER: &str = "x-request-id";

/// The request's name. It is this server's own: what a caller sends cannot be trusted to be unique.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Names the request, and logs how it ended.
pub(super) async fn name_request(mut request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().to_string();
    let span = tracing::info_span!("request", request.id = id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    span.in_scope(|| {
        tracing::debug!(
            http.method = %method,
            http.path = path,
            http.status = response.status().as_u16(),
            duration_ms = started.elapsed().as_millis(),
            "request served"
        );
    });
    response
}
