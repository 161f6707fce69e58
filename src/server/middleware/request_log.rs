//! The log line of each request, its trace span, and its id in the log, in a response header and in internal errors.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::metrics::Metrics;
use crate::server::http::{GRAPHQL, is_graphql};
use crate::server::rest::RestPath;
use crate::telemetry::{self, RequestId};

/// The response header with the request's id.
pub(in crate::server) const HEADER: &str = "x-request-id";

/// Assigns an id, runs the request, counts it, and logs its result.
pub(super) async fn log(
    metrics: &Metrics,
    rest: Option<&RestPath>,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let id = RequestId::generate();
    id.scope(log_as(id, metrics, rest, request, answer)).await
}

async fn log_as(
    id: RequestId,
    metrics: &Metrics,
    rest: Option<&RestPath>,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let served_by = Endpoint::of(rest, request.uri().path());
    let span = trace_span(served_by, &request, id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(id);
    let started = Instant::now();
    let mut response = Box::pin(answer(request)).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    let status = response.status();
    metrics.count_response(status.as_u16());
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    macro_rules! served {
        ($level:ident) => {
            tracing::$level!(http.method = %method, http.path = path, http.status = status.as_u16(), duration_ms, "request served")
        };
    }
    if served_by == Some(Endpoint::Graphql) && status != StatusCode::OK {
        served!(info);
    } else {
        // Operations have their own log line, and probes are frequent.
        served!(debug);
    }
    response
}

/// An endpoint with operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint<'p> {
    Graphql,
    /// Below this path.
    Rest(&'p str),
}

impl<'p> Endpoint<'p> {
    fn of(rest: Option<&'p RestPath>, path: &str) -> Option<Self> {
        if is_graphql(path) {
            return Some(Self::Graphql);
        }
        let rest = rest.filter(|rest| rest.contains(path))?;
        Some(Self::Rest(rest.as_str()))
    }

    /// Without ids, which would be as many names as images.
    fn path(self) -> &'p str {
        match self {
            Self::Graphql => GRAPHQL,
            Self::Rest(path) => path,
        }
    }
}

/// The trace span of a request with operations, at the lowest level so that it is not logged. It omits the query string,
/// because a GET has its variables there.
fn trace_span(endpoint: Option<Endpoint<'_>>, request: &Request, id: RequestId) -> Span {
    let Some(endpoint) = endpoint else {
        return Span::none();
    };
    let path = endpoint.path();
    let name = match (endpoint, request.method().as_str()) {
        // Without an allocation, because most requests are not traced.
        (Endpoint::Graphql, "GET") => Cow::Borrowed("GET /graphql"),
        (Endpoint::Graphql, "POST") => Cow::Borrowed("POST /graphql"),
        (Endpoint::Rest(_), method @ ("GET" | "POST" | "DELETE")) => {
            Cow::Owned(format!("{method} {path}"))
        }
        // Arbitrary methods from clients.
        _ => Cow::Owned(format!("HTTP {path}")),
    };
    let span = tracing::trace_span!(
        "http",
        otel.name = &*name,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        http.response.status_code = tracing::field::Empty,
        url.path = path,
        request.id = %id,
    );
    telemetry::follow(&span, |name| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    });
    span
}
