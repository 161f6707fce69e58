//! The pages built by `web/` and their assets, embedded in the binary; nothing is loaded from the internet.

use axum::extract::{Path, State as Extract};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use super::{State, http};

/// The files that `build.rs` found in `web/dist`.
pub(super) struct BuiltPages {
    /// The GraphiQL page.
    pub(super) graphiql: Option<&'static str>,
    /// The pages' assets, by file name.
    assets: &'static [(&'static str, &'static [u8])],
}

pub(super) static BUILT: BuiltPages = include!(concat!(env!("OUT_DIR"), "/built_pages.rs"));

/// Assets of the CDN page. Their names contain no hash of the content.
const SOURCES: &[(&str, &[u8])] = &[
    (
        "connection.js",
        include_bytes!("../../web/src/graphiql/connection.js"),
    ),
    (
        "examples.js",
        include_bytes!("../../web/src/graphiql/examples.js"),
    ),
    (
        "page-from-cdn.js",
        include_bytes!("../../web/src/graphiql/page-from-cdn.js"),
    ),
    (
        "page.css",
        include_bytes!("../../web/src/graphiql/page.css"),
    ),
];

/// Browsers must revalidate their copy each time.
pub(super) const REVALIDATE: &str = "no-cache";
/// The name contains a hash of the content, so the content never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Browsers must use the content type, and not guess it.
pub(super) const NO_SNIFFING: (HeaderName, &str) = (X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Serves an asset.
pub(super) async fn asset(Extract(state): Extract<State>, Path(name): Path<String>) -> Response {
    let found = find(&name).filter(|_| state.options.has_graphiql);
    let Some((content, caching)) = found else {
        return http::nothing_here(state.rest_path());
    };
    let headers = [
        (CONTENT_TYPE, content_type(&name)),
        (CACHE_CONTROL, caching),
        NO_SNIFFING,
    ];
    (headers, content).into_response()
}

fn find(name: &str) -> Option<(&'static [u8], &'static str)> {
    let within = |files: &'static [(&str, &[u8])]| {
        let file = files.iter().find(|(candidate, _)| *candidate == name);
        file.map(|(_, content)| *content)
    };
    if BUILT.graphiql.is_none() {
        return within(SOURCES).map(|content| (content, REVALIDATE));
    }
    within(BUILT.assets).map(|content| (content, IMMUTABLE))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
