//! Numbers with more digits than the library's values hold. They are found in the text, before anything is made of it; what
//! reads a number exactly, or has to say that it cannot, gets its text.

use std::collections::BTreeMap;

use async_graphql::{Name, Value, Variables};
use serde_json::value::RawValue;

use super::limits::tokens_and_ignored;
use crate::decimal::is_exact;

/// The first number of a JSON text that would lose digits.
pub(crate) fn inexact_in_json(json: &str) -> Option<&str> {
    let mut rest = json;
    loop {
        let start = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])?;
        let (_, token_on) = rest.split_at_checked(start)?;
        let length = if token_on.starts_with('"') {
            string_length(token_on)
        } else {
            let number = number_at(token_on);
            if !is_exact(number) {
                return Some(number);
            }
            number.len()
        };
        (_, rest) = token_on.split_at_checked(length)?;
    }
}

/// The first number of a document that would lose digits.
pub(crate) fn inexact_in_document(text: &str) -> Option<&str> {
    let mut start = 0;
    let mut end_of_number = 0;
    for (first, token) in tokens_and_ignored(text) {
        if start >= end_of_number && matches!(first, '-' | '0'..='9') {
            let number = number_at(text.get(start..)?);
            if !is_exact(number) && number.contains(|digit: char| digit.is_ascii_digit()) {
                return Some(number);
            }
            end_of_number = start + number.len();
        }
        start += token.len();
    }
    None
}

/// The number that a text begins with.
fn number_at(text: &str) -> &str {
    let end = text.find(|letter| !matches!(letter, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The length of the string that a JSON text begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Reads the variables of a request. A number that would lose digits becomes an enum value of its text, which no JSON can
/// have otherwise, and no type takes but a scalar that asks [`inexact_number`].
pub(crate) fn read_variables(json: &str) -> serde_json::Result<Variables> {
    // Not by way of the JSON library's own values: these take a text under a certain name for JSON, and read that as well.
    if inexact_in_json(json).is_none() {
        return serde_json::from_str(json);
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    let mut variables = Variables::default();
    for (name, value) in members {
        variables.insert(Name::new(name), read(value.get())?);
    }
    Ok(variables)
}

/// How deeply values nest is bounded before.
fn read(json: &str) -> serde_json::Result<Value> {
    Ok(match json.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            let members = members.into_iter();
            let read = members.map(|(name, value)| Ok((Name::new(name), read(value.get())?)));
            Value::Object(read.collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            let read = items.into_iter().map(|item| read(item.get()));
            Value::List(read.collect::<serde_json::Result<_>>()?)
        }
        Some(b'-' | b'0'..=b'9') if !is_exact(json) => Value::Enum(Name::new(json)),
        _ => serde_json::from_str(json)?,
    })
}

/// The number that would have lost digits, of a value that [`read_variables`] has read.
pub(crate) fn inexact_number(value: &Value) -> Option<&str> {
    match value {
        Value::Enum(text) if text.starts_with(|first| matches!(first, '-' | '0'..='9')) => {
            Some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BIG: &str = "18446744073709551616";

    #[test]
    fn a_number_that_would_lose_digits_is_found() {
        for (json, expected) in [
            (r#"{"a": 18446744073709551616}"#, Some(BIG)),
            (
                r#"{"a": [1, {"b": -0.12345678901234567890}]}"#,
                Some("-0.12345678901234567890"),
            ),
            (r#"{"a": 1e400}"#, Some("1e400")),
            (r#"{"18446744073709551616": "18446744073709551616"}"#, None),
            (r#"{"a\"18446744073709551616": 1.5e3, "b": "\\"}"#, None),
            ("", None),
        ] {
            assert_eq!(inexact_in_json(json), expected, "{json}");
        }
        for (text, expected) in [
            ("{ a(b: 18446744073709551616) }", Some(BIG)),
            (
                "{ a(b: {c: [-18446744073709551616]}) }",
                Some("-18446744073709551616"),
            ),
            (
                "{ a(b: 0.12345678901234567890) }",
                Some("0.12345678901234567890"),
            ),
            ("{ a(b: 1.5e400) }", Some("1.5e400")),
            (
                "{ a18446744073709551616(b: \"18446744073709551616\") } # 18446744073709551616",
                None,
            ),
            (
                "{ a(b: 1.5, c: -2e3, d: \"\"\"18446744073709551616\"\"\") }",
                None,
            ),
            ("{ - }", None),
        ] {
            assert_eq!(inexact_in_document(text), expected, "{text}");
        }
    }

    #[test]
    fn other_values_are_read_as_they_are() {
        let rest = json!({ "$serde_json::private::RawValue": "1", "b": [null, true, "x", 1.5] });
        let json = format!("{{\"a\": {BIG}, \"rest\": {rest}}}");
        let variables = read_variables(&json).expect("an object");
        let big = variables.get(&Name::new("a")).expect("a");
        assert_eq!(inexact_number(big), Some(BIG));
        let expected = serde_json::from_str(&rest.to_string()).expect("a value");
        assert_eq!(variables.get(&Name::new("rest")), Some(&expected));
    }
}
