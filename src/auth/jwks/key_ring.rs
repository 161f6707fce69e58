//! Which keys are valid at a given time, and whether to fetch new ones. Pure: the time is an argument.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::time::Instant;

use crate::auth::algorithms::{Algorithms, SigningAlgorithm, VerifyingKey};
use crate::auth::es512;

/// Minimum time between two fetches.
const MIN_PAUSE: Duration = Duration::from_secs(30);
/// Minimum time while nothing has been fetched yet: without keys no user can authenticate.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The age at which a set is fetched again.
const OLD: Duration = Duration::from_mins(10);
/// How long a key stays valid after it was removed from the set.
const GRACE: Duration = Duration::from_mins(15);
/// Maximum number of keys in a response. Issuers have two or three.
const MAX_KEYS: usize = 32;

/// A public key and its algorithms.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Key {
    id: Option<String>,
    /// Decided by the key, never by a token.
    pub(in crate::auth) algorithms: Algorithms,
    /// The key.
    pub(in crate::auth) public: VerifyingKey,
    /// Identifies the key: its published numbers.
    numbers: (String, String),
}

#[derive(Debug)]
struct Held {
    key: Key,
    gone_since: Option<Instant>,
}

/// The known keys.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    held: Vec<Held>,
    fetched_at: Option<Instant>,
    tried_at: Option<Instant>,
    /// Whether the last fetch failed or is still in progress.
    has_failed: bool,
}

impl KeyRing {
    /// The valid keys with this id; without an id, all valid keys.
    pub(super) fn find(&self, id: Option<&str>, now: Instant) -> Vec<Key> {
        self.held
            .iter()
            .filter(|held| held.is_good(now))
            .filter(|held| id.is_none() || held.key.id.as_deref() == id)
            .map(|held| held.key.clone())
            .collect()
    }

    /// Whether the set should be fetched again.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.fetched_at.is_none_or(|at| now - at >= OLD) && self.may_refresh(now)
    }

    /// Whether an unknown key may exist nevertheless.
    pub(super) fn is_unsure(&self) -> bool {
        self.has_failed
    }

    /// Records the start of a fetch; false if there was one recently.
    pub(super) fn begin_refresh(&mut self, now: Instant) -> bool {
        if !self.may_refresh(now) {
            return false;
        }
        self.tried_at = Some(now);
        self.has_failed = true;
        true
    }

    /// Stores a response.
    pub(super) fn adopt(&mut self, keys: Vec<Key>, now: Instant) {
        self.fetched_at = Some(now);
        self.has_failed = false;
        self.held.retain_mut(|held| {
            held.gone_since.get_or_insert(now);
            held.is_good(now) && !keys.iter().any(|key| key.is_same(&held.key))
        });
        let keys = keys.into_iter().map(|key| Held {
            key,
            gone_since: None,
        });
        // The newest first, so that truncation keeps them.
        self.held.splice(0..0, keys);
        self.held.truncate(2 * MAX_KEYS);
    }

    fn may_refresh(&self, now: Instant) -> bool {
        let pause = match self.fetched_at {
            Some(_) => MIN_PAUSE,
            None => FIRST_PAUSE,
        };
        self.tried_at.is_none_or(|at| now - at >= pause)
    }
}

impl Held {
    fn is_good(&self, now: Instant) -> bool {
        self.gone_since.is_none_or(|since| now - since < GRACE)
    }
}

impl Key {
    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.algorithms == other.algorithms && self.numbers == other.numbers
    }
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Numbers {
    #[serde(rename = "EC")]
    EllipticCurve { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Edwards { crv: String, x: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

/// Parses a set of keys. Skips keys of other types, for other purposes, or without an allowed algorithm.
pub(super) fn read(body: &[u8], allowed: &Algorithms) -> Result<Vec<Key>, String> {
    let published: Published = serde_json::from_slice(body)
        .map_err(|error| format!("the response is not a set of keys (JWKS): {error}"))?;
    Ok(published
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter_map(|key: PublishedKey| key.usable(allowed))
        .take(MAX_KEYS)
        .collect())
}

impl PublishedKey {
    fn usable(self, allowed: &Algorithms) -> Option<Key> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithms, public, numbers) = self.numbers.read()?;
        let algorithms = match self.alg {
            Some(name) => algorithms.named(&name),
            None => algorithms,
        };
        let algorithms = algorithms.intersection(allowed);
        if algorithms.is_empty() {
            return None;
        }
        Some(Key {
            id: self.kid,
            algorithms,
            public,
            numbers,
        })
    }
}

impl Numbers {
    fn read(self) -> Option<(Algorithms, VerifyingKey, (String, String))> {
        match self {
            Self::EllipticCurve { crv, x, y } if crv == "P-521" => {
                let point = es512::Point::from_coordinates(&x, &y)?;
                let algorithms = Algorithms::only(SigningAlgorithm::Es512);
                Some((algorithms, VerifyingKey::P521(point), (x, y)))
            }
            Self::EllipticCurve { crv, x, y } => {
                let algorithm = match crv.as_str() {
                    "P-256" => Algorithm::ES256,
                    "P-384" => Algorithm::ES384,
                    _ => return None,
                };
                let public = VerifyingKey::Library(DecodingKey::from_ec_components(&x, &y).ok()?);
                Some((Algorithms::only(algorithm), public, (x, y)))
            }
            Self::Edwards { crv, x } if crv == "Ed25519" => {
                let public = VerifyingKey::Library(DecodingKey::from_ed_components(&x).ok()?);
                Some((Algorithms::only(Algorithm::EdDSA), public, (x, crv)))
            }
            Self::Edwards { .. } => None,
            Self::Rsa { n, e } => {
                let public = VerifyingKey::Library(DecodingKey::from_rsa_components(&n, &e).ok()?);
                Some((Algorithms::of_rsa(), public, (n, e)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(id: &str) -> Key {
        let set = json!({ "keys": [{ "kty": "RSA", "kid": id, "n": "AQAB", "e": "AQAB" }] });
        read(set.to_string().as_bytes(), &Algorithms::of_supabase())
            .expect("a set")
            .pop()
            .expect("a key")
    }

    fn ids(ring: &KeyRing, now: Instant) -> Vec<String> {
        let keys = ring.find(None, now);
        keys.into_iter().filter_map(|key| key.id).collect()
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn only_keys_for_signatures_of_the_allowed_kinds_are_read() {
        let ec = json!({ "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" });
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let with = |base: &serde_json::Value, name: &str, value: &str| {
            let mut key = base.clone();
            key[name] = json!(value);
            key
        };
        for (key, expected) in [
            (ec.clone(), Some(Algorithm::ES256)),
            (rsa.clone(), Some(Algorithm::RS256)),
            (with(&ec, "use", "sig"), Some(Algorithm::ES256)),
            (with(&rsa, "alg", "RS256"), Some(Algorithm::RS256)),
            (with(&rsa, "alg", "RS512"), None),
            (with(&rsa, "alg", "HS256"), None),
            (with(&ec, "alg", "RS256"), None),
            (with(&ec, "crv", "P-384"), None),
            (with(&ec, "use", "enc"), None),
            (with(&rsa, "n", "not base64!"), None),
            (json!({ "kty": "oct", "k": "AQAB", "alg": "HS256" }), None),
            (json!({ "kty": "RSA", "n": "AQAB" }), None),
            (json!("x"), None),
        ] {
            let set = json!({ "keys": [key] }).to_string();
            let read = read(set.as_bytes(), &Algorithms::of_supabase()).expect("a set");
            let algorithms = read.first().map(|key| key.algorithms.clone());
            assert_eq!(algorithms, expected.map(Algorithms::only), "{set}");
        }
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            read(text.as_bytes(), &Algorithms::all()).expect_err(text);
        }
    }

    #[test]
    fn a_key_has_its_declared_algorithm_or_all_of_its_type() {
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let ps512 = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "PS512" });
        let okp = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" });
        let p384 = json!({ "kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB" });
        for (key, expected) in [
            (rsa, Some(Algorithms::of_rsa())),
            (ps512, Some(Algorithms::only(Algorithm::PS512))),
            (okp, Some(Algorithms::only(Algorithm::EdDSA))),
            (p384, Some(Algorithms::only(Algorithm::ES384))),
            (json!({ "kty": "OKP", "crv": "Ed448", "x": "AQAB" }), None),
            (
                json!({ "kty": "EC", "crv": "P-521", "x": "AQAB", "y": "AQAB" }),
                None,
            ),
            (
                json!({ "kty": "EC", "crv": "P-521", "x": "A".repeat(88), "y": "A".repeat(88) }),
                Some(Algorithms::only(SigningAlgorithm::Es512)),
            ),
            (json!({ "kty": "oct", "k": "AQAB" }), None),
        ] {
            let set = json!({ "keys": [key] }).to_string();
            let read = read(set.as_bytes(), &Algorithms::all()).expect("a set");
            assert_eq!(
                read.first().map(|key| key.algorithms.clone()),
                expected,
                "{set}"
            );
        }
    }

    #[test]
    fn keys_are_fetched_at_most_every_thirty_seconds() {
        let start = Instant::now();
        let mut ring = KeyRing::default();
        assert!(ring.begin_refresh(start));
        assert!(!ring.begin_refresh(start));
        // Nothing was ever fetched, so the next try is soon.
        assert!(ring.begin_refresh(after(start, 1)));
        ring.adopt(vec![key("a")], after(start, 1));
        assert!(!ring.is_unsure());
        assert!(!ring.begin_refresh(after(start, 30)));
        assert!(ring.begin_refresh(after(start, 31)));
        // That fetch failed: unknown keys may exist, and the next try waits too.
        assert!(ring.is_unsure());
        assert!(!ring.begin_refresh(after(start, 60)));
    }

    #[test]
    fn a_removed_key_stays_valid_for_a_while() {
        let start = Instant::now();
        let mut ring = KeyRing::default();
        ring.adopt(vec![key("a")], start);
        assert!(!ring.is_old(after(start, 599)));
        assert!(ring.is_old(after(start, 600)));
        // The key server is unavailable for a day.
        let day = after(start, 86_400);
        assert!(ring.begin_refresh(day));
        assert_eq!(ids(&ring, day), ["a"]);
        assert!(!ring.is_old(day), "tried a moment ago");
        ring.adopt(vec![key("b")], day);
        assert_eq!(ids(&ring, after(day, 899)), ["b", "a"]);
        assert_eq!(ids(&ring, after(day, 900)), ["b"]);
        ring.adopt(vec![key("b"), key("a")], after(day, 899));
        assert_eq!(ids(&ring, after(day, 2000)), ["b", "a"], "it came back");
    }

    #[test]
    fn a_key_is_found_by_its_id() {
        let now = Instant::now();
        let mut ring = KeyRing::default();
        ring.adopt(vec![key("a"), key("b")], now);
        assert_eq!(ring.find(Some("b"), now).len(), 1);
        assert_eq!(ring.find(Some("c"), now).len(), 0);
        assert_eq!(ring.find(None, now).len(), 2);
    }
}
