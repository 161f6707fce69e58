//! ES512, which the library for JWTs does not support: ECDSA with P-521 and SHA-512,
//! <https://www.rfc-editor.org/rfc/rfc7518#section-3.4>.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Denied;
use super::claims::Claims;
use super::token::LEEWAY;

/// The length of a coordinate of P-521.
const COORDINATE_BYTES: usize = 66;
/// The length of an uncompressed point.
pub(super) const POINT_BYTES: usize = 1 + 2 * COORDINATE_BYTES;
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// A point of P-521, uncompressed.
#[derive(Clone, Debug)]
pub(super) struct Point(Vec<u8>);

impl Point {
    /// An uncompressed point; none if it has another length.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let is_point = bytes.len() == POINT_BYTES && bytes.first() == Some(&UNCOMPRESSED);
        is_point.then(|| Self(bytes.to_vec()))
    }

    /// From the coordinates of a published key.
    pub(super) fn from_coordinates(x: &str, y: &str) -> Option<Self> {
        let mut bytes = vec![UNCOMPRESSED];
        for coordinate in [x, y] {
            bytes.extend(URL_SAFE_NO_PAD.decode(coordinate).ok()?);
        }
        Self::new(&bytes)
    }
}

/// Verifies the signature, `exp` and `nbf` of a token whose header says ES512.
pub(super) fn verify(token: &str, key: &Point) -> Result<Claims, Denied> {
    let (message, signature) = token.rsplit_once('.').ok_or(Denied::MALFORMED)?;
    let (_, claims) = message.split_once('.').ok_or(Denied::MALFORMED)?;
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| Denied::MALFORMED);
    let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, &key.0);
    key.verify(message.as_bytes(), &decode(signature)?)
        .map_err(|_| Denied::WRONG_SIGNATURE)?;
    let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Denied::MALFORMED)?;
    check_times(&claims, SystemTime::now())?;
    Ok(claims)
}

fn check_times(claims: &Claims, now: SystemTime) -> Result<(), Denied> {
    let now = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let expires_at = claims
        .get("exp")
        .and_then(Value::as_f64)
        .ok_or(Denied::NO_EXPIRY)?;
    if expires_at + LEEWAY.as_secs_f64() < now {
        return Err(Denied::EXPIRED);
    }
    match claims.get("nbf") {
        None => Ok(()),
        Some(not_before) => {
            let not_before = not_before.as_f64().ok_or(Denied::MALFORMED)?;
            if not_before - LEEWAY.as_secs_f64() > now {
                return Err(Denied::NOT_YET_GOOD);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn exp_and_nbf_count_with_leeway() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (claims, expected) in [
            (json!({ "exp": 1_000_001 }), Ok(())),
            (json!({ "exp": 999_980 }), Ok(())),
            (json!({ "exp": 999_969 }), Err(Denied::EXPIRED)),
            (json!({ "exp": -1 }), Err(Denied::EXPIRED)),
            (json!({ "exp": "1000001" }), Err(Denied::NO_EXPIRY)),
            (json!({}), Err(Denied::NO_EXPIRY)),
            (json!({ "exp": 1e300, "nbf": 1_000_020 }), Ok(())),
            (
                json!({ "exp": 1e300, "nbf": 1_000_031 }),
                Err(Denied::NOT_YET_GOOD),
            ),
            (
                json!({ "exp": 1e300, "nbf": "soon" }),
                Err(Denied::MALFORMED),
            ),
        ] {
            let object = claims.as_object().expect("an object");
            assert_eq!(check_times(object, now), expected, "{claims}");
        }
    }
}
