//! GraphiQL, for a person who opens the endpoint in a browser.

use axum::response::{Html, IntoResponse, Response};

/// The page.
pub(super) fn page() -> Response {
    Html(include_str!("graphiql.html")).into_response()
}
