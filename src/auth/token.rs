//! Turns `Authorization: Bearer …` into a [`Caller`].
//!
//! 1. A token in `SERVICE_TOKENS` belongs to that program.
//! 2. Any other token is a JWT. Its header only selects the key: for HS… the secret, for others the public key in the
//!    settings, then the key server.
//! 3. Each key has its own algorithms, and tokens are verified only with those that are also allowed. A public key is
//!    never used for HS256, and no key for `none`.
//! 4. The claims must satisfy [`ClaimRules`].

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use super::algorithms::{Algorithms, SigningAlgorithm, VerifyingKey};
use super::claims::{ClaimRules, Claims};
use super::es512;
use super::jwks::KeyServer;
use super::public_key::PublicKey;
use super::{Caller, Denied, MetricsToken, ServiceTokens};

/// Allowed clock difference between token issuers and this machine.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);
/// A token usually has one or two KiB.
const MAX_BYTES: usize = 16 * 1024;

/// How callers authenticate.
#[derive(Clone, Debug)]
pub enum Options {
    /// No authentication: all callers have full access.
    Open,
    /// By a JWT or a service token.
    Tokens(Box<TokenOptions>),
}

/// How tokens are verified.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// Verifies HS256, HS384 and HS512.
    pub jwt_secret: Option<SecretSlice<u8>>,
    /// Verifies the algorithms of its type.
    pub public_key: Option<PublicKey>,
    /// The URL of further public keys.
    pub key_server: Option<Url>,
    /// The accepted algorithms.
    pub algorithms: Algorithms,
    /// The requirements for claims.
    pub rules: ClaimRules,
    /// Tokens of programs.
    pub service_tokens: ServiceTokens,
    /// Gives access to `/metrics` only.
    pub metrics_token: Option<MetricsToken>,
}

/// Authenticates callers. Clones share it.
#[derive(Clone, Debug)]
pub struct Authenticator(Option<Arc<Keys>>);

#[derive(Debug)]
struct Keys {
    secret: Option<DecodingKey>,
    public: Option<PublicKey>,
    server: Option<Arc<KeyServer>>,
    algorithms: Algorithms,
    rules: ClaimRules,
    service_tokens: ServiceTokens,
    metrics_token: Option<MetricsToken>,
}

/// An authenticated caller and the expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The caller.
    pub caller: Caller,
    /// When the token expires, if it does: longer connections must be closed then.
    pub expires_at: Option<SystemTime>,
}

impl SignedIn {
    fn for_ever(caller: Caller) -> Self {
        Self {
            caller,
            expires_at: None,
        }
    }

    /// Waits until the token has expired; forever if it does not.
    pub async fn expired(&self) {
        // In several steps: while a machine sleeps, timers stop, but the wall clock does not.
        const LOOK: Duration = Duration::from_mins(1);
        let Some(expires_at) = self.expires_at else {
            return std::future::pending().await;
        };
        while let Ok(left) = expires_at.duration_since(SystemTime::now())
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

impl From<Denied> for SignedIn {
    /// A denied caller is anonymous, with access to the schema only.
    fn from(denied: Denied) -> Self {
        Self::for_ever(Caller::Anonymous(denied))
    }
}

impl Authenticator {
    /// Creates an authenticator; the key server is queried when the first token needs it. Fails if TLS cannot be
    /// initialised.
    pub fn new(options: Options) -> reqwest::Result<Self> {
        let Options::Tokens(options) = options else {
            return Ok(Self(None));
        };
        let secret = options.jwt_secret.as_ref();
        let secret = secret.map(ExposeSecret::expose_secret);
        let server = options.key_server;
        let server = server.map(|url| KeyServer::new(url, options.algorithms.clone()));
        Ok(Self(Some(Arc::new(Keys {
            secret: secret.map(DecodingKey::from_secret),
            public: options.public_key,
            server: server.transpose()?.map(Arc::new),
            algorithms: options.algorithms,
            rules: options.rules,
            service_tokens: options.service_tokens,
            metrics_token: options.metrics_token,
        }))))
    }

    /// Authenticates an `Authorization` header. On an open server all callers are [`Caller::Anyone`], whatever they
    /// send.
    ///
    /// A transport that gives denied callers access to the schema continues with [`SignedIn::from`] the error:
    /// operations then fail with it.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<SignedIn, Denied> {
        let Some(keys) = &self.0 else {
            return Ok(SignedIn::for_ever(Caller::Anyone));
        };
        let token = bearer(authorization.ok_or(Denied::NO_TOKEN)?)?;
        if let Some(name) = keys.service_tokens.name_of(token) {
            return Ok(SignedIn::for_ever(Caller::Service {
                actor: name.to_owned(),
            }));
        }
        keys.sign_in(token).await
    }

    /// Whether an `Authorization` header gives access to the metrics: always on an open server, else with the metrics
    /// token or with full access.
    pub async fn may_read_metrics(&self, authorization: Option<&str>) -> Result<(), Denied> {
        let own = self.0.as_ref().and_then(|keys| keys.metrics_token.as_ref());
        if let Some(own) = own
            && own.is(bearer(authorization.ok_or(Denied::NO_TOKEN)?)?)
        {
            return Ok(());
        }
        let caller = self.authenticate(authorization).await?.caller;
        if caller.scope(None)?.owner().is_some() {
            return Err(Denied::NOT_FOR_USERS);
        }
        Ok(())
    }
}

impl Denied {
    const NOT_BEARER: Self =
        Self::Unauthenticated("`Authorization` must be `Bearer`, a space, and the token");
    pub(super) const MALFORMED: Self =
        Self::Unauthenticated("the token is neither a JWT nor one of this server's service tokens");
    const WRONG_ALGORITHM: Self =
        Self::Unauthenticated("the token's algorithm is not accepted, or there is no key for it");
    pub(super) const WRONG_SIGNATURE: Self =
        Self::Unauthenticated("the token's signature is wrong");
    pub(super) const EXPIRED: Self = Self::Unauthenticated("the token has expired");
    pub(super) const NOT_YET_GOOD: Self =
        Self::Unauthenticated("the token is not valid yet (`nbf`)");
    pub(super) const NO_EXPIRY: Self = Self::Unauthenticated("the token has no expiry (`exp`)");
    const NOT_FOR_USERS: Self = Self::Forbidden("this requires METRICS_TOKEN or a service token");
    pub(super) const UNKNOWN_KEY: Self =
        Self::Unauthenticated("the token is signed with an unknown key");
}

/// The token of a `Bearer` scheme in any letter case, <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>.
fn bearer(authorization: &str) -> Result<&str, Denied> {
    let authorization = authorization.trim();
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::NOT_BEARER);
    }
    match token.trim() {
        "" => Err(Denied::NO_TOKEN),
        token if token.len() > MAX_BYTES => Err(Denied::MALFORMED),
        token => Ok(token),
    }
}

impl Keys {
    async fn sign_in(&self, token: &str) -> Result<SignedIn, Denied> {
        let claims = self.verified(token).await?;
        // The library has checked that it is a number.
        let exp = claims.get("exp").and_then(Value::as_f64);
        Ok(SignedIn {
            caller: self.rules.caller(&claims)?,
            expires_at: Some(end_of(exp.unwrap_or_default())),
        })
    }

    async fn verified(&self, token: &str) -> Result<Claims, Denied> {
        let header = Header::of(token).ok_or(Denied::MALFORMED)?;
        // Critical headers must be understood, and none is supported.
        if header.crit.is_some() {
            return Err(Denied::MALFORMED);
        }
        let algorithm = SigningAlgorithm::named(&header.alg);
        let algorithm = algorithm.filter(|algorithm| self.algorithms.contains(*algorithm));
        match algorithm.ok_or(Denied::WRONG_ALGORITHM)? {
            SigningAlgorithm::Library(algorithm)
                if Algorithms::of_secret().contains(algorithm.into()) =>
            {
                let secret = self.secret.as_ref().ok_or(Denied::WRONG_ALGORITHM)?;
                verify_by_library(token, algorithm, secret)
            }
            algorithm => {
                let key_id = header.kid.as_deref();
                self.verified_by_public_key(token, algorithm, key_id).await
            }
        }
    }

    async fn verified_by_public_key(
        &self,
        token: &str,
        algorithm: SigningAlgorithm,
        key_id: Option<&str>,
    ) -> Result<Claims, Denied> {
        let mut denied = Denied::WRONG_ALGORITHM;
        if let Some(own) = &self.public
            && own.algorithms.contains(algorithm)
        {
            match verify(token, algorithm, &own.key) {
                // The key server may have the right key.
                Err(Denied::WRONG_SIGNATURE) => denied = Denied::WRONG_SIGNATURE,
                result => return result,
            }
        }
        let Some(server) = &self.server else {
            return Err(denied);
        };
        for key in server.find(key_id).await? {
            if !key.algorithms.contains(algorithm) {
                denied = Denied::WRONG_ALGORITHM;
                continue;
            }
            match verify(token, algorithm, &key.public) {
                Ok(claims) => return Ok(claims),
                Err(error) => denied = error,
            }
        }
        Err(denied)
    }
}

/// What selects the key. The rest of a header does not matter.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Header {
    /// The header of a token that has three parts.
    fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let header = parts.next()?;
        if parts.count() != 2 {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }
}

fn verify(token: &str, algorithm: SigningAlgorithm, key: &VerifyingKey) -> Result<Claims, Denied> {
    match (algorithm, key) {
        (SigningAlgorithm::Library(algorithm), VerifyingKey::Library(key)) => {
            verify_by_library(token, algorithm, key)
        }
        (SigningAlgorithm::Es512, VerifyingKey::P521(key)) => es512::verify(token, key),
        (SigningAlgorithm::Library(_), VerifyingKey::P521(_))
        | (SigningAlgorithm::Es512, VerifyingKey::Library(_)) => Err(Denied::WRONG_ALGORITHM),
    }
}

fn verify_by_library(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<Claims, Denied> {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    // `ClaimRules` checks it.
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
    decoded
        .map(|token| token.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidAlgorithm => Denied::WRONG_ALGORITHM,
            ErrorKind::InvalidSignature => Denied::WRONG_SIGNATURE,
            ErrorKind::ExpiredSignature => Denied::EXPIRED,
            ErrorKind::ImmatureSignature => Denied::NOT_YET_GOOD,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
                Denied::NO_EXPIRY
            }
            _ => Denied::MALFORMED,
        })
}

/// When a token expires: at `exp` or, if that has passed, at the end of the leeway.
fn end_of(exp: f64) -> SystemTime {
    // For tokens that practically never expire, within the range of every clock.
    const FAR_AWAY: Duration = Duration::from_hours(24 * 365 * 100);
    let now = SystemTime::now();
    let exp = Duration::try_from_secs_f64(exp.max(0.0)).ok();
    let end = exp.and_then(|exp| UNIX_EPOCH.checked_add(exp));
    match end {
        Some(end) if end > now => end.min(now + FAR_AWAY),
        Some(end) => end + LEEWAY,
        None => now + FAR_AWAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_is_case_insensitive() {
        for (header, expected) in [
            ("Bearer abc", Ok("abc")),
            ("bearer   abc ", Ok("abc")),
            ("BEARER abc", Ok("abc")),
            ("Bearer", Err(Denied::NO_TOKEN)),
            ("Bearer  ", Err(Denied::NO_TOKEN)),
            ("", Err(Denied::NOT_BEARER)),
            ("abc", Err(Denied::NOT_BEARER)),
            ("Basic abc", Err(Denied::NOT_BEARER)),
        ] {
            assert_eq!(bearer(header), expected, "{header:?}");
        }
        let long = format!("Bearer {}", "x".repeat(MAX_BYTES + 1));
        assert_eq!(bearer(&long), Err(Denied::MALFORMED));
    }

    #[test]
    fn a_token_expires_at_exp_or_after_its_leeway() {
        let now = SystemTime::now();
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs_f64();
        let left = |exp: f64| {
            end_of(exp)
                .duration_since(now)
                .unwrap_or_default()
                .as_secs()
        };
        assert!((99..=100).contains(&left(seconds + 100.0)));
        assert!((19..=20).contains(&left(seconds - 10.0)));
        for far in [1e18, 1e300, f64::INFINITY] {
            assert!(left(far) > 1_000_000_000, "{far}");
        }
        assert_eq!(left(-1.0), 0);
    }

    #[test]
    fn secrets_are_not_shown() {
        let options = TokenOptions {
            jwt_secret: Some(b"s3cret".to_vec().into()),
            public_key: None,
            key_server: None,
            algorithms: Algorithms::of_supabase(),
            rules: ClaimRules::of_supabase("authenticated".to_owned()),
            service_tokens: ServiceTokens::default(),
            metrics_token: None,
        };
        assert!(!format!("{options:?}").contains("s3cret"));
        let authenticator =
            Authenticator::new(Options::Tokens(Box::new(options))).expect("no TLS needed");
        let shown = format!("{authenticator:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("115"),
            "{shown}"
        );
    }
}
