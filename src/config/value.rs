//! How the values of settings are read. Each error ends a sentence that begins with variable and value.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Arg, Command};

use super::error::wrong_value;
use crate::cloudinary::url::HostPatterns;
use crate::db::options::Host;
use crate::server::origin::Origin;

/// Some way beyond what a Postgres server allows by itself.
const MAX_CONNECTIONS: u32 = 1000;

/// A password, or a text that holds one: never shown.
#[derive(Clone)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// Reads one value, with an error that ends the sentence "PORT: `abc` …".
#[derive(Clone)]
pub(super) struct Checked<T>(pub(super) fn(&str) -> Result<T, String>);

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

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
pub(super) fn secret(value: &str) -> Result<Secret, String> {
    Ok(Secret(value.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
pub(super) fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

/// An origin, as in `https://gallery.example.com`.
pub(super) fn origin(value: &str) -> Result<Origin, String> {
    Origin::parse(value.trim()).ok_or_else(|| {
        "is not an origin; allowed is scheme, host and port, e.g. https://gallery.example.com"
            .to_owned()
    })
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("is not `true` or `false`".to_owned()),
    }
}

pub(super) fn whole_number<const LEAST: usize, const MOST: usize>(
    value: &str,
) -> Result<usize, String> {
    let number = value.parse().ok();
    number
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| format!("is not a whole number, {LEAST} to {MOST}"))
}

pub(super) fn port<const LEAST: u16>(value: &str) -> Result<u16, String> {
    let port = value.parse().ok();
    port.filter(|port| *port >= LEAST)
        .ok_or_else(|| format!("is not a port, {LEAST} to {}", u16::MAX))
}

pub(super) fn connection_count(value: &str) -> Result<NonZeroU32, String> {
    let count = value.parse().ok();
    count
        .filter(|count: &NonZeroU32| count.get() <= MAX_CONNECTIONS)
        .ok_or_else(|| format!("is not a whole number, 1 to {MAX_CONNECTIONS}"))
}

pub(super) fn milliseconds(value: &str) -> Result<Duration, String> {
    let milliseconds = whole_number::<0, 86_400_000>(value)?;
    Ok(Duration::from_millis(milliseconds as u64))
}

pub(super) fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = whole_number::<1, 3600>(value)?;
    Ok(Duration::from_secs(seconds as u64))
}

pub(super) fn address(value: &str) -> Result<IpAddr, String> {
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

pub(super) fn database_host(value: &str) -> Result<Host, String> {
    let host = value.parse();
    host.map_err(|_: String| {
        "is not a host name, an IP address or the directory of a Unix socket (no scheme, no port)"
            .to_owned()
    })
}

pub(super) fn host_patterns(value: &str) -> Result<HostPatterns, String> {
    value
        .parse()
        .map_err(|error| format!("is not a list of hosts, separated by commas: {error}"))
}
