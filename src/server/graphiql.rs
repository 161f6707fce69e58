//! GraphiQL, for a person who opens the endpoint in a browser.

use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{Html, IntoResponse, Response};

use super::State;
use super::endpoint::method_not_allowed;

/// The page, for whoever accepts HTML.
pub(super) async fn page(Extract(state): Extract<State>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let accepts_html = accept.is_some_and(|accept| accept.contains("text/html"));
    if !accepts_html || !state.has_graphiql {
        return method_not_allowed().await;
    }
    Html(include_str!("graphiql.html")).into_response()
}
