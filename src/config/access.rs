//! Settings: authentication.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::JwtSettings;
use super::SettingError;
use super::value::{Checked, boolean, http_url, jwt_secret, parsed, text};
use crate::auth::{self, Algorithms, ClaimRules, MetricsToken, ServiceTokens, TokenOptions};

const ACCESS: &str = "Access";
/// The path of a Supabase project's keys.
const KEYS_OF_PROJECT: &str = "auth/v1/.well-known/jwks.json";
/// HS256 needs a key as long as its hash; a longer hash does not improve a short key.
const GOOD_SECRET_BYTES: usize = 32;
const TOO_SHORT: &str = "has less than 32 characters, and can be guessed from a token";

/// How callers authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    Supabase,
    Jwt,
}

/// Authentication.
#[derive(Args, Clone, Debug)]
pub struct AccessSettings {
    /// `AUTH_MODE`, default `open`: `open`: no authentication, every caller may do everything; `supabase`, `jwt`: by
    /// token
    ///
    /// With `supabase`, requests need `Authorization: Bearer` with a JWT of Supabase Auth (access to the user's own
    /// images) or a service token (access to all images). With `jwt`, JWTs of any issuer are accepted, as configured by
    /// the variables `JWT_…`.
    #[arg(long, env, value_name = "MODE", help_heading = ACCESS, default_value = "open", value_parser = Checked(mode))]
    auth_mode: Mode,

    /// `ALLOW_OPEN_ACCESS`, default `false`: allow a `HOST` that other machines can reach without authentication
    ///
    /// Every caller may then read, change and purge every image.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = ACCESS, default_value = "false",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    pub(super) allow_open_access: bool,

    /// `SUPABASE_JWT_SECRET`, unset by default: the secret that HS256 tokens are signed with
    ///
    /// In the dashboard under Project Settings → JWT Keys (legacy secret). Not an API key.
    #[arg(long, env, value_name = "SECRET", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(jwt_secret))]
    supabase_jwt_secret: Option<SecretString>,

    /// `SUPABASE_URL`, unset by default: the project's URL, whose public keys verify ES256 and RS256 tokens
    ///
    /// Like `https://abc.supabase.co`; the keys are fetched from `/auth/v1/.well-known/jwks.json` there.
    #[arg(long, env, value_name = "URL", help_heading = ACCESS, value_parser = Checked(http_url))]
    supabase_url: Option<Url>,

    /// `SUPABASE_JWKS_URL`, unset by default: the URL of these keys, if it is not below `SUPABASE_URL`
    #[arg(long, env, value_name = "URL", help_heading = ACCESS, value_parser = Checked(http_url))]
    supabase_jwks_url: Option<Url>,

    /// `SUPABASE_JWT_AUDIENCE`, default `authenticated`: the `aud` that a user's token must have
    #[arg(long, env, value_name = "AUDIENCE", help_heading = ACCESS, default_value = "authenticated",
        value_parser = Checked(text))]
    supabase_jwt_audience: String,

    /// `SERVICE_TOKENS`, none by default: `name:sha256-of-token` pairs, separated by commas
    ///
    /// Tokens for programs, with full access to all images; the audit trail records the name. Generate a token with
    /// `openssl rand -hex 32`, its hash with `printf %s TOKEN | sha256sum`.
    #[arg(long, env, value_name = "PAIRS", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(parsed::<ServiceTokens>))]
    service_tokens: Option<ServiceTokens>,

    /// `METRICS_TOKEN`, unset by default: a token that gives access to `/metrics` only, unless `AUTH_MODE=open`
    ///
    /// Service tokens give access too. With `AUTH_MODE=open` no token is needed.
    #[arg(long, env, value_name = "TOKEN", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(parsed::<MetricsToken>))]
    metrics_token: Option<MetricsToken>,

    /// How tokens are verified with `AUTH_MODE=jwt`.
    #[command(flatten)]
    jwt: JwtSettings,
}

fn mode(value: &str) -> Result<Mode, String> {
    match value {
        "open" => Ok(Mode::Open),
        "supabase" => Ok(Mode::Supabase),
        "jwt" => Ok(Mode::Jwt),
        _ => Err("is not `open`, `supabase` or `jwt`".to_owned()),
    }
}

impl AccessSettings {
    /// Whether there is no authentication.
    pub fn is_open(&self) -> bool {
        self.auth_mode == Mode::Open
    }

    /// The options of authentication; fails if no caller could authenticate.
    pub fn options(&self) -> Result<auth::Options, SettingError> {
        match self.auth_mode {
            Mode::Open => Ok(auth::Options::Open),
            Mode::Supabase => self.supabase().map(Box::new).map(auth::Options::Tokens),
            Mode::Jwt => self.any_issuer().map(Box::new).map(auth::Options::Tokens),
        }
    }

    fn supabase(&self) -> Result<TokenOptions, SettingError> {
        let key_server = self.supabase_key_server();
        if self.supabase_jwt_secret.is_none() && key_server.is_none() && self.has_no_service() {
            return Err(SettingError::new(
                "AUTH_MODE: `supabase` needs a way to verify tokens; set SUPABASE_URL (or SUPABASE_JWKS_URL), \
                 SUPABASE_JWT_SECRET or SERVICE_TOKENS",
            ));
        }
        Ok(TokenOptions {
            jwt_secret: (self.supabase_jwt_secret.as_ref())
                .map(|secret| secret.expose_secret().as_bytes().to_vec().into()),
            public_key: None,
            key_server,
            algorithms: Algorithms::of_supabase(),
            rules: ClaimRules::of_supabase(self.supabase_jwt_audience.clone()),
            service_tokens: self.service_tokens.clone().unwrap_or_default(),
            metrics_token: self.metrics_token.clone(),
        })
    }

    fn any_issuer(&self) -> Result<TokenOptions, SettingError> {
        if !self.jwt.has_key() && self.has_no_service() {
            return Err(SettingError::new(
                "AUTH_MODE: `jwt` needs a way to verify tokens; set JWT_JWKS_URL, JWT_SECRET, JWT_PUBLIC_KEY or \
                 SERVICE_TOKENS",
            ));
        }
        Ok(TokenOptions {
            jwt_secret: self.jwt.secret_key(),
            public_key: self.jwt.jwt_public_key.clone(),
            key_server: self.jwt.jwt_jwks_url.clone(),
            algorithms: self.jwt.algorithms()?,
            rules: self.jwt.rules(),
            service_tokens: self.service_tokens.clone().unwrap_or_default(),
            metrics_token: self.metrics_token.clone(),
        })
    }

    fn has_no_service(&self) -> bool {
        (self.service_tokens.as_ref()).is_none_or(ServiceTokens::is_empty)
    }

    /// Warnings for the operator at startup.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_open() {
            warnings.push(
                "AUTH_MODE=open: no authentication, and every caller may read, change and purge every image"
                    .to_owned(),
            );
        }
        let idle = self.idle_keys();
        warnings.extend(idle.map(|(what, remedy)| format!("{what}; {remedy}")));
        warnings.extend(self.unbound_keys());
        if let Some((variable, secret)) = self.secret()
            && self.is_too_short(secret)
        {
            warnings.push(format!("{variable} {TOO_SHORT}"));
        }
        warnings
    }

    /// Keys that are set but not used in this mode, and the fix.
    pub fn idle_keys(&self) -> Option<(&'static str, &'static str)> {
        let of_supabase = self.supabase_jwt_secret.is_some();
        let of_jwt = self.jwt.has_key();
        let shared = self.service_tokens.is_some() || self.metrics_token.is_some();
        match self.auth_mode {
            Mode::Open if of_jwt || of_supabase || shared => Some((
                "tokens are set, but AUTH_MODE=open does not use them",
                if of_jwt {
                    "set AUTH_MODE=jwt"
                } else {
                    "set AUTH_MODE=supabase"
                },
            )),
            Mode::Supabase if of_jwt => Some((
                "AUTH_MODE=supabase does not use JWT_JWKS_URL, JWT_SECRET and JWT_PUBLIC_KEY",
                "set AUTH_MODE=jwt, or the variables SUPABASE_…",
            )),
            Mode::Jwt if of_supabase => Some((
                "AUTH_MODE=jwt does not use SUPABASE_JWT_SECRET",
                "set JWT_SECRET, or AUTH_MODE=supabase",
            )),
            Mode::Open | Mode::Supabase | Mode::Jwt => None,
        }
    }

    /// Warns if tokens of a key server are accepted for every issuer and audience: many providers use the same keys for
    /// all of their customers.
    pub fn unbound_keys(&self) -> Option<String> {
        let is_unbound = self.auth_mode == Mode::Jwt
            && self.jwt.jwt_jwks_url.is_some()
            && self.jwt.rules().are_unbound();
        is_unbound.then(|| {
            "neither JWT_ISSUER nor JWT_AUDIENCE is set: every token signed with the keys of JWT_JWKS_URL is \
             accepted, including tokens for other applications"
                .to_owned()
        })
    }

    /// Evidence that the secret is wrong, and the fix. API keys are rejected before.
    pub fn secret_mistake(&self) -> Option<(String, &'static str)> {
        let (variable, secret) = self.secret()?;
        let mistake = if secret.trim() != secret {
            "begins or ends with white space"
        } else if uuid::Uuid::parse_str(secret).is_ok() {
            "is a UUID: the id of a key, not a secret"
        } else if self.is_too_short(secret) {
            TOO_SHORT
        } else {
            return None;
        };
        let remedy = match self.auth_mode {
            Mode::Jwt => {
                "use the one that the issuer signs with, unchanged; create a new one with `openssl rand -hex 32`"
            }
            Mode::Open | Mode::Supabase => {
                "use the project's: Project Settings → JWT Keys, legacy secret; or set SUPABASE_URL only"
            }
        };
        Some((format!("{variable} {mistake}"), remedy))
    }

    fn is_too_short(&self, secret: &str) -> bool {
        let decoded = self
            .jwt
            .secret_key()
            .filter(|_| self.auth_mode == Mode::Jwt);
        let bytes = decoded.map_or(secret.len(), |key| key.expose_secret().len());
        bytes < GOOD_SECRET_BYTES
    }

    /// The secret that verifies tokens, and its variable.
    fn secret(&self) -> Option<(&'static str, &str)> {
        let secret = match self.auth_mode {
            Mode::Jwt => return Some(("JWT_SECRET", self.jwt.exposed_secret()?)),
            Mode::Open | Mode::Supabase => self.supabase_jwt_secret.as_ref()?,
        };
        Some(("SUPABASE_JWT_SECRET", secret.expose_secret()))
    }

    /// The Supabase project whose keys verify tokens, `abc` of `https://abc.supabase.co`.
    pub fn project(&self) -> Option<String> {
        let server = self.supabase_key_server()?;
        let project = server.host_str()?.strip_suffix(".supabase.co")?;
        Some(project.to_owned())
    }

    fn supabase_key_server(&self) -> Option<Url> {
        self.supabase_jwks_url.clone().or_else(|| {
            let mut project = self.supabase_url.clone()?;
            let path = format!("{}/{KEYS_OF_PROJECT}", project.path().trim_end_matches('/'));
            project.set_path(&path);
            Some(project)
        })
    }
}
