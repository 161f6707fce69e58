//! Parameters of a Postgres URL: the relevant ones of libpq, and those of Prisma and Supabase's dashboard.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Pooler, Server, certificate_file, ssl_mode};

/// Parameters that errors list.
const ALLOWED: [&str; 7] = [
    "sslmode",
    "sslrootcert",
    "application_name",
    "host",
    "pgbouncer",
    "connection_limit",
    "connect_timeout",
];
/// Also accepted: `schema` with its default only, and `supa`, which Supabase's integrations add to mark the URL's origin.
const ALSO_READ: [&str; 2] = ["schema", "supa"];
/// Parameters of other drivers, each with what to do instead: the end of a sentence that starts with the name.
const REPLACED: [(&str, &str); 7] = [
    (
        "options",
        "which poolers do not pass on; leave it out, and set them for the user instead: ALTER ROLE … SET …",
    ),
    (
        "pool_timeout",
        "which only Prisma has; leave it out: a request waits for a connection until REQUEST_TIMEOUT_SECONDS",
    ),
    (
        "socket_timeout",
        "which only Prisma has; leave it out, and set REQUEST_TIMEOUT_SECONDS instead",
    ),
    (
        "statement_cache_size",
        "which only Prisma has; leave it out, and add `pgbouncer=true` instead if a pooler in transaction mode is in front",
    ),
    (
        "sslaccept",
        "which only Prisma has; leave it out, and add `sslmode=verify-full` instead of `strict`, or `sslmode=require` \
         instead of `accept_invalid_certs`",
    ),
    (
        "sslcert",
        "but client certificates are not supported; leave it out, and connect with a password",
    ),
    (
        "channel_binding",
        "which the driver does not support; leave it out, and add `sslmode=verify-full` to verify the server",
    ),
];
/// Prisma's default schema.
const DEFAULT_SCHEMA: &str = "public";
const MAX_CONNECTIONS: u32 = 1000;
const MAX_CONNECT_SECONDS: u64 = 300;

/// Parameters of a URL about connections, not the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlParameters {
    /// `pgbouncer=true`.
    pub pooler: Option<Pooler>,
    /// `connection_limit`.
    pub max_connections: Option<NonZeroU32>,
    /// `connect_timeout`, in seconds.
    pub connect_timeout: Option<Duration>,
}

/// Whether a parameter may start a query: anything else may be part of a password.
pub(super) fn is_known(name: &str) -> bool {
    ALLOWED.contains(&name) || ALSO_READ.contains(&name) || replacement(name).is_some()
}

/// What to do instead of setting a parameter of another driver.
fn replacement(name: &str) -> Option<&'static str> {
    let mut replaced = REPLACED.iter();
    let (_, advice) = replaced.find(|(replaced, _)| *replaced == name)?;
    Some(advice)
}

/// The error for an unknown parameter, listing the known ones.
pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> String {
    let is_plain = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    // Anything else may be part of a password.
    let name = if is_plain { name } else { "…" };
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "has an unknown parameter, `{name}`; allowed: {}",
        known.join(", ")
    )
}

/// The error for an unknown parameter of a Postgres URL.
pub(super) fn unknown(name: &str) -> String {
    unknown_parameter(name, &ALLOWED)
}

impl UrlParameters {
    /// Sets one parameter, here or on the server.
    pub(super) fn set(
        &mut self,
        server: &mut Server,
        name: &str,
        value: String,
    ) -> Result<(), String> {
        match name {
            "sslmode" => {
                server.ssl_mode = ssl_mode(&value)
                    .map_err(|reason| format!("has the sslmode `{value}`, which {reason}"))?;
            }
            "sslrootcert" => {
                let path = certificate_file(&value)
                    .map_err(|reason| format!("has the sslrootcert `{value}`, which {reason}"))?;
                server.ssl_root_certificate = Some(path);
            }
            "application_name" => server.application_name = value,
            "host" => server.host = Some(value.parse()?),
            "pgbouncer" => match value.as_str() {
                "true" => self.pooler = Some(Pooler::Transaction),
                "false" => {}
                _ => {
                    return Err(format!("has `pgbouncer={value}`; allowed: `true`, `false`"));
                }
            },
            "connection_limit" => {
                let count = value.parse().ok();
                let count = count.filter(|count: &NonZeroU32| count.get() <= MAX_CONNECTIONS);
                self.max_connections = Some(count.ok_or_else(|| {
                    format!("has the connection_limit `{value}`; allowed: 1 to {MAX_CONNECTIONS}")
                })?);
            }
            "connect_timeout" => {
                let seconds = value.parse().ok();
                let seconds = seconds.filter(|seconds| (1..=MAX_CONNECT_SECONDS).contains(seconds));
                self.connect_timeout = Some(Duration::from_secs(seconds.ok_or_else(|| {
                    format!(
                        "has the connect_timeout `{value}`; allowed: 1 to {MAX_CONNECT_SECONDS} seconds"
                    )
                })?));
            }
            "schema" if value == DEFAULT_SCHEMA || value.is_empty() => {}
            "schema" => {
                return Err(
                    "has a `schema`, which is not a connection parameter of Postgres; leave it out, and set the \
                     schema for the user instead: ALTER ROLE … SET search_path = …"
                        .to_owned(),
                );
            }
            "supa" => {}
            _ => {
                return Err(match replacement(name) {
                    Some(advice) => format!("has the parameter `{name}`, {advice}"),
                    None => unknown(name),
                });
            }
        }
        Ok(())
    }

    /// The first parameter that is only valid in `DATABASE_URL`, if any.
    pub fn only_for_database_url(&self) -> Option<&'static str> {
        (self.max_connections.map(|_| "connection_limit"))
            .or_else(|| self.connect_timeout.map(|_| "connect_timeout"))
    }
}
