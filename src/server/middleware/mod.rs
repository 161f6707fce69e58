//! Middleware for all routes: request ids and logs, allowed origins, and `OPTIONS`.

use axum::extract::{Request, State as Extract};
use axum::middleware::Next;
use axum::response::Response;

use super::State;

pub mod origin;
mod plain_options;
pub(super) mod request_log;

/// Processes a request in this order: logging, origin check, `OPTIONS`, route.
pub(super) async fn around_each_request(
    Extract(state): Extract<State>,
    request: Request,
    next: Next,
) -> Response {
    request_log::log(&state.metrics, request, async |request| {
        if let Some(reason) = state.options.origins.refusal(&request) {
            return origin::refuse(request, reason);
        }
        if plain_options::is_plain(&request) {
            return plain_options::answer(request).await;
        }
        next.run(request).await
    })
    .await
}
