//! Authenticates requests by their headers.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::auth::{Authenticator, Denied, SignedIn};

/// The challenge of a 401 response, <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
pub(super) const CHALLENGE: &str = "Bearer";

/// Authenticates these headers. A denied caller becomes anonymous, with access to the schema only.
pub(super) async fn sign_in(authenticator: &Authenticator, headers: &HeaderMap) -> SignedIn {
    let signed_in = match authorization(headers) {
        Ok(authorization) => authenticator.authenticate(authorization).await,
        // On an open server any header is accepted.
        Err(denied) => authenticator.authenticate(None).await.map_err(|_| denied),
    };
    signed_in.unwrap_or_else(SignedIn::from)
}

/// The `Authorization` header, at most one.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // With two of them, a proxy may have checked the other one.
    if values.next().is_some() {
        return Err(Denied::Unauthenticated(
            "`Authorization` is given more than once",
        ));
    }
    let text = value.to_str();
    text.map(Some)
        .map_err(|_| Denied::Unauthenticated("`Authorization` is not plain text"))
}
