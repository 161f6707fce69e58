//! Parsers of settings. Each error is the end of a sentence that starts with variable and value.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use clap::builder::TypedValueParser;
use clap::{Arg, Command};
use secrecy::SecretString;
use url::Url;

use super::error::wrong_value;
use crate::cloudinary::hosts::HostPatterns;
use crate::db::options::Host;
use crate::gallery::IntentAliases;
use crate::loopback::is_loopback;
use crate::server::middleware::origin::Origin;

/// More than a Postgres server allows by default.
const MAX_CONNECTIONS: u32 = 1000;

/// Parses one value; the error is the end of the sentence "PORT: `abc` …".
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
pub(super) fn secret(value: &str) -> Result<SecretString, String> {
    Ok(value.into())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
pub(super) fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

/// Labels and the intents that they count as.
pub(super) fn intent_aliases(value: &str) -> Result<IntentAliases, String> {
    IntentAliases::parse(value)
}

/// A metadata key that is part of SQL text.
pub(super) fn metadata_key(value: &str) -> Result<String, String> {
    const MAX_CHARACTERS: usize = 100;
    let is_special =
        |character: char| character.is_control() || matches!(character, '\'' | '"' | '\\');
    let is_short = value.chars().count() <= MAX_CHARACTERS;
    if is_short && !value.trim().is_empty() && !value.contains(is_special) {
        return Ok(value.to_owned());
    }
    Err(format!(
        "is not a key of the metadata; allowed are up to {MAX_CHARACTERS} characters, without quotes, backslashes and control \
         characters"
    ))
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
    count::<MAX_CONNECTIONS>(value)
}

pub(super) fn count<const MOST: u32>(value: &str) -> Result<NonZeroU32, String> {
    let count = value.parse().ok();
    count
        .filter(|count: &NonZeroU32| count.get() <= MOST)
        .ok_or_else(|| format!("is not a whole number, 1 to {MOST}"))
}

pub(super) fn milliseconds(value: &str) -> Result<Duration, String> {
    let milliseconds = whole_number::<0, 86_400_000>(value)?;
    Ok(Duration::from_millis(milliseconds as u64))
}

pub(super) fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = whole_number::<1, 3600>(value)?;
    Ok(Duration::from_secs(seconds as u64))
}

pub(super) fn days(value: &str) -> Result<Duration, String> {
    const SECONDS_OF_A_DAY: u64 = 86_400;
    let days = whole_number::<1, 36_500>(value)?;
    Ok(Duration::from_secs(days as u64 * SECONDS_OF_A_DAY))
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

/// A value with its own parser. For secrets its errors must not contain the value.
pub(super) fn parsed<T: FromStr<Err = String>>(value: &str) -> Result<T, String> {
    value.parse()
}

/// Rejects other values of the dashboard, with which every token would be invalid.
pub(super) fn jwt_secret(value: &str) -> Result<SecretString, String> {
    let looks_like_jwt = value.starts_with("eyJ") && value.matches('.').count() == 2;
    if value.starts_with("sb_secret_") || value.starts_with("sb_publishable_") || looks_like_jwt {
        return Err(
            "is an API key, not the secret that tokens are signed with; with API keys of the new kind set SUPABASE_URL \
             instead, and SERVICE_TOKENS for programs"
                .to_owned(),
        );
    }
    secret(value)
}

/// The secret of any issuer. With a public key as the secret, anyone could sign tokens.
pub(super) fn hmac_secret(value: &str) -> Result<SecretString, String> {
    if value.contains("-----BEGIN") {
        return Err(
            "is a key as PEM, not a secret; a public key belongs in JWT_PUBLIC_KEY".to_owned(),
        );
    }
    hmac_key(value)?;
    jwt_secret(value)
}

/// The prefix of a secret whose bytes are given in base64.
const BASE64: &str = "base64:";

/// Base64 as identity services show it: of either alphabet, with or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The bytes of a secret: as it is, or decoded after [`BASE64`].
pub(super) fn hmac_key(secret: &str) -> Result<Vec<u8>, String> {
    let Some(encoded) = secret.strip_prefix(BASE64) else {
        return Ok(secret.as_bytes().to_vec());
    };
    let encoded = encoded.replace('-', "+").replace('_', "/");
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING).decode(encoded);
    let decoded = decoded.ok().filter(|bytes| !bytes.is_empty());
    decoded.ok_or_else(|| format!("is not base64 after `{BASE64}`"))
}

/// A URL that is safe from tampering: https, or http on this machine.
pub(super) fn http_url(value: &str) -> Result<Url, String> {
    let is_safe = |url: &Url| match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => true,
        ("http", Some(host)) => is_loopback(host),
        _ => false,
    };
    let url = Url::parse(value).ok();
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    url.filter(|url| is_safe(url) && is_plain(url))
        .ok_or_else(|| {
            "is not an https URL without user name and password (http only on this machine)"
                .to_owned()
        })
}

/// The URL of a collector, which receives no secrets.
pub(super) fn collector_url(value: &str) -> Result<Url, String> {
    let url = Url::parse(value).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| "is not an http or https URL, like http://localhost:4318".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_as_it_is_or_decoded_after_its_prefix() {
        for (secret, expected) in [
            ("+/8=", Some(&b"+/8="[..])),
            ("base64:+/8=", Some(&[0xfb, 0xff])),
            ("base64:-_8", Some(&[0xfb, 0xff])),
            ("base64:-_8=", Some(&[0xfb, 0xff])),
            ("base64:", None),
            ("base64:a b", None),
            ("base64:+", None),
        ] {
            assert_eq!(hmac_key(secret).ok().as_deref(), expected, "{secret}");
        }
    }
}
