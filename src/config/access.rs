//! Settings: who may come in.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::SettingError;
use super::value::{Checked, boolean, http_url, jwt_secret, parsed_secret, text};
use crate::auth::{self, MetricsToken, ServiceTokens, TokenOptions};

const ACCESS: &str = "Access";
/// Where a project of Supabase has its keys.
const KEYS_OF_PROJECT: &str = "auth/v1/.well-known/jwks.json";
/// HS256 wants a key as long as its hash.
const GOOD_SECRET_BYTES: usize = 32;

/// How callers sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    Supabase,
}

/// Who may come in.
#[derive(Args, Clone, Debug)]
pub struct AccessSettings {
    /// `AUTH_MODE`, default `open`: `open`: nobody signs in and everybody may do everything; `supabase`: by token
    ///
    /// With `supabase`, a request needs `Authorization: Bearer` with a JWT of Supabase Auth, which gives access to its
    /// user's own images, or with a service token, which gives access to all.
    #[arg(long, env, value_name = "MODE", help_heading = ACCESS, default_value = "open", value_parser = Checked(mode))]
    auth_mode: Mode,

    /// `ALLOW_OPEN_ACCESS`, default `false`: allow a `HOST` that other machines reach though nobody signs in
    ///
    /// Whoever reaches the server may then read, change and purge every image.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = ACCESS, default_value = "false",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    pub(super) allow_open_access: bool,

    /// `SUPABASE_JWT_SECRET`, unset by default: the secret that HS256 tokens are signed with
    ///
    /// In the dashboard under Project Settings → JWT Keys (legacy secret). Not an API key.
    #[arg(long, env, value_name = "SECRET", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(jwt_secret))]
    supabase_jwt_secret: Option<SecretString>,

    /// `SUPABASE_URL`, unset by default: the project's URL, whose public keys check ES256 and RS256 tokens
    ///
    /// Like `https://abc.supabase.co`; the keys are fetched from `/auth/v1/.well-known/jwks.json` there.
    #[arg(long, env, value_name = "URL", help_heading = ACCESS, value_parser = Checked(http_url))]
    supabase_url: Option<Url>,

    /// `SUPABASE_JWKS_URL`, unset by default: where those keys are, when it is not below `SUPABASE_URL`
    #[arg(long, env, value_name = "URL", help_heading = ACCESS, value_parser = Checked(http_url))]
    supabase_jwks_url: Option<Url>,

    /// `SUPABASE_JWT_AUDIENCE`, default `authenticated`: the `aud` that a user's token has to have
    #[arg(long, env, value_name = "AUDIENCE", help_heading = ACCESS, default_value = "authenticated",
        value_parser = Checked(text))]
    supabase_jwt_audience: String,

    /// `SERVICE_TOKENS`, none by default: `name:sha256-of-token` pairs, separated by commas
    ///
    /// Tokens for programs, which may do everything on every image; the name is what the audit trail knows one by. A
    /// token is made by `openssl rand -hex 32`, its hash by `printf %s TOKEN | sha256sum`.
    #[arg(long, env, value_name = "PAIRS", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(parsed_secret::<ServiceTokens>))]
    service_tokens: Option<ServiceTokens>,

    /// `METRICS_TOKEN`, unset by default: the token that opens `/metrics`, and nothing else, with `AUTH_MODE=supabase`
    ///
    /// Service tokens open it too. With `AUTH_MODE=open` it is open to everybody.
    #[arg(long, env, value_name = "TOKEN", help_heading = ACCESS, hide_env_values = true,
        value_parser = Checked(parsed_secret::<MetricsToken>))]
    metrics_token: Option<MetricsToken>,
}

fn mode(value: &str) -> Result<Mode, String> {
    match value {
        "open" => Ok(Mode::Open),
        "supabase" => Ok(Mode::Supabase),
        _ => Err("is not `open` or `supabase`".to_owned()),
    }
}

impl AccessSettings {
    /// Whether nobody signs in.
    pub fn is_open(&self) -> bool {
        self.auth_mode == Mode::Open
    }

    /// What callers are told by; refused where nobody could sign in.
    pub fn options(&self) -> Result<auth::Options, SettingError> {
        if self.is_open() {
            return Ok(auth::Options::Open);
        }
        let options = TokenOptions {
            jwt_secret: self.supabase_jwt_secret.clone(),
            key_server: self.key_server(),
            audience: self.supabase_jwt_audience.clone(),
            service_tokens: self.service_tokens.clone().unwrap_or_default(),
            metrics_token: self.metrics_token.clone(),
        };
        if options.jwt_secret.is_none()
            && options.key_server.is_none()
            && options.service_tokens.is_empty()
        {
            return Err(SettingError::new(
                "AUTH_MODE: `supabase` needs something to check tokens with; set SUPABASE_URL (or SUPABASE_JWKS_URL), \
                 SUPABASE_JWT_SECRET or SERVICE_TOKENS",
            ));
        }
        Ok(auth::Options::Supabase(options))
    }

    /// What an operator should know who starts the server like this.
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.is_open() {
            warnings.push(
                "AUTH_MODE=open: nobody signs in, and everybody who reaches the server may read, change and purge every \
                 image",
            );
            if self.has_idle_tokens() {
                warnings.push(
                    "tokens are set, but AUTH_MODE=open pays them no heed; set AUTH_MODE=supabase",
                );
            }
        }
        let secret = self.supabase_jwt_secret.as_ref();
        if secret.is_some_and(|secret| secret.expose_secret().len() < GOOD_SECRET_BYTES) {
            warnings.push(
                "SUPABASE_JWT_SECRET has less than 32 characters, and can be guessed from a token",
            );
        }
        warnings
    }

    /// Whether there is something to check tokens with, and nobody signs in.
    pub fn has_idle_tokens(&self) -> bool {
        self.is_open()
            && (self.supabase_jwt_secret.is_some()
                || self.service_tokens.is_some()
                || self.metrics_token.is_some())
    }

    /// What shows that another secret was meant, as the end of a sentence. API keys are refused before.
    pub fn secret_mistake(&self) -> Option<&'static str> {
        let secret = self.supabase_jwt_secret.as_ref()?.expose_secret();
        if secret.trim() != secret {
            Some("begins or ends with white space")
        } else if uuid::Uuid::parse_str(secret).is_ok() {
            Some("is a UUID: the id of a key, not a secret")
        } else if secret.len() < GOOD_SECRET_BYTES {
            Some("has less than 32 characters, and can be guessed from a token")
        } else {
            None
        }
    }

    /// The project at Supabase whose keys check tokens, `abc` of `https://abc.supabase.co`.
    pub fn project(&self) -> Option<String> {
        let server = self.key_server()?;
        let project = server.host_str()?.strip_suffix(".supabase.co")?;
        Some(project.to_owned())
    }

    fn key_server(&self) -> Option<Url> {
        self.supabase_jwks_url.clone().or_else(|| {
            let mut project = self.supabase_url.clone()?;
            let path = format!("{}/{KEYS_OF_PROJECT}", project.path().trim_end_matches('/'));
            project.set_path(&path);
            Some(project)
        })
    }
}
