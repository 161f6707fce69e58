//! Settings: how the JWTs of any issuer are verified.

use clap::Args;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::Url;

use super::SettingError;
use super::value::{Checked, hmac_key, hmac_secret, http_url, parsed, text};
use crate::auth::{Algorithms, ClaimPath, ClaimRules, PublicKey, ServiceClaim};

const JWT: &str = "JWTs of any issuer: used if AUTH_MODE=jwt";

/// How JWTs are verified with `AUTH_MODE=jwt`.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "they are named as their variables"
)]
pub(super) struct JwtSettings {
    /// `JWT_JWKS_URL`, unset by default: the issuer's JWKS endpoint, for RS, PS, ES and `EdDSA` tokens
    ///
    /// It is `jwks_uri` in the issuer's `/.well-known/openid-configuration`. The keys are fetched on first use, and again
    /// when a token names an unknown one.
    #[arg(long, env, value_name = "URL", help_heading = JWT, value_parser = Checked(http_url))]
    pub(super) jwt_jwks_url: Option<Url>,

    /// `JWT_SECRET`, unset by default: the secret of HS256, HS384 and HS512 tokens, as it is or in base64 after `base64:`
    #[arg(long, env, value_name = "SECRET", help_heading = JWT, hide_env_values = true,
        value_parser = Checked(hmac_secret))]
    pub(super) jwt_secret: Option<SecretString>,

    /// `JWT_PUBLIC_KEY`, unset by default: a public key in PEM format: RSA, P-256, P-384, P-521 or Ed25519
    ///
    /// It begins with `-----BEGIN PUBLIC KEY-----`; `\n` is accepted as line separator.
    #[arg(long, env, value_name = "PEM", help_heading = JWT, hide_env_values = true,
        value_parser = Checked(parsed::<PublicKey>))]
    pub(super) jwt_public_key: Option<PublicKey>,

    /// `JWT_ALGORITHMS`, by default all that the key's type allows: accepted algorithms, separated by commas
    ///
    /// HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, `EdDSA`. A key is only used with the
    /// algorithms of its type, or with the one that the JWKS endpoint names for it.
    #[arg(long, env, value_name = "ALGORITHMS", help_heading = JWT,
        value_parser = Checked(parsed::<Algorithms>))]
    jwt_algorithms: Option<Algorithms>,

    /// `JWT_ISSUER`, by default any: the `iss` that a token must have, compared exactly
    #[arg(long, env, value_name = "ISSUER", help_heading = JWT, value_parser = Checked(text))]
    jwt_issuer: Option<String>,

    /// `JWT_AUDIENCE`, by default any: audiences, separated by commas; a token's `aud` must contain one of them
    ///
    /// If a token has no `aud`, its `client_id` is compared instead, as in the access tokens of Amazon Cognito.
    #[arg(long, env, value_name = "AUDIENCES", help_heading = JWT, value_delimiter = ',',
        value_parser = Checked(audience))]
    jwt_audience: Vec<String>,

    /// `JWT_USER_CLAIM`, default `sub`: the claim with the user's id; a dotted path selects a nested claim
    #[arg(long, env, value_name = "CLAIM", help_heading = JWT, default_value = "sub",
        value_parser = Checked(parsed::<ClaimPath>))]
    jwt_user_claim: ClaimPath,

    /// `JWT_SERVICE_CLAIM`, by default none: the claim that gives full access, `claim=value` or `claim~value`
    ///
    /// `role=service_role`: the claim equals this text. `scope~gallery:admin`: it contains this word, separated by spaces,
    /// or is a list with this item. Without the claim a token is a user's.
    #[arg(long, env, value_name = "CLAIM", help_heading = JWT,
        value_parser = Checked(parsed::<ServiceClaim>))]
    jwt_service_claim: Option<ServiceClaim>,
}

/// Rejects a blank audience: a list of nothing else would accept the tokens of every audience.
fn audience(value: &str) -> Result<String, String> {
    match value.trim() {
        "" => Err("is not an audience; allowed are audiences, separated by commas".to_owned()),
        audience => Ok(audience.to_owned()),
    }
}

impl JwtSettings {
    /// What the claims of a token must be.
    pub(super) fn rules(&self) -> ClaimRules {
        ClaimRules::of_any_issuer(
            self.jwt_issuer.clone(),
            self.jwt_audience.clone(),
            self.jwt_user_claim.clone(),
            self.jwt_service_claim.clone(),
        )
    }

    /// The accepted algorithms; an error if a key that is set could never be used.
    pub(super) fn algorithms(&self) -> Result<Algorithms, SettingError> {
        let Some(allowed) = &self.jwt_algorithms else {
            return Ok(Algorithms::all());
        };
        let secret = self.jwt_secret.as_ref().map(|_| Algorithms::of_secret());
        let server = self
            .jwt_jwks_url
            .as_ref()
            .map(|_| Algorithms::of_public_keys());
        let public = self
            .jwt_public_key
            .as_ref()
            .map(|key| key.algorithms().clone());
        let keys = [
            ("JWT_SECRET", secret),
            ("JWT_JWKS_URL", server),
            ("JWT_PUBLIC_KEY", public),
        ];
        for (variable, good_for) in keys {
            if let Some(good_for) = good_for
                && !good_for.intersects(allowed)
            {
                return Err(SettingError::new(format!(
                    "JWT_ALGORITHMS: none of them is for {variable}, which supports {good_for}; add one, or unset \
                     {variable}"
                )));
            }
        }
        Ok(allowed.clone())
    }

    /// Whether there is a key to verify tokens with.
    pub(super) fn has_key(&self) -> bool {
        self.jwt_jwks_url.is_some() || self.jwt_secret.is_some() || self.jwt_public_key.is_some()
    }

    /// The secret, to check its form.
    pub(super) fn exposed_secret(&self) -> Option<&str> {
        self.jwt_secret.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The bytes of the secret.
    pub(super) fn secret_key(&self) -> Option<SecretSlice<u8>> {
        let key = hmac_key(self.exposed_secret()?).ok()?;
        Some(key.into())
    }
}
