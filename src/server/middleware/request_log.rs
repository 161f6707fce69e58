//! The log line of each request, its trace span, and its id in the log, in a response header and in internal errors.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use tokio::time::Instant;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::server::http::{GRAPHQL, is_graphql};
use crate::server::rest::RestPath;
use crate::telemetry;

/// The response header with the request's id.
pub(in crate::server) const HEADER: &str = "x-request-id";

/// The request's id. Generated here, because ids from clients may not be unique.
#[derive(Clone, Debug)]
pub(in crate::server) struct RequestId(pub(in crate::server) String);

/// Assigns an id, runs the request, counts it, and logs its result.
pub(super) async fn log(
    metrics: &Metrics,
    rest: Option<&RestPath>,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let id = Uuid::new_v4().to_string();
    // At this level, so that every log line has the id.
    let span = tracing::error_span!(telemetry::LOG_SPAN, request.id = id);
    let served_by = Endpoint::of(rest, request.uri().path());
    let traced = trace_span(served_by, &request, &id, &span);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = answer(request)
        .instrument(traced.clone())
        .instrument(span.clone())
        .await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    let status = response.status();
    metrics.count_response(status.as_u16());
    traced.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        traced.record("otel.status_code", "ERROR");
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    macro_rules! served {
        ($level:ident) => {
            tracing::$level!(http.method = %method, http.path = path, http.status = status.as_u16(), duration_ms, "request served")
        };
    }
    span.in_scope(|| {
        if served_by == Some(Endpoint::Graphql) && status != StatusCode::OK {
            served!(info);
        } else {
            // Operations have their own log line, and probes are frequent.
            served!(debug);
        }
    });
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
fn trace_span(endpoint: Option<Endpoint<'_>>, request: &Request, id: &str, parent: &Span) -> Span {
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
        parent: parent,
        "http",
        otel.name = &*name,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        http.response.status_code = tracing::field::Empty,
        url.path = path,
        request.id = id,
    );
    telemetry::follow(&span, |name| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    });
    span
}
