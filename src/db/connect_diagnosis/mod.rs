//! Why a connection to Postgres failed and how to fix it, in one line without the password.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustls::CertificateError;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::Error;
use super::error::at_connecting;
use super::options::{is_supabase_direct, is_supabase_pooler};
use super::sqlstate;

const POOLER: &str = "use the session pooler's host instead (in Supabase's dashboard Connect → Session pooler: \
                      aws-<n>-<region>.pooler.supabase.com, user postgres.<project>)";
const CA_FILE: &str = "`sslrootcert` (SUPABASE_DB_SSLROOTCERT)";

/// Adds the cause and a fix to a connection error.
pub(super) async fn diagnose(error: sqlx::Error, target: &PgConnectOptions) -> Error {
    match &error {
        sqlx::Error::Database(reported) => refusal(reported.as_ref(), target),
        sqlx::Error::Tls(cause) => Error::Unavailable(no_tls(cause.as_ref(), target)),
        sqlx::Error::Io(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => Error::Unavailable(broken_tls(tls, target)),
            None => Error::Unavailable(unreachable(cause, target).await),
        },
        sqlx::Error::Protocol(what) => Error::Unavailable(format!(
            "the server at {} does not use Postgres' protocol ({what}); check host and port",
            place(target)
        )),
        sqlx::Error::Configuration(cause) => match unprepared(&cause.to_string(), target) {
            Some(reason) => Error::Refused(reason),
            None => at_connecting(&error),
        },
        _ => at_connecting(&error),
    }
}

/// The driver rejects characters that `SASLprep` (<https://www.rfc-editor.org/rfc/rfc4013>) prohibits. libpq sends such
/// a password unchanged, so `psql` can log in with it.
fn unprepared(cause: &str, target: &PgConnectOptions) -> Option<String> {
    if !cause.contains("saslprep") {
        return None;
    }
    let user = target.get_username();
    Some(if cause.contains("password") {
        format!(
            "the password has a character that SASLprep prohibits, such as an emoji, and the driver does not send it, \
             though psql does; give the user `{user}` another password: ALTER ROLE … PASSWORD …"
        )
    } else {
        format!(
            "the name of the user `{user}` has a character that SASLprep prohibits, such as an emoji; sign in as \
             another user"
        )
    })
}

/// The error for a connection that timed out.
pub(super) async fn diagnose_timeout(target: &PgConnectOptions) -> Error {
    if target.get_socket().is_some() {
        return Error::Unavailable(format!("{} does not answer", place(target)));
    }
    let (host, port) = (target.get_host(), target.get_port());
    Error::Unavailable(match tokio::net::lookup_host((host, port)).await {
        Err(cause) => unknown_host(host, &cause),
        Ok(addresses) => silent(target, &addresses.collect::<Vec<_>>()),
    })
}

fn place(target: &PgConnectOptions) -> String {
    let port = target.get_port();
    match target.get_socket() {
        Some(directory) => format!("{}/.s.PGSQL.{port}", directory.display()),
        None if target.get_host().contains(':') => format!("[{}]:{port}", target.get_host()),
        None => format!("{}:{port}", target.get_host()),
    }
}

async fn unreachable(cause: &io::Error, target: &PgConnectOptions) -> String {
    let (host, port) = (target.get_host(), target.get_port());
    if target.get_socket().is_some() {
        return format!(
            "the Unix socket {} cannot be used ({cause}); check directory and port, and that the server is running",
            place(target)
        );
    }
    match tokio::net::lookup_host((host, port)).await {
        Err(cause) => unknown_host(host, &cause),
        Ok(addresses) => route_error(cause, target, &addresses.collect::<Vec<_>>()),
    }
}

fn unknown_host(host: &str, cause: &io::Error) -> String {
    let found = format!("the host `{host}` is not known ({cause})");
    if is_supabase_direct(host) {
        return format!(
            "{found}; it does not exist while a project is paused, and has an IPv6 address only: if this machine has \
             no IPv6, {POOLER}"
        );
    }
    format!(
        "{found}; check it in DATABASE_URL or SUPABASE_DB_HOST, and that this machine can reach a name server"
    )
}

fn route_error(cause: &io::Error, target: &PgConnectOptions, addresses: &[SocketAddr]) -> String {
    let place = place(target);
    match cause.kind() {
        ErrorKind::ConnectionRefused => format!(
            "nothing listens at {place} ({cause}); check host and port, and that the server is running and listens there"
        ),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => {
            format!(
                "{place} closed the connection during the handshake ({cause}); check that it is Postgres' port, and \
                 whether a firewall or a pooler requires TLS (sslmode=require) or another client address"
            )
        }
        ErrorKind::TimedOut => silent(target, addresses),
        _ if is_only_ipv6(addresses) => format!(
            "the host `{}` has an IPv6 address only, and this machine has no route to it ({cause}); {}",
            target.get_host(),
            without_ipv6(target.get_host())
        ),
        _ => {
            format!(
                "there is no route to {place} ({cause}); check the host and this machine's network"
            )
        }
    }
}

fn silent(target: &PgConnectOptions, addresses: &[SocketAddr]) -> String {
    let found = format!("{} does not answer", place(target));
    if is_only_ipv6(addresses) {
        let remedy = without_ipv6(target.get_host());
        return format!(
            "{found}, and has an IPv6 address only; if this machine has no IPv6, {remedy}"
        );
    }
    format!(
        "{found}; check host and port, and the firewalls in between (Supabase: Network Restrictions)"
    )
}

fn is_only_ipv6(addresses: &[SocketAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(SocketAddr::is_ipv6)
}

fn without_ipv6(host: &str) -> &'static str {
    if is_supabase_direct(host) {
        POOLER
    } else {
        "connect by an IPv4 address, or give this machine IPv6"
    }
}

/// TLS errors reported by sqlx itself, before or instead of a handshake.
fn no_tls(cause: &(dyn StdError + 'static), target: &PgConnectOptions) -> String {
    if let Some(tls) = cause.downcast_ref() {
        return broken_tls(tls, target);
    }
    let text = cause.to_string();
    if text.contains("does not support TLS") {
        return format!(
            "the server offers no TLS, which sslmode={} requires; enable it there (`ssl = on`) or, only on a trusted \
             network, set sslmode=disable (SUPABASE_DB_SSLMODE)",
            mode_name(target.get_ssl_mode())
        );
    }
    format!("TLS cannot be set up ({text}); check {CA_FILE}, and the host's name")
}

fn broken_tls(error: &rustls::Error, target: &PgConnectOptions) -> String {
    let host = target.get_host();
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "the server's certificate is not trusted: it is signed neither by a CA in {CA_FILE} nor by a public one; \
             set that to the file of the server's CA (Supabase: Project Settings → Database → SSL Configuration)"
        ),
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName) => {
            other_name(host, "another name")
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        }) => other_name(host, &presented.join(", ")),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired; renew it there, and check this machine's clock".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the server's certificate is not valid yet; check this machine's clock".to_owned(),
        rustls::Error::InvalidCertificate(CertificateError::Other(cause))
            if format!("{cause:?}").contains("CaUsedAsEndEntity") =>
        {
            "the server's certificate is a CA certificate (`CA:TRUE`), which servers cannot use; give the server one \
             that the CA has signed"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            format!("a certificate cannot be read; check {CA_FILE}")
        }
        other => format!("the TLS handshake fails ({other}); check the server's certificate and {CA_FILE}"),
    }
}

fn other_name(host: &str, presented: &str) -> String {
    format!(
        "the server's certificate is not for the host `{host}`, but for {presented}; connect by a host name that it \
         covers, or give the server a certificate for this name"
    )
}

/// The mode's name in URLs.
pub(super) fn mode_name(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// An error reported by the server, or by a pooler on its behalf.
fn refusal(reported: &dyn DatabaseError, target: &PgConnectOptions) -> Error {
    let code = reported.code().unwrap_or_default();
    let message = reported.message();
    let said = match remedy(&code, message, target) {
        Some(remedy) => format!("{message}; {remedy}"),
        None => message.to_owned(),
    };
    if sqlstate::is_passing_at_connect(&code) {
        Error::Unavailable(said)
    } else {
        Error::Refused(said)
    }
}

/// Poolers use few codes and put the cause in the message: Supavisor always sends XX000, PgBouncer 08P01.
fn remedy(code: &str, message: &str, target: &PgConnectOptions) -> Option<String> {
    let text = message.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let (user, host) = (target.get_username(), target.get_host());
    if says(&["tenant or user not found", "tenant/user"]) || is_plain_user_of_pooler(user, host) {
        return Some(format!(
            "behind Supabase's pooler the user is postgres.<project> (here it is `{user}`), and the host is that of \
             the project's region, as shown by Connect in the dashboard"
        ));
    }
    if code == sqlstate::TOO_MANY_CONNECTIONS
        || says(&["max client", "max_client_conn", "no more connections"])
    {
        return Some(
            "lower DATABASE_MAX_CONNECTIONS in every process, raise the server's limit, or go through a transaction pooler \
             (DATABASE_POOLER=transaction)"
                .to_owned(),
        );
    }
    if says(&["no pg_hba.conf entry", "pg_hba.conf rejects"]) {
        let remedy = if says(&["no encryption", "ssl off"]) {
            "it may accept such connections with TLS only: set sslmode=require or stricter (SUPABASE_DB_SSLMODE); \
             else allow this user from this machine in the server's pg_hba.conf"
        } else {
            "allow this user from this machine in the server's pg_hba.conf"
        };
        return Some(remedy.to_owned());
    }
    if code == sqlstate::INVALID_PASSWORD
        || says(&[
            "password authentication failed",
            "sasl authentication failed",
            "wrong password",
        ])
    {
        return Some(
            "check user and password (Supabase: the database's password, from Project Settings → Database, not an API \
             key)"
                .to_owned(),
        );
    }
    if code == sqlstate::NO_SUCH_DATABASE || says(&["no such database"]) {
        return Some(
            "set another one in DATABASE_URL or SUPABASE_DB_NAME (Supabase: `postgres`), or create it: CREATE DATABASE"
                .to_owned(),
        );
    }
    match code {
        sqlstate::INVALID_AUTHORIZATION => Some(format!(
            "check the user, `{user}`, and whether it may log in"
        )),
        sqlstate::INSUFFICIENT_PRIVILEGE => Some(format!(
            "give the user the privilege: GRANT CONNECT ON DATABASE … TO \"{user}\""
        )),
        sqlstate::CANNOT_CONNECT_NOW => Some("try again when it is up".to_owned()),
        _ => None,
    }
}

/// A user name without a project, at a pooler for several projects.
fn is_plain_user_of_pooler(user: &str, host: &str) -> bool {
    is_supabase_pooler(host) && !user.contains('.')
}

#[cfg(test)]
mod tests;
