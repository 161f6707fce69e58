//! From a request's headers to who asks.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::auth::{Authenticator, Denied, SignedIn};

/// What a 401 has to name: how one signs in, <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
pub(super) const CHALLENGE: &str = "Bearer";

/// Who sent these headers. Whoever is denied goes on as somebody who may do nothing but look at the schema.
pub(super) async fn sign_in(authenticator: &Authenticator, headers: &HeaderMap) -> SignedIn {
    let signed_in = match authorization(headers) {
        Ok(authorization) => authenticator.authenticate(authorization).await,
        // On an open server it does not matter what is sent.
        Err(denied) => authenticator.authenticate(None).await.map_err(|_| denied),
    };
    signed_in.unwrap_or_else(SignedIn::from)
}

/// The one `Authorization` of these headers.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // Of two, something in front of us may have looked at the other.
    if values.next().is_some() {
        return Err(Denied::Unauthenticated(
            "`Authorization` came more than once",
        ));
    }
    let text = value.to_str();
    text.map(Some)
        .map_err(|_| Denied::Unauthenticated("`Authorization` is not plain text"))
}
