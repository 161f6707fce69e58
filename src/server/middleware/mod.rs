//! Middleware for all routes: request ids and logs, allowed origins, and `OPTIONS`.

use axum::extract::{Request, State as Extract};
use axum::middleware::Next;
use axum::response::Response;

use super::{State, rest};

pub mod origin;
mod plain_options;
pub(super) mod request_log;

/// Processes a request in this order: logging, origin check, `OPTIONS`, route.
pub(super) async fn around_each_request(
    Extract(state): Extract<State>,
    request: Request,
    next: Next,
) -> Response {
    let rest_path = state.rest_path();
    request_log::log(&state.metrics, rest_path, request, async |request| {
        if let Some(reason) = state.options.origins.refusal(&request) {
            let options = state.options.rest.as_ref();
            return match options.filter(|rest| rest.path.contains(request.uri().path())) {
                Some(options) => rest::forbid(options, request, reason),
                None => origin::refuse(request, reason),
            };
        }
        if plain_options::is_plain(&request) {
            return plain_options::answer(rest_path, request);
        }
        next.run(request).await
    })
    .await
}
