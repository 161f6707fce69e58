//! The manifest formats of three tools. Apollo's has a `format`; those of Relay's compiler and of graphql-codegen are an object
//! of ids and texts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::naming::shortened;

/// The maximum size of a manifest in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The `format` of Apollo's manifest,
/// <https://www.apollographql.com/docs/graphos/platform/security/persisted-queries#manifest-format>.
const APOLLO_FORMAT: &str = "apollo-persisted-query-manifest";
const APOLLO_VERSION: u64 = 1;

/// Why a manifest is rejected. Each message ends a sentence that starts with the file's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Too large.
    #[error("has more than {MAX_BYTES} bytes; at most {MAX_BYTES} are allowed")]
    TooLarge,
    /// Not JSON, or not one of the formats.
    #[error(
        "is not a manifest of trusted documents: {0}; allowed is Apollo's persisted query manifest, or an object of ids and \
         texts as Relay's compiler and graphql-codegen write it"
    )]
    Malformed(String),
    /// No documents.
    #[error("holds no documents; allowed are manifests with at least one")]
    Empty,
    /// Two texts with one id.
    #[error("has two documents of the id `{0}`; allowed is one text for each id")]
    Ambiguous(String),
    /// An empty id or text.
    #[error("has an empty {0}; each document needs an id and a text")]
    Blank(&'static str),
    /// A document that does not parse or exceeds a limit.
    #[error(
        "has a document `{id}` that cannot be used: {reason}; allowed are GraphQL documents within the limits of a request"
    )]
    Unreadable {
        /// The document's id.
        id: String,
        /// The error.
        reason: String,
    },
}

/// Apollo's manifest. Other fields (`clientName`) are ignored.
#[derive(Deserialize)]
struct ApolloManifest {
    format: String,
    version: u64,
    operations: Vec<ApolloOperation>,
}

/// One of its operations; `name` and `type` are in the document as well.
#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

/// The fields of an object in order, including duplicates.
struct Fields(Vec<(String, Box<RawValue>)>);

/// Parses the ids and texts of a manifest; ids are unique.
pub(crate) fn read(json: &[u8]) -> Result<Vec<(String, String)>, ManifestError> {
    if json.len() > MAX_BYTES {
        return Err(ManifestError::TooLarge);
    }
    // Some editors start a file with it.
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let Fields(fields) = serde_json::from_slice(json).map_err(|error| malformed(&error))?;
    let is_apollo = |(name, value): &(String, Box<RawValue>)| match name.as_str() {
        "operations" => value.get().starts_with('['),
        "version" => value
            .get()
            .starts_with(|first: char| first.is_ascii_digit()),
        _ => name == "format" && value.get().contains(APOLLO_FORMAT),
    };
    let documents = if fields.iter().any(is_apollo) {
        of_apollo(json)?
    } else {
        of_map(fields)?
    };
    unambiguous(documents)
}

fn of_apollo(json: &[u8]) -> Result<Vec<(String, String)>, ManifestError> {
    let manifest: ApolloManifest =
        serde_json::from_slice(json).map_err(|error| malformed(&error))?;
    if manifest.format != APOLLO_FORMAT || manifest.version != APOLLO_VERSION {
        return Err(ManifestError::Malformed(format!(
            "its `format` is `{}` and its `version` {}, where `{APOLLO_FORMAT}` and {APOLLO_VERSION} are read",
            manifest.format, manifest.version
        )));
    }
    let operations = manifest.operations.into_iter();
    Ok(operations
        .map(|operation| (operation.id, operation.body))
        .collect())
}

fn of_map(fields: Vec<(String, Box<RawValue>)>) -> Result<Vec<(String, String)>, ManifestError> {
    let documents = fields.into_iter().map(|(id, value)| {
        let text = serde_json::from_str(value.get()).map_err(|_| {
            let id = shortened(&id);
            ManifestError::Malformed(format!("the value of `{id}` is not a document's text"))
        });
        text.map(|text| (id, text))
    });
    documents.collect()
}

fn unambiguous(documents: Vec<(String, String)>) -> Result<Vec<(String, String)>, ManifestError> {
    if documents.is_empty() {
        return Err(ManifestError::Empty);
    }
    let mut known = HashMap::with_capacity(documents.len());
    let mut distinct = Vec::with_capacity(documents.len());
    for (id, text) in documents {
        if id.is_empty() {
            return Err(ManifestError::Blank("id"));
        }
        if text.trim().is_empty() {
            return Err(ManifestError::Blank("text"));
        }
        match known.entry(id.clone()) {
            Entry::Vacant(place) => {
                place.insert(text.clone());
                distinct.push((id, text));
            }
            Entry::Occupied(place) if *place.get() == text => {}
            Entry::Occupied(_) => return Err(ManifestError::Ambiguous(shortened(&id))),
        }
    }
    Ok(distinct)
}

fn malformed(error: &serde_json::Error) -> ManifestError {
    ManifestError::Malformed(error.to_string())
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key()? {
                    let value: Box<RawValue> = map.next_value()?;
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn documents(json: &str) -> Vec<(String, String)> {
        read(json.as_bytes()).expect("a manifest")
    }

    fn refusal(json: &str) -> String {
        read(json.as_bytes()).expect_err("no manifest").to_string()
    }

    #[test]
    fn the_forms_of_three_tools_are_read() {
        let apollo = json!({
            "format": APOLLO_FORMAT,
            "version": 1,
            "operations": [
                { "id": "a1", "name": "A", "type": "query", "body": "query A { a }" },
                { "id": "b2", "name": "B", "type": "mutation", "body": "mutation B { b }", "clientName": "web" },
            ],
        });
        let expected = [("a1", "query A { a }"), ("b2", "mutation B { b }")];
        let expected = expected.map(|(id, text)| (id.to_owned(), text.to_owned()));
        assert_eq!(documents(&apollo.to_string()), expected);
        let map = r#"{ "a1": "query A { a }", "b2": "mutation B { b }" }"#;
        assert_eq!(documents(map), expected);
        assert_eq!(documents(&format!("\u{feff}{map}")), expected);
    }

    #[test]
    fn an_id_may_come_twice_with_the_same_text_only() {
        assert_eq!(documents(r#"{ "a": "{ x }", "a": "{ x }" }"#).len(), 1);
        let expected = "has two documents of the id `a`; allowed is one text for each id";
        assert_eq!(refusal(r#"{ "a": "{ x }", "a": "{ y }" }"#), expected);
        let operations = json!([{ "id": "a", "body": "{ x }" }, { "id": "a", "body": "{ y }" }]);
        let apollo = json!({ "format": APOLLO_FORMAT, "version": 1, "operations": operations });
        assert_eq!(refusal(&apollo.to_string()), expected);
    }

    #[test]
    fn an_invalid_manifest_is_refused() {
        for (json, expected) in [
            ("", "is not a manifest of trusted documents: EOF"),
            ("[]", "expected a JSON object"),
            ("[\"{ a }\"]", "expected a JSON object"),
            ("\"{ a }\"", "expected a JSON object"),
            ("{}", "holds no documents"),
            (r#"{ "a": "{ x }" } x"#, "trailing characters"),
            (r#"{ "a": 1 }"#, "the value of `a` is not a document's text"),
            (
                r#"{ "a": { "text": "{ x }" } }"#,
                "the value of `a` is not a document's text",
            ),
            (r#"{ "a": " \n" }"#, "has an empty text"),
            (r#"{ "": "{ x }" }"#, "has an empty id"),
            (
                r#"{ "format": "apollo-persisted-query-manifest", "version": 2, "operations": [] }"#,
                "its `version` 2",
            ),
            (
                r#"{ "format": "other", "version": 1, "operations": [] }"#,
                "its `format` is `other`",
            ),
            (
                r#"{ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [] }"#,
                "holds no documents",
            ),
            (
                r#"{ "format": "apollo-persisted-query-manifest" }"#,
                "missing field `version`",
            ),
            (
                r#"{ "version": 1, "operations": [] }"#,
                "missing field `format`",
            ),
            (
                r#"{ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [{ "id": "a" }] }"#,
                "missing field `body`",
            ),
        ] {
            let refusal = refusal(json);
            assert!(refusal.contains(expected), "{json}: {refusal}");
        }
        assert_eq!(
            read(&vec![b' '; MAX_BYTES + 1]),
            Err(ManifestError::TooLarge)
        );
    }
}
