//! Parsing of the parts of a connection URL.

use percent_encoding::percent_decode_str;
use sqlx::sqlite::SqliteConnectOptions;

use super::DEFAULT_POSTGRES_PORT;
use super::parameters::{is_known, unknown, unknown_parameter};

/// Parses the part after `sqlite://`; the error completes a message about the URL.
pub(super) fn sqlite(text: &str) -> Result<SqliteConnectOptions, String> {
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
                    "has the mode `{value}`; allowed: `rwc` (creates a missing file), `rw`"
                ));
            }
            _ => return Err(unknown_parameter(name, &["mode"])),
        }
    }
    if is_in_memory {
        return Err(
            "has no file, and in memory every connection would have its own database; allowed: a file, as in \
             `sqlite://gallery.db?mode=rwc`"
                .to_owned(),
        );
    }
    Ok(SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(is_created))
}

/// Splits off the query: a `?` in a password does not start one.
pub(super) fn split_query(text: &str) -> (&str, &str) {
    text.match_indices('?')
        .map(|(position, mark)| (position, position + mark.len()))
        .filter_map(|(end, start)| text.get(..end).zip(text.get(start..)))
        .find(|(_, query)| parameters(query).all(|(name, _)| is_known(name)))
        .unwrap_or((text, ""))
}

pub(super) fn parameters(query: &str) -> impl Iterator<Item = (&str, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name, percent_decoded(value))
        })
}

/// Rejects `?` and `#` after the host: unknown parameters, or parts that do not belong in such a URL.
pub(super) fn refuse_rest(text: &str) -> Result<(), String> {
    if let Some((_, query)) = text.split_once('?') {
        let found = parameters(query).find(|(name, _)| !is_known(name));
        return Err(unknown(found.map_or("", |(name, _)| name)));
    }
    if text.contains('#') {
        return Err("has a `#` after the host; write it as %23".to_owned());
    }
    Ok(())
}

pub(super) fn split_port(address: &str) -> Result<(&str, u16), String> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, ""),
    };
    if port.is_empty() {
        return Ok((host, DEFAULT_POSTGRES_PORT));
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("has no valid port after the host; allowed: 1 to 65535".to_owned()),
        Ok(port) => Ok((host, port)),
    }
}

pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decoded(text))
}

/// Decodes percent-encoding. Invalid codes, and those that are not UTF-8, stay literal.
pub(super) fn percent_decoded(text: &str) -> String {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.contains('\0') => decoded.into_owned(),
        _ => text.to_owned(),
    }
}
