//! GraphiQL, for a person who opens the endpoint in a browser: the page of `web/` where it was built into the binary,
//! else one that loads GraphiQL from a CDN. `docs/content-security-policy.md` says why each exception is there.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Response};

use super::pages::{BUILT, NO_SNIFFING, REVALIDATE};

const POLICY_OF_BUILT_PAGE: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The CDN may give scripts and styles; the hashes in the page say which ones. The fonts in its style sheet are `data:`.
const POLICY_OF_PAGE_FROM_CDN: &str = "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net/npm/; \
    connect-src 'self'; style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net/npm/; font-src data:; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) fn page() -> Response {
    let (html, policy) = match BUILT.graphiql {
        Some(html) => (html, POLICY_OF_BUILT_PAGE),
        None => (include_str!("graphiql.html"), POLICY_OF_PAGE_FROM_CDN),
    };
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        NO_SNIFFING,
        (CACHE_CONTROL, REVALIDATE),
    ];
    (headers, Html(html)).into_response()
}
