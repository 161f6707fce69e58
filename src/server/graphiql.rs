//! GraphiQL, for browsers that open the endpoint: the page of `web/` if it is embedded in the binary, else one that
//! loads GraphiQL from a CDN. `docs/content-security-policy.md` explains each exception.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Response};

use super::pages::{BUILT, NO_SNIFFING, REVALIDATE};

const POLICY_OF_BUILT_PAGE: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Scripts and styles may come from the CDN; integrity hashes in the page pin them. Its style sheet has fonts as
/// `data:` URLs.
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
