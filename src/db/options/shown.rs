//! A connection URL without its password.

use super::url::split_query;

/// The URL for display: when in doubt, shows less.
pub(crate) fn without_password(url: &str) -> String {
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

/// Without an `@`, the part after `:` is a port, or the password of a URL without a host.
fn shown_address(text: &str) -> String {
    let port = text.split_once(':').map_or("", |(_, behind)| behind);
    let port = port.split('/').next().unwrap_or_default();
    if port.chars().all(|letter| letter.is_ascii_digit()) {
        text.to_owned()
    } else {
        hidden_after_colon(text)
    }
}
