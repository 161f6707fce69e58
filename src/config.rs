//! Every setting: its variable, its default, what it means, and the line that says what is wrong with it.
//!
//! A setting is a flag (`--port`), else a variable (`PORT`), else its default. An empty variable counts as unset.
//! The first paragraph of a field's documentation is its entry in `--help`, so it names variable and default.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, Command, FromArgMatches};
use sqlx::postgres::PgSslMode;

use crate::cloudinary::url::HostPatterns;
use crate::db::options::{Host, Options, Server, Target, readable_file, ssl_mode};
use crate::telemetry;

const DEFAULT_DATABASE_URL: &str = "sqlite://gallery.db?mode=rwc";
/// Some way beyond what a Postgres server allows by itself.
const MAX_CONNECTIONS: u32 = 1000;
const DATABASE: &str = "Database";
const SUPABASE: &str = "Supabase: used when SUPABASE_DB_HOST is set and DATABASE_URL is not";
const LISTENING: &str = "Listening";
const LIMITS: &str = "Limits of one request";
const CONTENT: &str = "Content";
const LOGS: &str = "Logs";

/// Everything that an operator may set.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`, default `sqlite://gallery.db?mode=rwc`: the database, as `postgres://user:password@host:5432/name`
    /// or `sqlite://file`
    ///
    /// Any character may stand in the password; a `%` that two hexadecimal digits follow, and whatever else the shell
    /// or `.env` would touch, is written percent-encoded (`%25`). Parameters for Postgres: `sslmode` (default `prefer`;
    /// `disable`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `application_name`, `host` (the directory of a
    /// Unix socket). For SQLite: `mode=rwc` makes the file when it is not there.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_url: Option<Secret>,

    /// `DATABASE_MAX_CONNECTIONS`, default 10: how many connections to the database are kept at most, 1 to 1000
    #[arg(long, env, value_name = "COUNT", help_heading = DATABASE, default_value = "10",
        value_parser = Checked(connection_count))]
    database_max_connections: NonZeroU32,

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
    #[arg(long, env, value_name = "FILE", help_heading = SUPABASE, value_parser = Checked(readable_file))]
    supabase_db_sslrootcert: Option<PathBuf>,

    /// `HOST`, default `127.0.0.1`: address to listen on, an IP address or `localhost`
    #[arg(long, env, value_name = "ADDRESS", help_heading = LISTENING, default_value = "127.0.0.1",
        value_parser = Checked(address))]
    host: IpAddr,

    /// `PORT`, default 9999: port to listen on; 0 takes one that is free
    #[arg(long, env, value_name = "PORT", help_heading = LISTENING, default_value = "9999",
        value_parser = Checked(port::<0>))]
    port: u16,

    /// `ALLOW_OPEN_ACCESS`, default `false`: allow a `HOST` that other machines reach
    ///
    /// Nobody signs in: whoever reaches the server may read, change and purge every image.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = LISTENING, default_value = "false",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    allow_open_access: bool,

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

    /// `GRAPHQL_MAX_DEPTH`, default 15: how deep fields may be nested; introspection is exempt
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "15",
        value_parser = Checked(whole_number::<1, 1000>))]
    pub graphql_max_depth: usize,

    /// `GRAPHQL_MAX_ALIASES`, default 30: how many fields may be renamed
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "30",
        value_parser = Checked(whole_number::<0, 100_000>))]
    pub graphql_max_aliases: usize,

    /// `GRAPHQL_MAX_TOKENS`, default 5000: of how many tokens a document may consist
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "5000",
        value_parser = Checked(whole_number::<1, 1_000_000>))]
    pub graphql_max_tokens: usize,

    /// `MAX_BODY_BYTES`, default 8388608: how long a request's body may be, in bytes
    #[arg(long, env, value_name = "BYTES", help_heading = LIMITS, default_value = "8388608",
        value_parser = Checked(whole_number::<1, 1_073_741_824>))]
    pub max_body_bytes: usize,

    /// `REQUEST_TIMEOUT_SECONDS`, default 15: how long a request may take
    #[arg(long = "request-timeout-seconds", env = "REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS",
        help_heading = LIMITS, default_value = "15",
        value_parser = Checked(seconds))]
    pub request_timeout: Duration,

    /// `RUST_LOG`, default `info`: which log lines are written, a level or a list like `info,image_gallery=debug`
    #[arg(long = "rust-log", env = "RUST_LOG", value_name = "FILTER", help_heading = LOGS, default_value = "info",
        value_parser = Checked(str::parse::<telemetry::Filter>))]
    pub log_filter: telemetry::Filter,

    /// `LOG_FORMAT`, default `pretty`: `pretty` for people, `json` for programs
    #[arg(long, env, value_name = "FORMAT", help_heading = LOGS, default_value = "pretty",
        value_parser = Checked(str::parse::<telemetry::Format>))]
    pub log_format: telemetry::Format,
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
        Ok(Options {
            target: self.database_target()?,
            max_connections: self.database_max_connections,
            slow_query: self.slow_query,
        })
    }

    fn database_target(&self) -> Result<Target, SettingError> {
        match (&self.database_url, &self.supabase_db_host) {
            (None, Some(host)) => self.supabase(host),
            (url, _) => {
                let url = url
                    .as_ref()
                    .map_or(DEFAULT_DATABASE_URL, |url| url.0.as_str());
                Target::from_url(url)
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

    /// The address to listen on; refused when other machines reach it and nobody allowed that.
    pub fn listen_address(&self) -> Result<SocketAddr, SettingError> {
        if self.host.to_canonical().is_loopback() || self.allow_open_access {
            return Ok(SocketAddr::new(self.host, self.port));
        }
        Err(SettingError::new(format!(
            "HOST: `{}` is reached by other machines, and as nobody signs in, each could change and purge every image; \
             allowed: a loopback address like `127.0.0.1`, or any with ALLOW_OPEN_ACCESS=true",
            self.host
        )))
    }
}

/// A setting that cannot be used: one line that names the variable, its value (unless that is secret), and what is
/// allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{line}")]
pub struct SettingError {
    line: String,
}

impl SettingError {
    /// An error of this one line.
    pub fn new(line: impl Into<String>) -> Self {
        let line: String = line.into();
        Self {
            line: line.replace(char::is_control, " "),
        }
    }

    /// The wrong setting that parsing the command line ended with, unless it ended with something else, like `--help`.
    pub fn from_usage(error: &clap::Error) -> Option<Self> {
        match error.get(ContextKind::Custom) {
            Some(ContextValue::String(line)) => Some(Self::new(line)),
            _ => None,
        }
    }
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

/// The variable of a setting, which is its flag in capitals.
fn variable(argument: &Arg) -> String {
    let flag = argument.get_long().unwrap_or_default();
    flag.to_ascii_uppercase().replace('-', "_")
}

/// A password, or a text that holds one: never shown.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// Reads one value, with an error that ends the sentence "PORT: `abc` …".
#[derive(Clone)]
struct Checked<T>(fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Checked<T> {
    type Value = T;

    fn parse_ref(
        &self,
        _: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let text = value.to_str().ok_or_else(|| "is not UTF-8 text".to_owned());
        text.and_then(self.0)
            .map_err(|reason| wrong_value(argument, value, &reason))
    }
}

fn wrong_value(argument: Option<&Arg>, value: &OsStr, reason: &str) -> clap::Error {
    let variable = argument.map(variable).unwrap_or_default();
    let is_secret = argument.is_some_and(Arg::is_hide_env_values_set);
    let value = if is_secret {
        "…".into()
    } else {
        value.to_string_lossy()
    };
    let mut error = clap::Error::new(ErrorKind::ValueValidation);
    error.insert(
        ContextKind::Custom,
        ContextValue::String(format!("{variable}: `{value}` {reason}")),
    );
    error
}

/// What clap says first, for errors that are not about a setting's value.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
fn secret(value: &str) -> Result<Secret, String> {
    Ok(Secret(value.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("is not `true` or `false`".to_owned()),
    }
}

fn whole_number<const LEAST: usize, const MOST: usize>(value: &str) -> Result<usize, String> {
    let number = value.parse().ok();
    number
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| format!("is not a whole number, {LEAST} to {MOST}"))
}

fn port<const LEAST: u16>(value: &str) -> Result<u16, String> {
    let port = value.parse().ok();
    port.filter(|port| *port >= LEAST)
        .ok_or_else(|| format!("is not a port, {LEAST} to {}", u16::MAX))
}

fn connection_count(value: &str) -> Result<NonZeroU32, String> {
    let count = value.parse().ok();
    count
        .filter(|count: &NonZeroU32| count.get() <= MAX_CONNECTIONS)
        .ok_or_else(|| format!("is not a whole number, 1 to {MAX_CONNECTIONS}"))
}

fn milliseconds(value: &str) -> Result<Duration, String> {
    let milliseconds = whole_number::<0, 86_400_000>(value)?;
    Ok(Duration::from_millis(milliseconds as u64))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = whole_number::<1, 3600>(value)?;
    Ok(Duration::from_secs(seconds as u64))
}

fn address(value: &str) -> Result<IpAddr, String> {
    if value.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = value
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    bare.unwrap_or(value)
        .parse()
        .map_err(|_| "is not an IP address or `localhost`".to_owned())
}

fn database_host(value: &str) -> Result<Host, String> {
    let host = value.parse();
    host.map_err(|_: String| {
        "is not a host name, an IP address or the directory of a Unix socket (no scheme, no port)"
            .to_owned()
    })
}

fn host_patterns(value: &str) -> Result<HostPatterns, String> {
    value
        .parse()
        .map_err(|error| format!("is not a list of hosts, separated by commas: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::from_arguments(arguments).expect("settings")
    }

    fn line(arguments: &[&str]) -> String {
        let settings = Settings::from_arguments(arguments);
        let error = settings.and_then(|settings| {
            settings.database()?;
            settings.listen_address()
        });
        error.expect_err("a line").to_string()
    }

    fn database(arguments: &[&str]) -> String {
        format!(
            "{:?}",
            settings(arguments).database().expect("a database").target
        )
    }

    fn command() -> Command {
        Settings::augment_args(Command::new("image-gallery"))
    }

    #[test]
    fn defaults() {
        let settings = settings(&[]);
        let options = settings.database().expect("a database");
        assert_eq!(format!("{:?}", options.target), "sqlite://gallery.db");
        assert_eq!(options.max_connections.get(), 10);
        assert_eq!(options.slow_query, Duration::from_millis(500));
        assert!(settings.auto_migrate(&options.target));
        assert_eq!(
            settings.listen_address(),
            Ok(SocketAddr::from(([127, 0, 0, 1], 9999)))
        );
        assert!(settings.graphiql);
        assert_eq!(settings.graphql_max_depth, 15);
        assert_eq!(settings.graphql_max_aliases, 30);
        assert_eq!(settings.graphql_max_tokens, 5000);
        assert_eq!(settings.max_body_bytes, 8_388_608);
        assert_eq!(settings.request_timeout, Duration::from_secs(15));
        assert_eq!(settings.log_format, telemetry::Format::Pretty);
        assert_eq!(Ok(settings.log_filter), "info".parse());
    }

    #[test]
    fn a_wrong_setting_is_one_line() {
        for (arguments, expected) in [
            (
                &["--port", "abc"][..],
                "PORT: `abc` is not a port, 0 to 65535",
            ),
            (
                &["--port", "65536"],
                "PORT: `65536` is not a port, 0 to 65535",
            ),
            (&["--port=-1"], "PORT: `-1` is not a port, 0 to 65535"),
            (&["--port", "1\n2"], "PORT: `1 2` is not a port, 0 to 65535"),
            (
                &["--supabase-db-port", "0"],
                "SUPABASE_DB_PORT: `0` is not a port, 1 to 65535",
            ),
            (
                &["--host", "example.com"],
                "HOST: `example.com` is not an IP address or `localhost`",
            ),
            (
                &["--host", "0.0.0.0"],
                "HOST: `0.0.0.0` is reached by other machines, and as nobody signs in, each could change and purge \
                 every image; allowed: a loopback address like `127.0.0.1`, or any with ALLOW_OPEN_ACCESS=true",
            ),
            (
                &["--allow-open-access", "maybe"],
                "ALLOW_OPEN_ACCESS: `maybe` is not `true` or `false`",
            ),
            (
                &["--auto-migrate", "on"],
                "AUTO_MIGRATE: `on` is not `true` or `false`",
            ),
            (
                &["--database-max-connections", "0"],
                "DATABASE_MAX_CONNECTIONS: `0` is not a whole number, 1 to 1000",
            ),
            (
                &["--slow-query-milliseconds", "1.5"],
                "SLOW_QUERY_MILLISECONDS: `1.5` is not a whole number, 0 to 86400000",
            ),
            (
                &["--request-timeout-seconds", "0"],
                "REQUEST_TIMEOUT_SECONDS: `0` is not a whole number, 1 to 3600",
            ),
            (
                &["--database-url", "mysql://u:s3cret@h/d"],
                "DATABASE_URL: `mysql://u:…@h/d` is no database URL; allowed: `postgres://…`, `postgresql://…`, \
                 `sqlite://…`",
            ),
            (
                &["--supabase-db-host", "https://db.example.com"],
                "SUPABASE_DB_HOST: `https://db.example.com` is not a host name, an IP address or the directory of a \
                 Unix socket (no scheme, no port)",
            ),
            (
                &[
                    "--supabase-db-host",
                    "db.example.com",
                    "--supabase-db-user",
                    "u",
                ],
                "SUPABASE_DB_HOST: `db.example.com` needs SUPABASE_DB_NAME, SUPABASE_DB_USER and SUPABASE_DB_PASSWORD \
                 beside it; not set: SUPABASE_DB_NAME, SUPABASE_DB_PASSWORD",
            ),
            (
                &["--supabase-db-sslmode", "on"],
                "SUPABASE_DB_SSLMODE: `on` is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
            ),
            (
                &["--supabase-db-sslrootcert", "/not/there"],
                "SUPABASE_DB_SSLROOTCERT: `/not/there` is not a file that can be read",
            ),
            (
                &["--rust-log", "image_gallery=loud"],
                "RUST_LOG: `image_gallery=loud` is not a log filter: `error`, `warn`, `info`, `debug`, `trace`, \
                 `off`, or a list like `info,image_gallery=debug`",
            ),
            (
                &["--log-format", "xml"],
                "LOG_FORMAT: `xml` is not `pretty` or `json`",
            ),
            (&["--prot", "1"], "unexpected argument '--prot' found"),
        ] {
            assert_eq!(line(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_value_that_is_no_text_names_its_variable() {
        use std::os::unix::ffi::OsStringExt;

        for (flag, expected) in [
            ("--port", "PORT: `9\u{fffd}` is not UTF-8 text"),
            (
                "--supabase-db-password",
                "SUPABASE_DB_PASSWORD: `…` is not UTF-8 text",
            ),
        ] {
            let arguments = [OsString::from(flag), OsString::from_vec(vec![b'9', 0xff])];
            let error = Settings::from_arguments(arguments).expect_err("no text");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn which_database() {
        let supabase = [
            "--supabase-db-host=db.example.com",
            "--supabase-db-user=postgres",
            "--supabase-db-name=gallery",
            "--supabase-db-password=p@:/#% '\"\\$w",
        ];
        assert_eq!(
            database(&supabase),
            "postgres://postgres@db.example.com:5432/gallery"
        );
        let both = [
            &supabase[..],
            &["--database-url", "sqlite://a.db", "--supabase-db-port=6543"],
        ]
        .concat();
        assert_eq!(database(&both), "sqlite://a.db");
        // Without a host, the other parts say nothing.
        assert_eq!(database(&supabase[1..]), "sqlite://gallery.db");
        let Target::Postgres(options) = settings(&supabase).database().expect("a database").target
        else {
            panic!("not Postgres");
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains(r#"password: Some("p@:/#% '\"\\$w")"#),
            "{shown}"
        );
        assert!(shown.contains("ssl_mode: Require"), "{shown}");
        let postgres = settings(&["--database-url", "postgres://u@h/d"]);
        assert!(!postgres.auto_migrate(&Target::Postgres(options)));
    }

    #[test]
    fn a_host_beyond_this_machine_needs_leave() {
        for (arguments, expected) in [
            (&["--host", "localhost"][..], Some("127.0.0.1:9999")),
            (&["--host", "::1", "--port", "0"], Some("[::1]:0")),
            (&["--host", "[::1]"], Some("[::1]:9999")),
            (&["--host", "127.8.9.10"], Some("127.8.9.10:9999")),
            (&["--host", "::"], None),
            (&["--host", "192.168.0.1"], None),
            (&["--host", "0.0.0.0", "--allow-open-access", "false"], None),
            (
                &["--host", "0.0.0.0", "--allow-open-access", "YES"],
                Some("0.0.0.0:9999"),
            ),
        ] {
            let address = settings(arguments).listen_address().ok();
            let address = address.map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = settings(&[
            "--database-url=postgres://u:s3cret@h/d",
            "--supabase-db-password=s3cret",
        ]);
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let has_variable = |is_set: bool| {
            let command = prepare(command(), |_| is_set);
            command
                .get_arguments()
                .filter(|argument| argument.get_env().is_some())
                .count()
        };
        assert_eq!(has_variable(false), 0);
        assert_eq!(has_variable(true), command().get_arguments().count());
    }

    #[test]
    fn a_later_flag_wins() {
        assert_eq!(settings(&["--port", "1", "--port", "2"]).port, 2);
    }

    #[test]
    fn the_manual_names_each_variable_and_default() {
        let example = include_str!("../.env.example");
        for argument in command().get_arguments() {
            let variable = variable(argument);
            assert_eq!(argument.get_env(), Some(OsStr::new(&variable)));
            let entry = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(entry.starts_with(&format!("`{variable}`, ")), "{entry}");
            let example = example
                .lines()
                .find_map(|line| line.strip_prefix(&format!("#{variable}=")))
                .unwrap_or_else(|| panic!(".env.example lacks {variable}"));
            for default in argument.get_default_values() {
                let default = default.to_string_lossy();
                assert!(
                    entry.contains(&*default),
                    "{variable}: {default} is not in: {entry}"
                );
                assert_eq!(example, default, "{variable} in .env.example");
            }
        }
    }
}
