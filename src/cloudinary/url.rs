//! Image URLs: which ones are allowed, and the UUID in them that identifies the image.

use std::sync::LazyLock;

use regex::Regex;
use uuid::Uuid;

use super::hosts::HostPatterns;

/// The width of the column, in characters; URLs are ASCII.
pub const MAX_CHARACTERS: usize = 1024;

const UUID_CHARACTERS: usize = 36;
const HTTPS_PORT: u16 = 443;

/// An image's delivery URL, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrl {
    text: String,
    id: Uuid,
    every_id: Vec<Uuid>,
}

/// Why a text is not an image URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than the column.
    #[error("has {0} characters; at most {MAX_CHARACTERS} are allowed")]
    TooLong(usize),
    /// Not `https://`.
    #[error("must begin with https://")]
    NotHttps,
    /// Contains a character that RFC 3986 does not allow, <https://www.rfc-editor.org/rfc/rfc3986#appendix-A>.
    #[error("{0:?} is not allowed in a URL at this place; it must be percent-encoded")]
    Character(char),
    /// Contains a user or a password.
    #[error("must not contain a user name or password")]
    Login,
    /// A port other than that of https.
    #[error("must not have a port other than 443; it has `{0}`")]
    Port(String),
    /// Not one of Cloudinary's hosts.
    #[error("the host `{host}` is not allowed; allowed are {allowed}")]
    Host {
        /// As given.
        host: String,
        /// The allowed patterns.
        allowed: String,
    },
    /// The path contains no UUID.
    #[error("contains no UUID in its path; the public ID must contain the image's UUID")]
    UuidNotFound,
}

impl ImageUrl {
    /// Parses a URL, without trimming or correcting it.
    pub fn parse(text: &str, hosts: &HostPatterns) -> Result<Self, UrlError> {
        let characters = text.chars().count();
        if characters > MAX_CHARACTERS {
            return Err(UrlError::TooLong(characters));
        }
        let rest = after_scheme(text).ok_or(UrlError::NotHttps)?;
        let (authority, rest) = split_before(rest, &['/', '?', '#']);
        let (path, rest) = split_before(rest, &['?', '#']);
        check_authority(authority, hosts)?;
        check_characters(path, "/:@")?;
        let (query, fragment) = split_before(rest, &['#']);
        check_characters(query.strip_prefix('?').unwrap_or(query), "/:@?")?;
        check_characters(fragment.strip_prefix('#').unwrap_or(fragment), "/:@?")?;
        let every_id = uuids(path);
        let last_segment = path.rsplit('/').next().unwrap_or_default();
        let id = uuids(last_segment)
            .pop()
            .or_else(|| every_id.last().copied());
        Ok(Self {
            text: text.to_owned(),
            id: id.ok_or(UrlError::UuidNotFound)?,
            every_id,
        })
    }

    /// The URL as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The image's id: the last UUID of the last path segment or, if it has none, the last one of the path.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Every UUID in the path, in order.
    pub fn every_id(&self) -> &[Uuid] {
        &self.every_id
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    const SCHEME: &str = "https://";
    let scheme = text.get(..SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| text.get(SCHEME.len()..))?
}

fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Only digits: the parser of integers also takes `+443`, which no client loads.
fn is_https_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse() == Ok(HTTPS_PORT)
}

fn check_authority(authority: &str, hosts: &HostPatterns) -> Result<(), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::Login);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !port.is_empty() && !is_https_port(port) {
        return Err(UrlError::Port(port.to_owned()));
    }
    if !is_written_out(host) || !hosts.allow(host) {
        return Err(UrlError::Host {
            host: host.to_owned(),
            allowed: hosts.to_string(),
        });
    }
    Ok(())
}

/// Whether browsers parse the host as exactly this: they treat a backslash as a slash, and map non-ASCII characters.
fn is_written_out(host: &str) -> bool {
    url::Host::parse(host).is_ok_and(|read| read.to_string() == host.to_ascii_lowercase())
}

/// Allows RFC 3986's unreserved characters and sub-delimiters, percent-encoded bytes, and additional characters of this
/// part.
fn check_characters(part: &str, besides: &str) -> Result<(), UrlError> {
    let mut rest = part.chars();
    while let Some(character) = rest.next() {
        let is_allowed = match character {
            '%' => [rest.next(), rest.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => {
                character.is_ascii_alphanumeric()
                    || "-._~!$&'()*+,;=".contains(character)
                    || besides.contains(character)
            }
        };
        if !is_allowed {
            return Err(UrlError::Character(character));
        }
    }
    Ok(())
}

/// Every UUID in a text, in order, including overlapping ones; each once.
fn uuids(text: &str) -> Vec<Uuid> {
    static UUID: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = "^(?i-u)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
        Regex::new(pattern).expect("the pattern is a constant that the tests use")
    });
    let mut found: Vec<Uuid> = Vec::new();
    for start in 0..text.len() {
        let candidate = text.get(start..start + UUID_CHARACTERS);
        let is_uuid = |candidate: &&str| UUID.is_match(candidate);
        if let Some(uuid) = candidate
            .filter(is_uuid)
            .and_then(|candidate| Uuid::try_parse(candidate).ok())
        {
            found.retain(|earlier| *earlier != uuid);
            found.push(uuid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "11111111-1111-4111-8111-111111111111";
    const B: &str = "22222222-2222-4222-8222-222222222222";

    fn id(url: &str) -> Result<String, UrlError> {
        ImageUrl::parse(url, &HostPatterns::default()).map(|url| url.id().to_string())
    }

    #[test]
    fn the_id_is_the_last_uuid_of_the_last_segment_or_else_of_the_path() {
        let cases = [
            (format!("https://res.cloudinary.com/demo/image/upload/v1/{A}.png"), A),
            (format!("https://res.cloudinary.com/demo/image/upload/{B}/{A}"), A),
            (format!("https://res.cloudinary.com/demo/image/upload/{A}/cat.png"), A),
            (format!("https://res.cloudinary.com/demo/image/upload/{A}/{B}/cat.png"), B),
            (format!("https://res.cloudinary.com/demo/image/upload/{A}/"), A),
            (format!("https://res.cloudinary.com/{B}_{A}.png?x={B}#{B}"), A),
            (format!("https://res.cloudinary.com/x{A}1.png"), A),
            (format!("HTTPS://RES.Cloudinary.COM:443/{}", A.to_uppercase()), A),
            (format!("https://acme-res.cloudinary.com/image/upload/{A}"), A),
            (format!("https://res.cloudinary.com:/%2F{A}"), A),
            (
                "https://res.cloudinary.com/11111111-1111-4111-8111-111122222222-2222-4222-8222-222222222222".to_owned(),
                "22222222-2222-4222-8222-222222222222",
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(id(&url), Ok(expected.to_owned()), "{url}");
        }
    }

    #[test]
    fn an_invalid_image_url_is_rejected_with_the_reason() {
        let path = format!("demo/image/upload/{A}.png");
        let host = |host: &str| UrlError::Host {
            host: host.to_owned(),
            allowed: "res.cloudinary.com, *-res.cloudinary.com".to_owned(),
        };
        let cases = [
            (
                format!("http://res.cloudinary.com/{path}"),
                UrlError::NotHttps,
            ),
            (
                format!(" https://res.cloudinary.com/{path}"),
                UrlError::NotHttps,
            ),
            (
                format!("https:/res.cloudinary.com/{path}"),
                UrlError::NotHttps,
            ),
            (String::new(), UrlError::NotHttps),
            (
                format!("https://res.cloudinary.com/{path} "),
                UrlError::Character(' '),
            ),
            (
                format!("https://res.cloudinary.com/é/{path}"),
                UrlError::Character('é'),
            ),
            (
                format!("https://res.cloudinary.com/\0/{path}"),
                UrlError::Character('\0'),
            ),
            (
                format!("https://res.cloudinary.com/%2/{path}"),
                UrlError::Character('%'),
            ),
            (
                format!("https://res.cloudinary.com/{path}%"),
                UrlError::Character('%'),
            ),
            (
                format!("https://res.cloudinary.com/{path}#a#b"),
                UrlError::Character('#'),
            ),
            (
                format!("https://res.cloudinary.com/{path}?[a]"),
                UrlError::Character('['),
            ),
            (
                format!("https://res.cloudinary.com/\\{path}"),
                UrlError::Character('\\'),
            ),
            (
                format!("https://me@res.cloudinary.com/{path}"),
                UrlError::Login,
            ),
            (
                format!("https://@res.cloudinary.com/{path}"),
                UrlError::Login,
            ),
            (
                format!("https://res.cloudinary.com:8443/{path}"),
                UrlError::Port("8443".to_owned()),
            ),
            (
                format!("https://res.cloudinary.com:x/{path}"),
                UrlError::Port("x".to_owned()),
            ),
            (
                format!("https://res.cloudinary.com:+443/{path}"),
                UrlError::Port("+443".to_owned()),
            ),
            (format!("https:///res.cloudinary.com/{path}"), host("")),
            (
                format!("https://res.cloudinary.com./{path}"),
                host("res.cloudinary.com."),
            ),
            (format!("https://evil.com/{path}"), host("evil.com")),
            (
                format!("https://res.cloudinary.com.evil.com/{path}"),
                host("res.cloudinary.com.evil.com"),
            ),
            (
                format!("https://-res.cloudinary.com/{path}"),
                host("-res.cloudinary.com"),
            ),
            (
                format!("https://a.b-res.cloudinary.com/{path}"),
                host("a.b-res.cloudinary.com"),
            ),
            // Browsers would request the host `evil`.
            (
                format!(r"https://evil\x-res.cloudinary.com/{path}"),
                host(r"evil\x-res.cloudinary.com"),
            ),
            (
                format!("https://ä-res.cloudinary.com/{path}"),
                host("ä-res.cloudinary.com"),
            ),
            (
                format!("https://a%2Fb-res.cloudinary.com/{path}"),
                host("a%2Fb-res.cloudinary.com"),
            ),
            (
                "https://res.cloudinary.com/demo/cat.png".to_owned(),
                UrlError::UuidNotFound,
            ),
            (
                format!("https://res.cloudinary.com/demo/cat.png?id={A}#{A}"),
                UrlError::UuidNotFound,
            ),
            (
                "https://res.cloudinary.com".to_owned(),
                UrlError::UuidNotFound,
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(id(&url), Err(expected), "{url}");
        }
    }

    #[test]
    fn length_is_bounded_by_the_column() {
        let base = format!("https://res.cloudinary.com/{A}");
        let of_length = |length: usize| base.clone() + &"x".repeat(length - base.len());
        assert!(id(&of_length(1024)).is_ok());
        assert_eq!(id(&of_length(1025)), Err(UrlError::TooLong(1025)));
    }

    proptest! {
        #[test]
        fn a_url_built_around_a_uuid_gives_it(id: u128, folder in "[a-z/]{0,20}", suffix in "[g-z]{0,8}", query in "[a-z0-9=&-]{0,40}") {
            let id = Uuid::from_u128(id);
            let url = format!("https://res.cloudinary.com/demo/image/upload/{folder}/{id}{suffix}?{query}");
            let parsed = ImageUrl::parse(&url, &HostPatterns::default()).expect("valid");
            prop_assert_eq!(parsed.id(), id);
            prop_assert_eq!(parsed.as_str(), url.as_str());
            let upper = ImageUrl::parse(&url.to_uppercase(), &HostPatterns::default()).expect("valid");
            prop_assert_eq!(upper.id(), id);
        }

        #[test]
        fn no_text_breaks_the_reading(text: String, tail in "\\PC{0,60}") {
            let _ = id(&text);
            let _ = id(&format!("https://res.cloudinary.com/{tail}"));
        }
    }
}
