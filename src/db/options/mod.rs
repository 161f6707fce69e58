//! Connection URLs, or their parts, as the driver's options.
//!
//! Our own parser, because sqlx takes missing parts from `PG*` variables and `~/.pgpass`, ignores unknown parameters,
//! and rejects passwords with an unescaped `/`, `#` or `?`:
//!
//! 1. the query starts at the first `?` followed only by known parameters;
//! 2. before it, the last `@` ends user and password, and the first `:` separates them;
//! 3. each part is percent-decoded; a `%` that starts no valid code is literal.

mod parameters;
mod shown;
mod url;

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

use crate::loopback::is_loopback;
pub use parameters::UrlParameters;
pub(crate) use shown::without_password;
use url::{non_empty, parameters, percent_decoded, refuse_rest, split_port, split_query, sqlite};

/// Default port of a Postgres server.
pub const DEFAULT_POSTGRES_PORT: u16 = 5432;
/// Default connect timeout.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const APPLICATION_NAME: &str = "image-gallery";
/// Placeholder for the password in the URLs of Supabase's dashboard.
pub const PASSWORD_PLACEHOLDER: &str = "[YOUR-PASSWORD]";

/// Options of the database layer.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database.
    pub target: Target,
    /// The pooler in front of a Postgres server.
    pub pooler: Pooler,
    /// A connection that bypasses a transaction pooler, if configured: to a Postgres server.
    pub direct: Option<Target>,
    /// A streaming standby of `target`, for requests that ask for it.
    pub replica: Option<Target>,
    /// Timeout of a request's statement in the database.
    pub statement_time: Duration,
    /// Maximum size of the pool.
    pub max_connections: NonZeroU32,
    /// Connect timeout.
    pub connect_timeout: Duration,
    /// Slower statements are logged.
    pub slow_query: Duration,
    /// The key of the metadata whose text replaces a missing original prompt.
    pub prompt_metadata_key: Option<String>,
}

/// What a connection to Postgres can rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Its own session while it exists: no pooler, or one in session mode.
    #[default]
    Session,
    /// A shared session, assigned per transaction: PgBouncer or Supavisor in transaction mode.
    Transaction,
}

impl FromStr for Pooler {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            _ => Err("is not `session` or `transaction`".to_owned()),
        }
    }
}

/// A database of either kind. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of them in a process"
)]
pub enum Target {
    /// A Postgres server.
    Postgres(Box<PgConnectOptions>),
    /// A file.
    Sqlite(SqliteConnectOptions),
}

/// A Postgres server and its credentials.
#[derive(Clone)]
pub struct Server {
    /// `None`: like `psql`, the local Unix socket, else `localhost`.
    pub host: Option<Host>,
    /// The port, also of a Unix socket.
    pub port: u16,
    /// `None`: like `psql`, the operating system's user.
    pub user: Option<String>,
    /// Empty if the server needs none.
    pub password: String,
    /// `None`: the database named like the user.
    pub database: Option<String>,
    /// The TLS mode. Like in `psql`, TLS is off on a Unix socket.
    pub ssl_mode: PgSslMode,
    /// A file of CAs to trust in addition to the public ones. Like in `psql`, it turns `require` into `verify-ca`.
    pub ssl_root_certificate: Option<PathBuf>,
    /// The session's name in `pg_stat_activity`.
    pub application_name: String,
}

/// The address of a Postgres server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an IP address, the latter without brackets.
    Name(String),
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

/// An invalid connection URL: one line, without the password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{shown}` {reason}")]
pub struct UrlError {
    shown: String,
    reason: String,
}

/// A parsed connection URL.
#[derive(Clone, Debug)]
pub struct ConnectionUrl {
    /// The database.
    pub target: Target,
    /// Additional parameters of a Postgres URL.
    pub parameters: UrlParameters,
}

impl ConnectionUrl {
    /// Parses `postgres://…`, `postgresql://…` or `sqlite://…`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let url = url.trim();
        let parsed = match url.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Server::from_url(rest.trim_start_matches("//")).map(|(server, parameters)| Self {
                    target: Target::postgres(server),
                    parameters,
                })
            }
            Some(("sqlite", rest)) => {
                sqlite(rest.strip_prefix("//").unwrap_or(rest)).map(|options| Self {
                    target: Target::Sqlite(options),
                    parameters: UrlParameters::default(),
                })
            }
            _ => Err(
                "is not a database URL; allowed: `postgres://…`, `postgresql://…`, `sqlite://…`"
                    .to_owned(),
            ),
        };
        parsed.map_err(|reason| UrlError {
            shown: without_password(url),
            reason,
        })
    }
}

impl Target {
    /// A server given by its parts.
    pub fn postgres(server: Server) -> Self {
        // sqlx always reads `PG*` variables. All options that decide the server, the user and TLS are set explicitly
        // here; only PGOPTIONS, PGSSLCERT and PGSSLKEY cannot be overridden.
        let ssl_mode = server.effective_ssl_mode();
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(server.port)
            .password(&server.password)
            .ssl_mode(ssl_mode)
            // Poolers accept no other startup parameters. Postgres prints all digits by default since version 12.
            .extra_float_digits(None)
            .application_name(&server.application_name);
        options = match &server.host {
            Some(Host::Name(name)) => options.host(name),
            Some(Host::Socket(directory)) => options.socket(directory),
            None => options,
        };
        if let Some(user) = &server.user {
            options = options.username(user);
        }
        options = match &server.ssl_root_certificate {
            Some(path) => options.ssl_root_cert(path),
            None => options.ssl_root_cert_from_pem(Vec::new()),
        };
        let database = server
            .database
            .unwrap_or_else(|| options.get_username().to_owned());
        Self::Postgres(Box::new(options.database(&database)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => {
                let host = match options.get_socket() {
                    Some(directory) => directory.display().to_string(),
                    None => options.get_host().to_owned(),
                };
                let (user, port) = (options.get_username(), options.get_port());
                let database = options.get_database().unwrap_or_default();
                write!(formatter, "postgres://{user}@{host}:{port}/{database}")
            }
            Self::Sqlite(options) => {
                write!(formatter, "sqlite://{}", options.get_filename().display())
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Server {
    /// A server with all parts given; TLS is required.
    pub fn new(host: Host, port: u16, user: &str, password: &str, database: &str) -> Self {
        Self {
            host: Some(host),
            port,
            user: Some(user.to_owned()),
            password: password.to_owned(),
            database: Some(database.to_owned()),
            ssl_mode: PgSslMode::Require,
            ssl_root_certificate: None,
            application_name: APPLICATION_NAME.to_owned(),
        }
    }

    /// Parses the part after `postgres://`; the error completes a message about the URL.
    fn from_url(text: &str) -> Result<(Self, UrlParameters), String> {
        let (text, query) = split_query(text);
        let (login, address) = text.rsplit_once('@').unwrap_or(("", text));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, database) = address.split_once('/').unwrap_or((address, ""));
        refuse_rest(address)?;
        refuse_rest(database)?;
        let (host, port) = split_port(address)?;
        let mut server = Self {
            host: non_empty(host).map(|host| host.parse()).transpose()?,
            port,
            user: non_empty(user),
            password: percent_decoded(password),
            database: non_empty(database),
            ssl_mode: PgSslMode::Prefer,
            ssl_root_certificate: None,
            application_name: APPLICATION_NAME.to_owned(),
        };
        if server.password == PASSWORD_PLACEHOLDER {
            return Err(format!(
                "still has {PASSWORD_PLACEHOLDER} in place of the password"
            ));
        }
        let mut found = UrlParameters::default();
        for (name, value) in parameters(query) {
            found.set(&mut server, name, value)?;
        }
        Ok((server, found))
    }

    fn effective_ssl_mode(&self) -> PgSslMode {
        match (self.ssl_mode, &self.host) {
            (_, Some(Host::Socket(_))) => PgSslMode::Disable,
            (PgSslMode::Require, _) if self.ssl_root_certificate.is_some() => PgSslMode::VerifyCa,
            (mode, _) => mode,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Target::postgres(self.clone()), formatter)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Socket(directory) => write!(formatter, "{}", directory.display()),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') {
            return Ok(Self::Socket(PathBuf::from(text)));
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(text);
        let is_name = !text.is_empty()
            && text
                .chars()
                .all(|letter| letter.is_alphanumeric() || ".-_".contains(letter));
        if is_name || bare.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::Name(bare.to_owned()));
        }
        Err("has no valid host; allowed: a host name, an IP address (IPv6 in brackets), or the directory of a Unix socket"
            .to_owned())
    }
}

/// Parses a TLS mode; the error is the end of a sentence that starts with the value.
pub fn ssl_mode(text: &str) -> Result<PgSslMode, String> {
    match text.to_ascii_lowercase().as_str() {
        "disable" => Ok(PgSslMode::Disable),
        "prefer" => Ok(PgSslMode::Prefer),
        "require" => Ok(PgSslMode::Require),
        "verify-ca" => Ok(PgSslMode::VerifyCa),
        "verify-full" => Ok(PgSslMode::VerifyFull),
        _ => Err(
            "is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`".to_owned(),
        ),
    }
}

/// Checks that a file is readable; the error is the end of a sentence that starts with the value.
pub fn readable_file(text: &str) -> Result<PathBuf, String> {
    match std::fs::File::open(Path::new(text)).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(PathBuf::from(text)),
        _ => Err("is not a file that can be read".to_owned()),
    }
}

/// Checks a file of certificates; the error is the end of a sentence that starts with the value.
///
/// The driver ignores everything in the file that is not a certificate, and without any trusts public CAs.
pub fn certificate_file(text: &str) -> Result<PathBuf, String> {
    let path = readable_file(text)?;
    let pem = std::fs::read(&path).map_err(|_| "is not a file that can be read".to_owned())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(path),
        _ => Err(
            "contains no certificate; allowed: a file in PEM format, with `-----BEGIN CERTIFICATE-----`"
                .to_owned(),
        ),
    }
}

/// Whether a connection stays on this machine.
pub fn is_local(target: &PgConnectOptions) -> bool {
    target.get_socket().is_some() || is_loopback(target.get_host())
}

/// Whether a host is Supabase's direct host of a project, `db.<project>.supabase.co`, which is IPv6 only.
pub fn is_supabase_direct(host: &str) -> bool {
    host.starts_with("db.") && (host.ends_with(".supabase.co") || host.ends_with(".supabase.com"))
}

/// Whether a host is Supabase's pooler, which serves the projects of a region.
pub fn is_supabase_pooler(host: &str) -> bool {
    host.ends_with(".pooler.supabase.com")
}

#[cfg(test)]
mod tests;
