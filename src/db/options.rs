//! Where the database is: a connection URL, or the parts of one, becomes the driver's own options.
//!
//! The URL is read here and not by sqlx, which takes what the URL leaves out from `PG*` variables and `~/.pgpass`,
//! passes over parameters that it does not know, and refuses passwords with a bare `/`, `#` or `?`:
//!
//! 1. the query is what follows the first `?` behind which only known parameters stand;
//! 2. before it, the last `@` ends user and password, and the first `:` in these parts the two;
//! 3. each part is percent-decoded; a `%` that begins no such code stands for itself.

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

/// The port of a Postgres server where none is named.
pub const DEFAULT_POSTGRES_PORT: u16 = 5432;
const APPLICATION_NAME: &str = "image-gallery";
const POSTGRES_PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "application_name", "host"];
/// What Supabase's dashboard writes where the password belongs.
const PASSWORD_PLACEHOLDER: &str = "[YOUR-PASSWORD]";

/// What the database layer wants to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which database.
    pub target: Target,
    /// How many connections the pool may hold.
    pub max_connections: NonZeroU32,
    /// A statement that takes longer is logged.
    pub slow_query: Duration,
}

/// A database of one of the two kinds. Neither `Debug` nor `Display` shows the password.
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

/// A Postgres server and how to sign in there.
#[derive(Clone)]
pub struct Server {
    /// `None`: as for `psql`, the local Unix socket, else `localhost`.
    pub host: Option<Host>,
    /// The port, also of a Unix socket.
    pub port: u16,
    /// `None`: as for `psql`, the operating system's user.
    pub user: Option<String>,
    /// Empty where the server asks for none.
    pub password: String,
    /// `None`: the server takes the one of the user's name.
    pub database: Option<String>,
    /// How TLS is used. As for `psql`, it is off on a Unix socket.
    pub ssl_mode: PgSslMode,
    /// A file of certificate authorities to trust beside the public ones. As for `psql`, it makes `require` `verify-ca`.
    pub ssl_root_certificate: Option<PathBuf>,
    /// How the session is called in `pg_stat_activity`.
    pub application_name: String,
}

/// Where a Postgres server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an IP address, the latter without brackets.
    Name(String),
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

/// A connection URL that cannot be used: one line, without the password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{shown}` {reason}")]
pub struct UrlError {
    shown: String,
    reason: String,
}

impl Target {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite://…`.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let url = url.trim();
        let parsed = match url.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Server::from_url(rest.trim_start_matches("//")).map(Self::postgres)
            }
            Some(("sqlite", rest)) => {
                sqlite(rest.strip_prefix("//").unwrap_or(rest)).map(Self::Sqlite)
            }
            _ => Err(
                "is no database URL; allowed: `postgres://…`, `postgresql://…`, `sqlite://…`"
                    .to_owned(),
            ),
        };
        parsed.map_err(|reason| UrlError {
            shown: without_password(url),
            reason,
        })
    }

    /// A server known by its parts.
    pub fn postgres(server: Server) -> Self {
        // sqlx offers no options that are free of `PG*` variables. What decides whom we talk to, as whom and how
        // safely is set again here; only PGOPTIONS, PGSSLCERT and PGSSLKEY cannot be.
        let ssl_mode = server.effective_ssl_mode();
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(server.port)
            .password(&server.password)
            .ssl_mode(ssl_mode)
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
    /// A server whose parts are all known; TLS is required.
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

    /// Reads what follows `postgres://`; the error says what is wrong with the URL.
    fn from_url(text: &str) -> Result<Self, String> {
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
        for (name, value) in parameters(query) {
            server.set(name, value)?;
        }
        Ok(server)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "sslmode" => {
                self.ssl_mode = ssl_mode(&value)
                    .map_err(|reason| format!("has the sslmode `{value}`, which {reason}"))?;
            }
            "sslrootcert" => {
                let path = readable_file(&value)
                    .map_err(|reason| format!("has the sslrootcert `{value}`, which {reason}"))?;
                self.ssl_root_certificate = Some(path);
            }
            "application_name" => self.application_name = value,
            "host" => self.host = Some(value.parse()?),
            _ => return Err(unknown_parameter(name, &POSTGRES_PARAMETERS)),
        }
        Ok(())
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

/// Reads how TLS is used; the error ends a sentence that begins with the value.
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

/// Reads the path of a file that is there; the error ends a sentence that begins with the value.
pub fn readable_file(text: &str) -> Result<PathBuf, String> {
    match std::fs::File::open(Path::new(text)).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(PathBuf::from(text)),
        _ => Err("is not a file that can be read".to_owned()),
    }
}

/// Reads what follows `sqlite://`; the error says what is wrong with the URL.
fn sqlite(text: &str) -> Result<SqliteConnectOptions, String> {
    let (file, query) = text.split_once('?').unwrap_or((text, ""));
    let file = percent_decoded(file);
    let mut is_in_memory = file.is_empty() || file == ":memory:";
    let mut is_created = false;
    for (name, value) in parameters(query) {
        match (name, value.as_str()) {
            ("mode", "rwc") => is_created = true,
            ("mode", "rw") => is_created = false,
            ("mode", "memory") => is_in_memory = true,
            ("mode", _) => {
                return Err(format!(
                    "has the mode `{value}`; allowed: `rwc` (made when it is not there), `rw`"
                ));
            }
            _ => return Err(unknown_parameter(name, &["mode"])),
        }
    }
    if is_in_memory {
        return Err(
            "names no file, and in memory every connection would have a database of its own; \
             allowed: a file, as in `sqlite://gallery.db?mode=rwc`"
                .to_owned(),
        );
    }
    Ok(SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(is_created))
}

/// Parts the query from what stands before it: a `?` in a password begins none.
fn split_query(text: &str) -> (&str, &str) {
    let is_known = |(name, _): (&str, String)| POSTGRES_PARAMETERS.contains(&name);
    text.match_indices('?')
        .map(|(position, mark)| (position, position + mark.len()))
        .filter_map(|(end, start)| text.get(..end).zip(text.get(start..)))
        .find(|(_, query)| parameters(query).all(is_known))
        .unwrap_or((text, ""))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name, percent_decoded(value))
        })
}

/// `?` and `#` behind the host: a parameter that we do not know, or something that is no part of such a URL.
fn refuse_rest(text: &str) -> Result<(), String> {
    if let Some((_, query)) = text.split_once('?') {
        let unknown = parameters(query).find(|(name, _)| !POSTGRES_PARAMETERS.contains(name));
        return Err(unknown_parameter(
            unknown.map_or("", |(name, _)| name),
            &POSTGRES_PARAMETERS,
        ));
    }
    if text.contains('#') {
        return Err("has a `#` behind the host; write it as %23".to_owned());
    }
    Ok(())
}

fn unknown_parameter(name: &str, known: &[&str]) -> String {
    let is_plain = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    // Anything else may be a piece of a password.
    let name = if is_plain { name } else { "…" };
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "has an unknown parameter, `{name}`; allowed: {}",
        known.join(", ")
    )
}

fn split_port(address: &str) -> Result<(&str, u16), String> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, ""),
    };
    if port.is_empty() {
        return Ok((host, DEFAULT_POSTGRES_PORT));
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("has no valid port behind the host; allowed: 1 to 65535".to_owned()),
        Ok(port) => Ok((host, port)),
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decoded(text))
}

/// Decodes `%40` and its like. What is no such code, or would not give text, stands for itself.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = (*first == b'%').then_some(behind).and_then(leading_byte);
        let (byte, next) = code.unwrap_or((*first, behind));
        decoded.push(byte);
        rest = next;
    }
    match String::from_utf8(decoded) {
        Ok(decoded) if !decoded.contains('\0') => decoded,
        _ => text.to_owned(),
    }
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn leading_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |letter: u8| char::from(letter).to_digit(16);
    let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    Some((byte, rest))
}

/// The URL as it may be shown: when in doubt, less of it.
fn without_password(url: &str) -> String {
    let is_scheme = |text: &str| {
        text.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '+')
    };
    let Some((scheme, rest)) = url
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
    else {
        let secret = |letter: char| ":=@".contains(letter) || letter.is_whitespace();
        return url
            .split_once(secret)
            .map_or_else(|| url.to_owned(), |(start, _)| format!("{start}…"));
    };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    let (rest, query) = split_query(rest);
    let (login, address) = match rest.rsplit_once('@') {
        Some((login, address)) => (hidden_after_colon(login) + "@", address.to_owned()),
        None => (String::new(), shown_address(rest)),
    };
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let has_more = end < address.len() || !query.is_empty();
    let address = address.get(..end).unwrap_or_default();
    let more = if has_more { "?…" } else { "" };
    format!("{scheme}://{login}{address}{more}")
}

fn hidden_after_colon(text: &str) -> String {
    text.split_once(':')
        .map_or_else(|| text.to_owned(), |(start, _)| format!("{start}:…"))
}

/// Without an `@`, what follows the `:` is a port, or the password of a URL that lacks its host.
fn shown_address(text: &str) -> String {
    let port = text.split_once(':').map_or("", |(_, behind)| behind);
    let port = port.split('/').next().unwrap_or_default();
    if port.chars().all(|letter| letter.is_ascii_digit()) {
        text.to_owned()
    } else {
        hidden_after_colon(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(url: &str) -> PgConnectOptions {
        match Target::from_url(url) {
            Ok(Target::Postgres(options)) => *options,
            other => panic!("{url}: {other:?}"),
        }
    }

    /// The driver has no getter for the password, but shows it in its `Debug`.
    fn password(options: &PgConnectOptions) -> String {
        let shown = format!("{options:?}");
        let start = shown
            .find("password: Some(")
            .expect("a password is always set")
            + "password: Some(".len();
        let end = start + shown[start..].find("), database:").expect("the next field");
        unquoted(&shown[start..end])
    }

    fn unquoted(debug: &str) -> String {
        debug
            .trim_matches('"')
            .replace("\\\"", "\"")
            .replace("\\'", "'")
            .replace("\\\\", "\\")
    }

    #[test]
    fn any_password_may_stand_in_the_url() {
        for (written, meant) in [
            ("secret", "secret"),
            ("p%40ss", "p@ss"),
            ("p%40%3A%2F%23%25%20w", "p@:/#% w"),
            ("p@ss", "p@ss"),
            ("p@@", "p@@"),
            ("a:b", "a:b"),
            ("a/b", "a/b"),
            ("a@b/c", "a@b/c"),
            ("a#b", "a#b"),
            ("a?b", "a?b"),
            ("a?b=c@d", "a?b=c@d"),
            ("a@b?c", "a@b?c"),
            ("a&b=c", "a&b=c"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%+f", "%+f"),
            ("%ff", "%ff"),
            ("%00", "%00"),
            ("a b", "a b"),
            ("a'b\"c\\d", "a'b\"c\\d"),
            ("pässwörd", "pässwörd"),
            ("p%C3%A4ss", "päss"),
            ("[secret]", "[secret]"),
            ("a+b", "a+b"),
            ("", ""),
        ] {
            for tail in [
                "",
                "?sslmode=require",
                "?application_name=a@b&sslmode=disable",
                "?",
            ] {
                let options = postgres(&format!(
                    "postgres://alice:{written}@db.example.com:6543/gallery{tail}"
                ));
                assert_eq!(password(&options), meant, "{written}{tail}");
                assert_eq!(options.get_username(), "alice", "{written}{tail}");
                assert_eq!(options.get_host(), "db.example.com", "{written}{tail}");
                assert_eq!(options.get_port(), 6543, "{written}{tail}");
                assert_eq!(options.get_database(), Some("gallery"), "{written}{tail}");
            }
        }
    }

    #[test]
    fn the_parts_of_a_url() {
        for (url, shown) in [
            ("postgres://u:p@h/d", "postgres://u@h:5432/d"),
            ("postgresql://u:p@h/d", "postgres://u@h:5432/d"),
            (" postgres://u:p@h/d\n", "postgres://u@h:5432/d"),
            ("postgres://u:p@h:1/d", "postgres://u@h:1/d"),
            ("postgres://u:p@h:/d", "postgres://u@h:5432/d"),
            ("postgres://u:p@h", "postgres://u@h:5432/u"),
            ("postgres://u:p@h/", "postgres://u@h:5432/u"),
            ("postgres://u@h/d", "postgres://u@h:5432/d"),
            ("postgres://u%40x:p@h/d%20e", "postgres://u@x@h:5432/d e"),
            (
                "postgres://postgres.abc:p@h/d",
                "postgres://postgres.abc@h:5432/d",
            ),
            ("postgres://u:p@[::1]:7/d", "postgres://u@::1:7/d"),
            ("postgres://u:p@[::1]/d", "postgres://u@::1:5432/d"),
            (
                "postgres://u:p@127.0.0.1/d",
                "postgres://u@127.0.0.1:5432/d",
            ),
            ("postgres://u@%2Frun%2Fpg/d", "postgres://u@/run/pg:5432/d"),
            (
                "postgres://u@/d?host=/run/pg",
                "postgres://u@/run/pg:5432/d",
            ),
            (
                "postgres://u@:7/d?host=%2Frun%2Fpg",
                "postgres://u@/run/pg:7/d",
            ),
        ] {
            let target = Target::from_url(url).expect(url);
            assert_eq!(target.to_string(), shown, "{url}");
            assert_eq!(format!("{target:?}"), shown, "{url}");
        }
        let options = postgres("postgres://u@h/d");
        assert_eq!(password(&options), "");
        assert_eq!(options.get_application_name(), Some("image-gallery"));
        let options = postgres("postgres://u@h/d?application_name=my%20app");
        assert_eq!(options.get_application_name(), Some("my app"));
        assert_eq!(
            postgres("postgres://h:7/d?application_name=a@b").get_host(),
            "h"
        );
    }

    #[test]
    fn tls_is_as_the_url_says() {
        let certificate = tempfile::NamedTempFile::new().expect("a file");
        let path = certificate.path().display();
        for (url, mode) in [
            ("postgres://u@h/d".to_owned(), "Prefer"),
            ("postgres://u@h/d?sslmode=disable".to_owned(), "Disable"),
            ("postgres://u@h/d?sslmode=prefer".to_owned(), "Prefer"),
            ("postgres://u@h/d?sslmode=REQUIRE".to_owned(), "Require"),
            ("postgres://u@h/d?sslmode=verify-ca".to_owned(), "VerifyCa"),
            (
                "postgres://u@h/d?sslmode=verify-full".to_owned(),
                "VerifyFull",
            ),
            (
                "postgres://u@%2Frun/d?sslmode=require".to_owned(),
                "Disable",
            ),
            (
                format!("postgres://u@h/d?sslmode=require&sslrootcert={path}"),
                "VerifyCa",
            ),
            (
                format!("postgres://u@h/d?sslmode=verify-full&sslrootcert={path}"),
                "VerifyFull",
            ),
        ] {
            let options = postgres(&url);
            assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{url}");
            let has_certificate = format!("{options:?}").contains("ssl_root_cert: Some(File(");
            assert_eq!(has_certificate, url.contains("sslrootcert"), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_one_line_without_the_password() {
        const PORT: &str = "has no valid port behind the host; allowed: 1 to 65535";
        const HOST: &str = "has no valid host; allowed: a host name, an IP address (IPv6 in brackets), or the directory of a Unix socket";
        const SCHEME: &str =
            "is no database URL; allowed: `postgres://…`, `postgresql://…`, `sqlite://…`";
        const MEMORY: &str = "names no file, and in memory every connection would have a database of its own; allowed: a file, as in `sqlite://gallery.db?mode=rwc`";
        const PARAMETERS: &str = "allowed: `sslmode`, `sslrootcert`, `application_name`, `host`";
        for (url, shown, reason) in [
            ("mysql://u:secret@h/d", "mysql://u:…@h/d", SCHEME),
            ("postgres:u:secret@h/d", "postgres…", SCHEME),
            ("host=h password=secret", "host…", SCHEME),
            ("u:secret@h/d", "u…", SCHEME),
            ("gallery.db", "gallery.db", SCHEME),
            ("", "", SCHEME),
            (
                "postgres://u:secret@h:abc/d",
                "postgres://u:…@h:abc/d",
                PORT,
            ),
            ("postgres://u:secret@h:0/d", "postgres://u:…@h:0/d", PORT),
            (
                "postgres://u:secret@h:65536/d",
                "postgres://u:…@h:65536/d",
                PORT,
            ),
            ("postgres://u:secret", "postgres://u:…", PORT),
            ("postgres://u:sec/ret", "postgres://u:…", PORT),
            (
                "postgres://u:se#cret",
                "postgres://u:…",
                "has a `#` behind the host; write it as %23",
            ),
            (
                "postgres://u:secret@h one/d",
                "postgres://u:…@h one/d",
                HOST,
            ),
            ("postgres://u:secret@h,i/d", "postgres://u:…@h,i/d", HOST),
            ("postgres://u:secret@::1/d", "postgres://u:…@::1/d", HOST),
            (
                "postgres://u:secret@h/d#x",
                "postgres://u:…@h/d?…",
                "has a `#` behind the host; write it as %23",
            ),
            (
                "postgres://u:[YOUR-PASSWORD]@h/d",
                "postgres://u:…@h/d",
                "still has [YOUR-PASSWORD] in place of the password",
            ),
            (
                "postgres://u:secret@h/d?sslmode=on",
                "postgres://u:…@h/d?…",
                "has the sslmode `on`, which is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
            ),
            (
                "postgres://u:secret@h/d?sslmode=allow",
                "postgres://u:…@h/d?…",
                "has the sslmode `allow`, which is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
            ),
            (
                "postgres://u:secret@h/d?sslrootcert=/not/there",
                "postgres://u:…@h/d?…",
                "has the sslrootcert `/not/there`, which is not a file that can be read",
            ),
            (
                "postgres://u:secret@h/d?sslmode=require&pgbouncer=true",
                "postgres://u:…@h/d?…",
                &format!("has an unknown parameter, `pgbouncer`; {PARAMETERS}"),
            ),
            (
                "postgres://h/d?password=secret",
                "postgres://h/d?…",
                &format!("has an unknown parameter, `password`; {PARAMETERS}"),
            ),
            (
                "postgres://h/d?sec:ret",
                "postgres://h/d?…",
                &format!("has an unknown parameter, `…`; {PARAMETERS}"),
            ),
            ("sqlite::memory:", "sqlite…", MEMORY),
            ("sqlite://:memory:", "sqlite://:memory:", MEMORY),
            ("sqlite://", "sqlite://", MEMORY),
            (
                "sqlite://a.db?mode=memory",
                "sqlite://a.db?mode=memory",
                MEMORY,
            ),
            (
                "sqlite://a.db?mode=ro",
                "sqlite://a.db?mode=ro",
                "has the mode `ro`; allowed: `rwc` (made when it is not there), `rw`",
            ),
            (
                "sqlite://a.db?cache=shared",
                "sqlite://a.db?cache=shared",
                "has an unknown parameter, `cache`; allowed: `mode`",
            ),
        ] {
            let error = Target::from_url(url).expect_err(url).to_string();
            assert_eq!(error, format!("`{shown}` {reason}"), "{url}");
        }
    }

    #[test]
    fn a_file_is_named_as_sqlx_documents() {
        for (url, file, is_created) in [
            ("sqlite://gallery.db?mode=rwc", "gallery.db", true),
            ("sqlite://gallery.db", "gallery.db", false),
            ("sqlite://gallery.db?mode=rw", "gallery.db", false),
            ("sqlite:gallery.db?mode=rwc", "gallery.db", true),
            (
                "sqlite:///var/lib/my%20gallery%3F.db",
                "/var/lib/my gallery?.db",
                false,
            ),
            ("sqlite://./100%.db", "./100%.db", false),
        ] {
            match Target::from_url(url) {
                Ok(Target::Sqlite(options)) => {
                    assert_eq!(options.get_filename(), Path::new(file), "{url}");
                    let shown = format!("create_if_missing: {is_created}");
                    assert!(format!("{options:?}").contains(&shown), "{url}");
                }
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn options_show_no_password() {
        let host = "db.example.com".parse().expect("a host");
        let server = Server::new(host, 5432, "u", "s3cret", "d");
        assert!(!format!("{server:?}").contains("s3cret"));
        let options = Options {
            target: Target::postgres(server),
            max_connections: NonZeroU32::MIN,
            slow_query: Duration::from_millis(500),
        };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
