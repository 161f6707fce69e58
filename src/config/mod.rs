//! Every setting: its variable, its default, what it means, and the line that says what is wrong with it.
//!
//! A setting is a flag (`--port`), else a variable (`PORT`), else its default. An empty variable counts as unset.
//! The first paragraph of a field's documentation is its entry in `--help`, so it names variable and default.

mod access;
mod documents;
mod error;
mod rate;
mod retention;
mod telemetry;
mod value;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};
use sqlx::postgres::PgSslMode;

use crate::cloudinary::hosts::HostPatterns;
use crate::db::options::{
    ConnectionUrl, DEFAULT_CONNECT_TIMEOUT, Host, Options, PASSWORD_PLACEHOLDER, Pooler, Server,
    Target, UrlParameters, certificate_file, ssl_mode,
};
use crate::server::middleware::origin::{Origin, Origins};

pub use access::AccessSettings;
pub use documents::DocumentSettings;
pub use error::SettingError;
use error::first_line;
pub use rate::RateSettings;
pub use retention::RetentionSettings;
pub use telemetry::TelemetrySettings;
use value::{
    Checked, Secret, address, boolean, connection_count, database_host, host_patterns,
    milliseconds, origin, port, seconds, secret, text, whole_number,
};

const DEFAULT_DATABASE_URL: &str = "sqlite://gallery.db?mode=rwc";
const DEFAULT_MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const DATABASE: &str = "Database";
const SUPABASE: &str = "Supabase: used when SUPABASE_DB_HOST is set and DATABASE_URL is not";
const LISTENING: &str = "Listening";
const LIMITS: &str = "Limits of one request";
const SUBSCRIPTIONS: &str = "Subscriptions";
const CONTENT: &str = "Content";

/// Everything that an operator may set.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`, default `sqlite://gallery.db?mode=rwc`: the database, as `postgres://user:password@host:5432/name`
    /// or `sqlite://file`
    ///
    /// Any character may stand in the password; a `%` that two hexadecimal digits follow, and whatever else the shell
    /// or `.env` would touch, is written percent-encoded (`%25`). Parameters for Postgres: `sslmode` (default `prefer`;
    /// `disable`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `application_name`, `host` (the directory of a
    /// Unix socket). Only `verify-full` holds off somebody in between, with the server's own authority in `sslrootcert`
    /// unless it is a public one. `pgbouncer=true`, `connection_limit` and `connect_timeout` (seconds, default 3) are read as
    /// Prisma and Supabase's dashboard write them. For SQLite: `mode=rwc` makes the file when it is not there.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_url: Option<Secret>,

    /// `DATABASE_MAX_CONNECTIONS`, default 10: how many connections to the database are kept at most, 1 to 1000
    ///
    /// It goes before `connection_limit` in `DATABASE_URL`.
    #[arg(long, env, value_name = "COUNT", help_heading = DATABASE, value_parser = Checked(connection_count))]
    database_max_connections: Option<NonZeroU32>,

    /// `DATABASE_POOLER`, default `session`: `transaction` behind PgBouncer or Supavisor in transaction mode
    ///
    /// Then every statement is unnamed and inside a transaction, and nothing relies on the session. Supabase's pooler is in
    /// transaction mode on port 6543. `pgbouncer=true` in `DATABASE_URL` means the same; this setting goes before it.
    #[arg(long, env, value_name = "MODE", help_heading = DATABASE, value_parser = Checked(str::parse::<Pooler>))]
    database_pooler: Option<Pooler>,

    /// `DATABASE_DIRECT_URL`, default the database itself: a connection past the transaction pooler, for migrations and for
    /// hearing of other processes' changes, written like `DATABASE_URL`
    ///
    /// Without one, behind a transaction pooler, migrations are refused, and changes are looked for once a second.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_direct_url: Option<Secret>,

    /// `DATABASE_READ_URL`, unset by default: a streaming replica of the database, for requests that ask for it with
    /// `X-Gallery-Read: replica`
    ///
    /// Written like `DATABASE_URL`. Where it is behind what such a request wants to see, or away, the database itself serves.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_read_url: Option<Secret>,

    /// `AUTO_MIGRATE`, default `true` on SQLite, `false` on Postgres: run pending migrations at the start
    ///
    /// Without it the server starts all the same, says in the log which command to run, and answers 503 until then.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = DATABASE, value_parser = Checked(boolean))]
    auto_migrate: Option<bool>,

    /// `SLOW_QUERY_MILLISECONDS`, default 500: log statements that take longer
    #[arg(long = "slow-query-milliseconds", env = "SLOW_QUERY_MILLISECONDS", value_name = "MILLISECONDS",
        help_heading = DATABASE, default_value = "500",
        value_parser = Checked(milliseconds))]
    slow_query: Duration,

    /// `SUPABASE_DB_HOST`, unset by default: host of the database, or of its pooler in session mode
    #[arg(long, env, value_name = "HOST", help_heading = SUPABASE, value_parser = Checked(database_host))]
    supabase_db_host: Option<Host>,

    /// `SUPABASE_DB_PORT`, default 5432: port of the database
    #[arg(long, env, value_name = "PORT", help_heading = SUPABASE, default_value = "5432",
        value_parser = Checked(port::<1>))]
    supabase_db_port: u16,

    /// `SUPABASE_DB_NAME`, no default: name of the database
    #[arg(long, env, value_name = "NAME", help_heading = SUPABASE, value_parser = Checked(text))]
    supabase_db_name: Option<String>,

    /// `SUPABASE_DB_USER`, no default: user to sign in as
    #[arg(long, env, value_name = "USER", help_heading = SUPABASE, value_parser = Checked(text))]
    supabase_db_user: Option<String>,

    /// `SUPABASE_DB_PASSWORD`, no default: its password as it is, with any characters
    #[arg(long, env, value_name = "PASSWORD", help_heading = SUPABASE, hide_env_values = true,
        value_parser = Checked(secret))]
    supabase_db_password: Option<Secret>,

    /// `SUPABASE_DB_SSLMODE`, default `require`: how TLS is used, `disable`, `prefer`, `require`, `verify-ca` or
    /// `verify-full`
    ///
    /// Only `verify-full` holds off somebody in between: `verify-ca` is content with any certificate of a public
    /// authority.
    #[arg(long, env, value_name = "MODE", help_heading = SUPABASE, default_value = "require",
        value_parser = Checked(ssl_mode))]
    supabase_db_sslmode: PgSslMode,

    /// `SUPABASE_DB_SSLROOTCERT`, unset by default: file of the certificate authority for `verify-ca` and `verify-full`
    #[arg(long, env, value_name = "FILE", help_heading = SUPABASE, value_parser = Checked(certificate_file))]
    supabase_db_sslrootcert: Option<PathBuf>,

    /// `HOST`, default `127.0.0.1`: address to listen on, an IP address or `localhost`
    #[arg(long, env, value_name = "ADDRESS", help_heading = LISTENING, default_value = "127.0.0.1",
        value_parser = Checked(address))]
    host: IpAddr,

    /// `PORT`, default 9999: port to listen on; 0 takes one that is free
    #[arg(long, env, value_name = "PORT", help_heading = LISTENING, default_value = "9999",
        value_parser = Checked(port::<0>))]
    port: u16,

    /// Who may come in.
    #[command(flatten)]
    pub access: AccessSettings,

    /// How often they may ask.
    #[command(flatten)]
    pub rate: RateSettings,

    /// `PUBLIC_URL`, unset by default: how the world reaches the server, e.g. `https://gallery.example.com`
    ///
    /// Behind a proxy it makes pages of this address the server's own, and is accepted as `Host`.
    #[arg(long, env, value_name = "URL", help_heading = LISTENING, value_parser = Checked(origin))]
    public_url: Option<Origin>,

    /// `CORS_ALLOWED_ORIGINS`, none by default: other origins whose pages may call the server, separated by commas
    #[arg(long, env, value_name = "ORIGINS", help_heading = LISTENING, value_delimiter = ',',
        value_parser = Checked(origin))]
    cors_allowed_origins: Vec<Origin>,

    /// `CLOUDINARY_HOSTS`, default `res.cloudinary.com,*-res.cloudinary.com`: hosts that an image URL may have
    ///
    /// Separated by commas; `*` stands for one label or a part of one.
    #[arg(long, env, value_name = "HOSTS", help_heading = CONTENT, value_parser = Checked(host_patterns),
        default_value = "res.cloudinary.com,*-res.cloudinary.com")]
    pub cloudinary_hosts: HostPatterns,

    /// `GRAPHIQL`, default `true`: show GraphiQL to a browser that opens `/graphql`
    #[arg(long, env, value_name = "BOOLEAN", help_heading = CONTENT, default_value = "true",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    pub graphiql: bool,

    /// Which documents run at all.
    #[command(flatten)]
    pub documents: DocumentSettings,

    /// `GRAPHQL_MAX_DEPTH`, default 15: how deep fields may be nested; introspection is exempt
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "15",
        value_parser = Checked(whole_number::<1, 1000>))]
    pub graphql_max_depth: usize,

    /// `GRAPHQL_MAX_COMPLEXITY`, default 10000: how many fields may be asked for, each as often as its page is long
    ///
    /// `X-GraphQL-Cost: 1` with a request shows what it costs.
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "10000",
        value_parser = Checked(whole_number::<1, 1_000_000_000>))]
    pub graphql_max_complexity: usize,

    /// `GRAPHQL_MAX_ALIASES`, default 30: how many fields may be renamed
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "30",
        value_parser = Checked(whole_number::<0, 100_000>))]
    pub graphql_max_aliases: usize,

    /// `GRAPHQL_MAX_TOKENS`, default 5000: of how many tokens a document may consist
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "5000",
        value_parser = Checked(whole_number::<1, 1_000_000>))]
    pub graphql_max_tokens: usize,

    /// `GRAPHQL_MAX_ANSWER_BYTES`, default 268435456: what the answer of an operation may take in memory, in bytes
    ///
    /// The rows that it is made of count as well.
    #[arg(long, env, value_name = "BYTES", help_heading = LIMITS, default_value = "268435456",
        value_parser = Checked(whole_number::<1024, 1_000_000_000>))]
    pub graphql_max_answer_bytes: usize,

    /// `GRAPHQL_MAX_BATCH`, default 10: how many operations one request may have, as a JSON array
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "10",
        value_parser = Checked(whole_number::<1, 1000>))]
    pub graphql_max_batch: usize,

    /// `WS_MAX_OPERATIONS`, default 50: how many operations one WebSocket may have at a time
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "50",
        value_parser = Checked(whole_number::<1, 10_000>))]
    pub ws_max_operations: usize,

    /// `MAX_BODY_BYTES`, default 8388608: how long a request's body may be, in bytes
    #[arg(long, env, value_name = "BYTES", help_heading = LIMITS, default_value = "8388608",
        value_parser = Checked(whole_number::<1, 1_073_741_824>))]
    pub max_body_bytes: usize,

    /// `REQUEST_TIMEOUT_SECONDS`, default 15: how long a request may take
    #[arg(long = "request-timeout-seconds", env = "REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS",
        help_heading = LIMITS, default_value = "15",
        value_parser = Checked(seconds))]
    pub request_timeout: Duration,

    /// How long images in the trash and events are kept.
    #[command(flatten)]
    pub retention: RetentionSettings,

    /// `MAX_SUBSCRIBERS`, default 10000: how many subscriptions this process serves at once
    ///
    /// Further ones are answered with `SERVICE_UNAVAILABLE`.
    #[arg(long, env, value_name = "COUNT", help_heading = SUBSCRIPTIONS, default_value = "10000",
        value_parser = Checked(whole_number::<0, 1_000_000>))]
    pub max_subscribers: usize,

    /// What is told of what happens.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

impl Settings {
    /// Reads flags like `--port 0`, without the program's name; the environment is left out of it.
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

    /// Which database, and how it is used.
    pub fn database(&self) -> Result<Options, SettingError> {
        let ConnectionUrl { target, parameters } = self.database_target()?;
        let pooler = self.database_pooler.or(parameters.pooler);
        let pooler = pooler.unwrap_or_default();
        if let (Target::Sqlite(_), Pooler::Transaction) = (&target, pooler) {
            return Err(SettingError::new(format!(
                "DATABASE_POOLER: `transaction` is for Postgres, but the database is {target}; allowed with it: `session`"
            )));
        }
        Ok(Options {
            direct: second_server(
                "DATABASE_DIRECT_URL",
                self.database_direct_url.as_ref(),
                &target,
                Pooler::Session,
            )?,
            replica: second_server(
                "DATABASE_READ_URL",
                self.database_read_url.as_ref(),
                &target,
                pooler,
            )?,
            target,
            pooler,
            max_connections: (self.database_max_connections.or(parameters.max_connections))
                .unwrap_or(DEFAULT_MAX_CONNECTIONS),
            connect_timeout: (parameters.connect_timeout).unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            slow_query: self.slow_query,
            statement_time: statement_time(self.request_timeout),
        })
    }

    fn database_target(&self) -> Result<ConnectionUrl, SettingError> {
        match (&self.database_url, &self.supabase_db_host) {
            (None, Some(host)) => Ok(ConnectionUrl {
                target: self.supabase(host)?,
                parameters: UrlParameters::default(),
            }),
            (url, _) => {
                let url = url
                    .as_ref()
                    .map_or(DEFAULT_DATABASE_URL, |url| url.0.as_str());
                ConnectionUrl::parse(url)
                    .map_err(|error| SettingError::new(format!("DATABASE_URL: {error}")))
            }
        }
    }

    fn supabase(&self, host: &Host) -> Result<Target, SettingError> {
        let (Some(name), Some(user), Some(password)) = (
            &self.supabase_db_name,
            &self.supabase_db_user,
            &self.supabase_db_password,
        ) else {
            return Err(self.supabase_incomplete(host));
        };
        if password.0 == PASSWORD_PLACEHOLDER {
            return Err(SettingError::new(format!(
                "SUPABASE_DB_PASSWORD: `{PASSWORD_PLACEHOLDER}` still stands in place of the password; allowed: the \
                 database's password (Project Settings → Database)"
            )));
        }
        let mut server = Server::new(host.clone(), self.supabase_db_port, user, &password.0, name);
        server.ssl_mode = self.supabase_db_sslmode;
        server
            .ssl_root_certificate
            .clone_from(&self.supabase_db_sslrootcert);
        Ok(Target::postgres(server))
    }

    fn supabase_incomplete(&self, host: &Host) -> SettingError {
        let missing: Vec<_> = [
            ("SUPABASE_DB_NAME", self.supabase_db_name.is_none()),
            ("SUPABASE_DB_USER", self.supabase_db_user.is_none()),
            ("SUPABASE_DB_PASSWORD", self.supabase_db_password.is_none()),
        ]
        .into_iter()
        .filter_map(|(variable, is_missing)| is_missing.then_some(variable))
        .collect();
        SettingError::new(format!(
            "SUPABASE_DB_HOST: `{host}` needs SUPABASE_DB_NAME, SUPABASE_DB_USER and SUPABASE_DB_PASSWORD beside it; not set: {}",
            missing.join(", ")
        ))
    }

    /// Whether pending migrations run at the start: as `AUTO_MIGRATE` says, else on SQLite only.
    pub fn auto_migrate(&self, target: &Target) -> bool {
        self.auto_migrate
            .unwrap_or(matches!(target, Target::Sqlite(_)))
    }

    /// Which browsers' requests are served.
    pub fn origins(&self) -> Origins {
        Origins {
            public: self.public_url.clone(),
            listed: self.cors_allowed_origins.clone(),
            is_on_loopback: self.is_on_loopback(),
            has_pages: self.graphiql,
        }
    }

    /// Whether it listens to this machine only.
    pub fn is_on_loopback(&self) -> bool {
        self.host.to_canonical().is_loopback()
    }

    /// The address to listen on; refused when other machines reach it, nobody signs in, and nobody allowed that.
    pub fn listen_address(&self) -> Result<SocketAddr, SettingError> {
        if self.is_on_loopback() || !self.access.is_open() || self.access.allow_open_access {
            return Ok(SocketAddr::new(self.host, self.port));
        }
        Err(SettingError::new(format!(
            "HOST: `{}` is reached by other machines, and as nobody signs in, each could change and purge every image; \
             allowed: a loopback address like `127.0.0.1`, any with AUTH_MODE=supabase, or any with \
             ALLOW_OPEN_ACCESS=true",
            self.host
        )))
    }
}

/// Another way to the same data: only Postgres has one.
fn second_server(
    variable: &str,
    url: Option<&Secret>,
    target: &Target,
    pooler: Pooler,
) -> Result<Option<Target>, SettingError> {
    let Some(url) = url else {
        return Ok(None);
    };
    let ConnectionUrl {
        target: second,
        parameters,
    } = ConnectionUrl::parse(&url.0)
        .map_err(|error| SettingError::new(format!("{variable}: {error}")))?;
    if let Some(name) = parameters.only_for_database_url() {
        return Err(SettingError::new(format!(
            "{variable}: `{second}` has `{name}`, which is read in DATABASE_URL only; leave it out"
        )));
    }
    if parameters.pooler.is_some_and(|asked| asked != pooler) {
        let remedy = match variable {
            "DATABASE_DIRECT_URL" => {
                "it has to go past the pooler: give the address of the server itself, or of a pooler in session mode"
            }
            _ => {
                "the database itself is not reached through such a pooler: set DATABASE_POOLER=transaction, or leave it out"
            }
        };
        return Err(SettingError::new(format!(
            "{variable}: `{second}` has `pgbouncer=true`, but {remedy}"
        )));
    }
    if let (Target::Postgres(_), Target::Postgres(_)) = (target, &second) {
        return Ok(Some(second));
    }
    Err(SettingError::new(format!(
        "{variable}: `{second}` does not go with {target}; allowed: the URL of a Postgres server, where the database itself \
         is on one"
    )))
}

/// A little less than a request has: the database gives up before the request does, and its answer still arrives.
fn statement_time(request_time: Duration) -> Duration {
    const FOR_THE_ANSWER: Duration = Duration::from_millis(500);
    request_time.saturating_sub(FOR_THE_ANSWER.min(request_time / 10))
}

/// Makes a command ready to read settings: an empty variable counts as unset, a later flag wins over an earlier one,
/// and `--help` shows a setting's documentation, nothing else.
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
