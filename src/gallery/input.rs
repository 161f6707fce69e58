//! Limits of stored values, the same on both databases.

use serde_json::{Map, Value as Json};

use super::intent::{Intent, label_to_store};
use super::{InputError, InputField, Refusal};

/// Maximum length of a prompt in Unicode scalar values.
pub const MAX_PROMPT_CHARACTERS: usize = 20_000;
/// Maximum length of a key under which an image is created once, in Unicode scalar values.
pub const MAX_ONCE_KEY_CHARACTERS: usize = 255;
/// Maximum length of a label in Unicode scalar values.
pub const MAX_LABEL_CHARACTERS: usize = 100;
/// Maximum size of metadata in bytes of compact UTF-8 JSON.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;
/// Maximum nesting of metadata; the object itself is the first level.
pub const MAX_METADATA_LEVELS: usize = 32;

/// JSON input; an error where it contains a number that would lose digits.
pub type GivenJson = Result<Json, InexactNumber>;

/// A number that neither a 64-bit integer nor a double represents exactly. Postgres could store it; SQLite, most clients
/// and this program could not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "holds the number {}, which cannot be kept exactly: integers of 64 bits can, and what a double holds; send it as a string",
    shortened(.0)
)]
pub struct InexactNumber(pub String);

fn shortened(number: &str) -> String {
    const DIGITS: usize = 50;
    match number.get(..DIGITS) {
        Some(digits) => format!("{digits}…"),
        None => number.to_owned(),
    }
}

impl From<InexactNumber> for Refusal {
    fn from(number: InexactNumber) -> Self {
        Self::Metadata(number.to_string())
    }
}

/// Collects the error of a field, so that the caller gets all errors at once.
pub(super) fn or_error<T>(
    errors: &mut Vec<InputError>,
    field: InputField,
    checked: Result<T, Refusal>,
) -> Option<T> {
    checked
        .map_err(|refusal| errors.push(InputError::of(field, refusal)))
        .ok()
}

/// The label to store, checked against the limits.
pub(super) fn check_label(
    intent: Option<Intent>,
    label: Option<&str>,
) -> Result<Option<String>, Refusal> {
    if let Some(label) = label {
        check_text(label, MAX_LABEL_CHARACTERS)?;
    }
    let stored = label_to_store(intent, label)?;
    // The lower case of a text may be longer than the text.
    if let Some(stored) = &stored {
        check_text(stored, MAX_LABEL_CHARACTERS)?;
    }
    Ok(stored)
}

/// Checks a text of at most `maximum` Unicode scalar values.
pub fn check_text(text: &str, maximum: usize) -> Result<(), Refusal> {
    if text.contains('\0') {
        return Err(Refusal::Nul);
    }
    // Fewer bytes are never more characters.
    if text.len() <= maximum {
        return Ok(());
    }
    let characters = text.chars().count();
    if characters > maximum {
        return Err(Refusal::TooLong {
            characters,
            maximum,
        });
    }
    Ok(())
}

/// Checks that metadata is an object within the limits.
pub fn check_metadata(metadata: &Json) -> Result<&Map<String, Json>, Refusal> {
    let Json::Object(object) = metadata else {
        return Err(Refusal::Metadata(format!(
            "must be a JSON object; {} was given",
            kind(metadata)
        )));
    };
    check_object(object)?;
    Ok(object)
}

/// Checks an object against the limits.
pub fn check_object(object: &Map<String, Json>) -> Result<(), Refusal> {
    let levels = 1 + object.values().map(levels).max().unwrap_or(0);
    if levels > MAX_METADATA_LEVELS {
        return Err(Refusal::Metadata(format!(
            "is nested {levels} levels deep; at most {MAX_METADATA_LEVELS} are allowed"
        )));
    }
    check_nul(object)?;
    let bytes = serde_json::to_vec(object).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_METADATA_BYTES {
        return Err(Refusal::Metadata(format!(
            "takes {bytes} bytes as compact JSON; at most {MAX_METADATA_BYTES} are allowed"
        )));
    }
    Ok(())
}

/// Refuses U+0000 in any key or value.
pub fn check_nul(object: &Map<String, Json>) -> Result<(), Refusal> {
    let mut members = object.iter();
    if members.any(|(key, value)| key.contains('\0') || has_nul(value)) {
        return Err(Refusal::Nul);
    }
    Ok(())
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

fn levels(value: &Json) -> usize {
    match value {
        Json::Array(array) => 1 + array.iter().map(levels).max().unwrap_or(0),
        Json::Object(object) => 1 + object.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_nul(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('\0'),
        Json::Array(array) => array.iter().any(has_nul),
        Json::Object(object) => object
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Json {
        (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn metadata_may_be_exactly_as_deep_and_as_large_as_the_limits() {
        assert!(check_metadata(&nested(32)).is_ok());
        assert!(matches!(
            check_metadata(&nested(33)),
            Err(Refusal::Metadata(_))
        ));
        let of_bytes = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
        assert!(check_metadata(&of_bytes(MAX_METADATA_BYTES)).is_ok());
        assert!(matches!(
            check_metadata(&of_bytes(MAX_METADATA_BYTES + 1)),
            Err(Refusal::Metadata(_))
        ));
    }

    #[test]
    fn nul_is_found_in_keys_and_values_at_any_depth() {
        for metadata in [
            json!({"a\0": 1}),
            json!({"a": "\0"}),
            json!({"a": [{"b": ["\0"]}]}),
            json!({"a": [{"\0": 1}]}),
        ] {
            assert_eq!(check_metadata(&metadata), Err(Refusal::Nul));
        }
    }

    #[test]
    fn only_an_object_is_metadata() {
        for metadata in [json!(null), json!([]), json!("{}"), json!(1), json!(true)] {
            assert!(
                matches!(check_metadata(&metadata), Err(Refusal::Metadata(_))),
                "{metadata}"
            );
        }
    }

    #[test]
    fn length_counts_characters() {
        assert!(check_text(&"猫".repeat(20), 20).is_ok());
        assert_eq!(
            check_text(&"猫".repeat(21), 20),
            Err(Refusal::TooLong {
                characters: 21,
                maximum: 20
            })
        );
        assert_eq!(check_text("\0", 20), Err(Refusal::Nul));
    }
}
