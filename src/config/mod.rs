//! All settings: variables, defaults, documentation and errors.
//!
//! A setting is a flag (`--port`), else a variable (`PORT`), else its default. An empty variable counts as unset. The
//! first paragraph of a field's documentation is its entry in `--help`, so it names variable and default.

mod access;
mod database;
mod documents;
mod error;
mod jwt;
mod limits;
mod rate;
mod rest;
mod retention;
mod telemetry;
mod value;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};

use clap::{Args, Command, FromArgMatches};

use crate::cloudinary::hosts::HostPatterns;
use crate::db::options::Options;
use crate::gallery::{self, IntentAliases};
use crate::server;
use crate::server::middleware::origin::{Origin, Origins};

pub use access::AccessSettings;
pub use database::DatabaseSettings;
pub use documents::DocumentSettings;
pub use error::SettingError;
use error::first_line;
use jwt::JwtSettings;
pub use limits::LimitSettings;
pub use rate::RateSettings;
pub use rest::RestSettings;
pub use retention::RetentionSettings;
pub use telemetry::TelemetrySettings;
use value::{
    Checked, address, boolean, host_patterns, intent_aliases, metadata_key, origin, port,
    whole_number,
};

const LISTENING: &str = "Listening";
const SUBSCRIPTIONS: &str = "Subscriptions";
const CONTENT: &str = "Content";

/// All settings.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// `HOST`, default `127.0.0.1`: address to listen on, an IP address or `localhost`
    #[arg(long, env, value_name = "ADDRESS", help_heading = LISTENING, default_value = "127.0.0.1",
        value_parser = Checked(address))]
    host: IpAddr,

    /// `PORT`, default 9999: port to listen on; 0 picks a free one
    #[arg(long, env, value_name = "PORT", help_heading = LISTENING, default_value = "9999",
        value_parser = Checked(port::<0>))]
    port: u16,

    /// Authentication.
    #[command(flatten)]
    pub access: AccessSettings,

    /// The rate limit.
    #[command(flatten)]
    pub rate: RateSettings,

    /// `PUBLIC_URL`, unset by default: the server's public URL, e.g. `https://gallery.example.com`
    ///
    /// Behind a proxy: pages of this URL count as same-origin, and it is accepted as `Host`.
    #[arg(long, env, value_name = "URL", help_heading = LISTENING, value_parser = Checked(origin))]
    public_url: Option<Origin>,

    /// `CORS_ALLOWED_ORIGINS`, none by default: other origins whose pages may call the server, separated by commas
    #[arg(long, env, value_name = "ORIGINS", help_heading = LISTENING, value_delimiter = ',',
        value_parser = Checked(origin))]
    cors_allowed_origins: Vec<Origin>,

    /// `CLOUDINARY_HOSTS`, default `res.cloudinary.com,*-res.cloudinary.com`: hosts allowed in image URLs
    ///
    /// Separated by commas; `*` matches one label or a part of one.
    #[arg(long, env, value_name = "HOSTS", help_heading = CONTENT, value_parser = Checked(host_patterns),
        default_value = "res.cloudinary.com,*-res.cloudinary.com")]
    pub cloudinary_hosts: HostPatterns,

    /// `INTENT_ALIASES`, none by default: another application's labels that count as an intent when images are read
    ///
    /// Pairs like `image_generation=generate,upscale=enhance`, at most 100, with `generate`, `edit` or `enhance` after the
    /// `=`, in any letter case. `Image.intent`, `filter.intents` and `byIntent` use them; labels stay as they are stored.
    #[arg(long, env, value_name = "PAIRS", help_heading = CONTENT, value_parser = Checked(intent_aliases))]
    intent_aliases: Option<IntentAliases>,

    /// `PROMPT_METADATA_KEY`, none by default: a key of the metadata whose text replaces a missing `originalPrompt`
    ///
    /// In searches as well: their index is built for it by `migrate up`, on SQLite also at startup. At most 100 characters,
    /// without quotes, backslashes and control characters.
    #[arg(long, env, value_name = "KEY", help_heading = CONTENT, value_parser = Checked(metadata_key))]
    prompt_metadata_key: Option<String>,

    /// `GRAPHIQL`, default `true`: serve GraphiQL to browsers that open `/graphql`
    #[arg(long, env, value_name = "BOOLEAN", help_heading = CONTENT, default_value = "true",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    pub graphiql: bool,

    /// The replaced application's REST calls.
    #[command(flatten)]
    pub rest: RestSettings,

    /// Which documents may run.
    #[command(flatten)]
    pub documents: DocumentSettings,

    /// Limits of a request.
    #[command(flatten)]
    pub limits: LimitSettings,

    /// How long images in the trash and events are kept.
    #[command(flatten)]
    pub retention: RetentionSettings,

    /// `MAX_SUBSCRIBERS`, default 10000: maximum number of concurrent subscriptions in this process
    ///
    /// Further ones fail with `SERVICE_UNAVAILABLE`.
    #[arg(long, env, value_name = "COUNT", help_heading = SUBSCRIPTIONS, default_value = "10000",
        value_parser = Checked(whole_number::<0, 1_000_000>))]
    pub max_subscribers: usize,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

impl Settings {
    /// Parses flags like `--port 0`, without the program's name; ignores the environment.
    pub fn from_arguments<I, A>(arguments: I) -> Result<Self, SettingError>
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString> + Clone,
    {
        let command = Self::augment_args(Command::new("image-gallery").no_binary_name(true));
        prepare(command, |_| false)
            .try_get_matches_from(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| {
                SettingError::from_usage(&error)
                    .unwrap_or_else(|| SettingError::new(first_line(&error)))
            })
    }

    /// The options of the database.
    pub fn database(&self) -> Result<Options, SettingError> {
        Ok(Options {
            prompt_metadata_key: self.prompt_metadata_key.clone(),
            ..self.database.options(self.limits.request_timeout)?
        })
    }

    /// The options of the gallery.
    pub fn gallery(&self) -> gallery::Options {
        gallery::Options {
            hosts: self.cloudinary_hosts.clone(),
            request_timeout: self.limits.request_timeout,
            retention: self.retention.policy(),
            erased_events: self.retention.erased_events(),
            max_subscribers: self.max_subscribers,
            intent_aliases: self.intent_aliases.clone().unwrap_or_default(),
        }
    }

    /// The options of the HTTP server.
    pub fn server(&self) -> server::Options {
        server::Options {
            max_body_bytes: self.limits.max_body_bytes,
            max_batch: self.limits.graphql_max_batch,
            max_socket_operations: self.limits.ws_max_operations,
            origins: self.origins(),
            has_graphiql: self.graphiql,
            rate: self.rate.options(),
            rest: self.rest.options(),
        }
    }

    /// Which browser requests are allowed.
    pub fn origins(&self) -> Origins {
        Origins {
            public: self.public_url.clone(),
            listed: self.cors_allowed_origins.clone(),
            is_on_loopback: self.is_on_loopback(),
            has_pages: self.graphiql,
        }
    }

    /// Whether it listens on loopback only.
    pub fn is_on_loopback(&self) -> bool {
        self.host.to_canonical().is_loopback()
    }

    /// The address to listen on; fails if other machines can reach it without authentication and that is not allowed.
    pub fn listen_address(&self) -> Result<SocketAddr, SettingError> {
        if self.is_on_loopback() || !self.access.is_open() || self.access.allow_open_access {
            return Ok(SocketAddr::new(self.host, self.port));
        }
        Err(SettingError::new(format!(
            "HOST: `{}` can be reached by other machines, and without authentication each could change and purge \
             every image; \
             allowed: a loopback address like `127.0.0.1`, any with AUTH_MODE=supabase or AUTH_MODE=jwt, or any with \
             ALLOW_OPEN_ACCESS=true",
            self.host
        )))
    }
}

/// Prepares a command for settings: an empty variable counts as unset, a later flag overrides an earlier one, and
/// `--help` shows only a setting's documentation.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
pub fn with_environment(command: Command) -> Command {
    prepare(command, |variable| {
        std::env::var_os(variable).is_some_and(|value| !value.is_empty())
    })
}

fn prepare(command: Command, is_set: impl Fn(&OsStr) -> bool) -> Command {
    command.args_override_self(true).mut_args(|argument| {
        let Some(is_set) = argument.get_env().map(&is_set) else {
            return argument;
        };
        let argument = argument
            .hide_env(true)
            .hide_default_value(true)
            .global(true);
        if is_set {
            argument
        } else {
            argument.env(None::<&'static str>)
        }
    })
}

#[cfg(test)]
mod tests;
