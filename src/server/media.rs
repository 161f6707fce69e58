//! Content negotiation by `q`, then by order, <https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1>.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};

use super::stream::Framing;

/// A media type of the endpoint's responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status shows whether the request was executed.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed request.
    Json,
    /// `text/html`: GraphiQL.
    Html,
    /// `text/event-stream` or `multipart/mixed`: a stream of replies.
    Stream(Framing),
}

impl Media {
    /// Value of `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Stream(framing) => framing.content_type(),
        }
    }

    const fn essence(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
            Self::Html => "text/html",
            Self::Stream(Framing::EventStream) => "text/event-stream",
            Self::Stream(Framing::Multipart) => "multipart/mixed",
        }
    }
}

/// What responses may be. Of types that match one wildcard, the first is preferred.
const CANDIDATES: [Media; 5] = [
    Media::Json,
    Media::GraphqlResponse,
    Media::Html,
    Media::Stream(Framing::EventStream),
    Media::Stream(Framing::Multipart),
];
/// `q` of a range without one.
const MAX_WEIGHT: f32 = 1.0;

/// The types that a client accepts, by preference.
#[derive(Debug, PartialEq)]
pub(super) struct Accepted(Vec<Media>);

impl Accepted {
    /// Parses the `Accept` headers; without any, or with empty ones only, plain JSON is accepted.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values: Vec<_> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        Self::parse(&values.join(","))
    }

    fn parse(header: &str) -> Self {
        let mut texts = split_unquoted(header, ',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .peekable();
        if texts.peek().is_none() {
            return Self(vec![Media::Json]);
        }
        let ranges: Vec<_> = texts.filter_map(range).collect();
        let accepted = CANDIDATES.into_iter().filter_map(|media| {
            // The most specific range decides: a type excluded by name is not included by a wildcard.
            let matching = ranges.iter().enumerate();
            let matching = matching.filter_map(|(place, range)| {
                Some((range.specificity(media)?, range.weight, place))
            });
            let (_, weight, place) = matching.max_by(|one, other| {
                (one.0.cmp(&other.0))
                    .then(one.1.total_cmp(&other.1))
                    .then(other.2.cmp(&one.2))
            })?;
            (weight > 0.0).then_some((media, weight, place))
        });
        let mut accepted: Vec<_> = accepted.collect();
        // A stable sort keeps the order of candidates that match one wildcard.
        accepted.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.2.cmp(&other.2)));
        Self(accepted.into_iter().map(|(media, ..)| media).collect())
    }

    /// The preferred JSON type.
    pub(super) fn json(&self) -> Option<Media> {
        let is_json = |media: &&Media| matches!(media, Media::GraphqlResponse | Media::Json);
        self.0.iter().find(is_json).copied()
    }

    /// The preferred stream type.
    pub(super) fn stream(&self) -> Option<Framing> {
        self.0.iter().find_map(|media| match media {
            Media::Stream(framing) => Some(*framing),
            _ => None,
        })
    }

    /// Whether a page is preferred over data, as by browsers.
    pub(super) fn prefers_page(&self) -> bool {
        self.0.first() == Some(&Media::Html)
    }
}

struct Range {
    /// In lower case, without parameters.
    essence: String,
    weight: f32,
}

/// How specific a media range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Any,
    Type,
    Subtype,
}

impl Range {
    /// How specifically the range matches a type; `None` if it does not. Pages and streams are not for clients that accept
    /// anything.
    fn specificity(&self, media: Media) -> Option<Specificity> {
        let is_json = matches!(media, Media::Json | Media::GraphqlResponse);
        match self.essence.as_str() {
            "*/*" if is_json => Some(Specificity::Any),
            "application/*" if is_json => Some(Specificity::Type),
            essence => (essence == media.essence()).then_some(Specificity::Subtype),
        }
    }
}

fn range(text: &str) -> Option<Range> {
    let mut parts = split_unquoted(text, ';').map(str::trim);
    let essence = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("q")).then(|| weight(value.trim()))
    });
    Some(Range {
        essence,
        weight: weight.unwrap_or(MAX_WEIGHT),
    })
}

/// A value outside of 0 to 1 counts as none.
fn weight(text: &str) -> f32 {
    let weight = text.parse().ok();
    let weight = weight.filter(|weight| (0.0..=MAX_WEIGHT).contains(weight));
    weight.unwrap_or(MAX_WEIGHT)
}

/// Splits at separators outside quoted strings, as in `boundary="a,b"`.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
}

/// Whether a body is JSON in UTF-8, by all `Content-Type` headers.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter().peekable();
    values.peek().is_some() && values.all(|value| value.to_str().is_ok_and(is_json_type))
}

/// Whether a body has a content encoding.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    values.any(|value| {
        let mut encodings = value.as_bytes().split(|byte| *byte == b',');
        encodings.any(|encoding| {
            let encoding = encoding.trim_ascii();
            !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
        })
    })
}

fn is_json_type(content_type: &str) -> bool {
    let mut parts = split_unquoted(content_type, ';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
                let charset = charset.trim().trim_matches('"');
                // Invalid without the hyphen, but unambiguous.
                charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_json_is_chosen() {
        use Media::{GraphqlResponse, Json};
        for (header, expected) in [
            ("application/json", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*;q=0.1", Some(Json)),
            (
                "application/graphql-response+json, application/json",
                Some(GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json",
                Some(Json),
            ),
            (
                "application/json;q=0.9, application/graphql-response+json",
                Some(GraphqlResponse),
            ),
            (
                "Application/GraphQL-Response+JSON; charset=utf-8",
                Some(GraphqlResponse),
            ),
            (
                r#"multipart/mixed;boundary="a,b";subscriptionSpec=1.0, application/json"#,
                Some(Json),
            ),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("application/json; q=0", None),
            (
                "application/graphql-response+json;q=0, application/json;q=0, */*",
                None,
            ),
            ("application/json, text/plain, */*", Some(Json)),
            (
                "application/graphql-response+json;q=nan, application/json",
                Some(GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json;q=inf",
                Some(Json),
            ),
            (
                "application/json;q=0.5, application/graphql-response+json;q=-1",
                Some(GraphqlResponse),
            ),
            ("text/plain", None),
            ("text/html", None),
            ("application/*;q=0, */*", None),
            ("application/*;q=0, application/json", Some(Json)),
            (
                "application/json;q=0.1, application/graphql-response+json;q=0.2, */*",
                Some(GraphqlResponse),
            ),
            ("", Some(Json)),
            (" , ,", Some(Json)),
        ] {
            assert_eq!(Accepted::parse(header).json(), expected, "{header}");
        }
    }

    #[test]
    fn only_a_browser_prefers_the_page() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (header, expected) in [
            (browser, true),
            ("text/html", true),
            ("application/json, text/html", false),
            ("text/html;q=0.5, application/json", false),
            ("*/*", false),
        ] {
            assert_eq!(Accepted::parse(header).prefers_page(), expected, "{header}");
        }
    }

    #[test]
    fn json_is_read_in_utf_8_only() {
        for content_type in [
            "application/json",
            "Application/JSON ;charset=UTF-8",
            r#"application/json; charset="utf-8"; x=y"#,
        ] {
            assert!(is_json_type(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "application/jsonx",
            "text/plain; a=application/json",
            "application/json; charset=utf-16",
        ] {
            assert!(!is_json_type(content_type), "{content_type}");
        }
    }
}
