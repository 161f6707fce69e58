//! Values that already are JSON text and are copied into the response.

use async_graphql::{Name, Value};
use async_graphql_value::RAW_VALUE_TOKEN;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A value with this JSON text.
pub(crate) fn raw(text: String) -> Value {
    let entry = (Name::new(RAW_VALUE_TOKEN), Value::String(text));
    Value::Object([entry].into_iter().collect())
}

/// The text of a value made by [`raw`].
pub(crate) fn raw_text(value: &Value) -> Option<&str> {
    let Value::Object(fields) = value else {
        return None;
    };
    match (fields.len(), fields.first()) {
        (1, Some((name, Value::String(text)))) if name == RAW_VALUE_TOKEN => Some(text),
        _ => None,
    }
}

/// Serialises a value of a response. The library's implementation copies and parses the text of each [`raw`] value to
/// check that it is JSON.
#[derive(Debug)]
pub(crate) struct Written<'v>(pub(crate) &'v Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As serde_json serialises its own `RawValue`.
        if let Some(text) = raw_text(self.0) {
            let mut raw = serializer.serialize_struct(RAW_VALUE_TOKEN, 1)?;
            raw.serialize_field(RAW_VALUE_TOKEN, text)?;
            return raw.end();
        }
        match self.0 {
            Value::List(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Object(fields) => {
                let fields = fields.iter();
                serializer.collect_map(fields.map(|(name, field)| (name, Written(field))))
            }
            leaf => leaf.serialize(serializer),
        }
    }
}

/// Appends a value as JSON.
pub(crate) fn write(value: &Value, json: &mut Vec<u8>) -> serde_json::Result<()> {
    match value {
        // Most strings need no escaping; copying them whole is faster than escaping byte by byte.
        Value::String(text) if !needs_escape(text) => {
            json.push(b'"');
            json.extend_from_slice(text.as_bytes());
            json.push(b'"');
            Ok(())
        }
        value => match raw_text(value) {
            Some(text) => {
                json.extend_from_slice(text.as_bytes());
                Ok(())
            }
            None => serde_json::to_writer(json, &Written(value)),
        },
    }
}

/// Has no early return, so that the compiler vectorises it.
fn needs_escape(text: &str) -> bool {
    let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    text.bytes()
        .fold(false, |found, byte| found | is_special(byte))
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn a_response_is_written_as_the_library_writes_it() {
        let mut fields = async_graphql::indexmap::IndexMap::new();
        fields.insert(Name::new("metadata"), raw("{\"a\":[1, 2.50]}".to_owned()));
        fields.insert(
            Name::new("rest"),
            value!([null, true, "é\"\n", 1.5, { "b": [] }]),
        );
        let value = Value::Object(fields);
        let written = serde_json::to_string(&Written(&value)).expect("JSON");
        assert_eq!(written, serde_json::to_string(&value).expect("JSON"));
        assert!(
            written.starts_with("{\"metadata\":{\"a\":[1, 2.50]},"),
            "{written}"
        );
    }

    #[test]
    fn strings_are_escaped_as_json_requires() {
        for text in [
            "",
            "plain é 🦀",
            "\"",
            "a\\b",
            "\u{1f}",
            "\u{7f}",
            "long: \n and more than sixteen",
        ] {
            let mut written = Vec::new();
            write(&Value::from(text), &mut written).expect("JSON");
            assert_eq!(written, serde_json::to_vec(text).expect("JSON"), "{text:?}");
        }
    }
}
