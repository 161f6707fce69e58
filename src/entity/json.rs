//! Reads JSON text without changes: every digit of a number is kept, and no key is special. The JSON library's values
//! round numbers to doubles, and treat the text under a certain key as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use decimal::Decimal;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

type Members<'t> = BTreeMap<String, &'t RawValue>;

/// The members of an object; None if the text is not an object. A number that overflows a double becomes a string.
pub(super) fn read_object(text: &str) -> Option<Map<String, Json>> {
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    let read = |(key, value): (String, &RawValue)| (key, read(value.get()));
    Some(members.into_iter().map(read).collect())
}

/// Why JSON text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableJson {
    /// More than 127 objects and arrays inside each other.
    #[error("is nested too deeply")]
    TooDeep,
    /// A string has an escape that is half of a character.
    #[error(
        "has a string that is not Unicode: one of its escapes, such as `\\ud800`, is only half of a character"
    )]
    NotUnicode,
}

/// The value of any JSON text, whatever its keys: `serde_json` gives some a meaning of its own. A number that overflows a
/// double becomes a string.
pub fn value_of(text: &str) -> Result<Json, UnreadableJson> {
    const MAX_NESTING: usize = 127;
    if nesting(text) > MAX_NESTING {
        return Err(UnreadableJson::TooDeep);
    }
    if !has_only_characters(text) {
        return Err(UnreadableJson::NotUnicode);
    }
    Ok(read(text))
}

/// Whether every string is decoded without half a surrogate pair, which the library does not check in text that it passes on.
fn has_only_characters(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (_, string_on) = rest.split_at(start);
        let (string, after) = string_on.split_at(token_length(string_on));
        if serde_json::from_str::<String>(string).is_err() {
            return false;
        }
        rest = after;
    }
    true
}

fn nesting(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_in_string,
            b'"' => is_in_string = !is_in_string,
            b'{' | b'[' if !is_in_string => {
                open += 1;
                deepest = open.max(deepest);
            }
            b'}' | b']' if !is_in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn read(text: &str) -> Json {
    match text.as_bytes().first() {
        Some(b'{') => read_object(text).map_or(Json::Null, Json::Object),
        Some(b'[') => items(text)
            .into_iter()
            .map(|item| read(item.get()))
            .collect(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())),
    }
}

fn items(text: &str) -> Vec<&RawValue> {
    serde_json::from_str(text).unwrap_or_default()
}

/// Whether two JSON texts have the same value, ignoring the order of members and the notation of numbers.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let (Ok(one), Ok(other)) = (
                serde_json::from_str::<Members<'_>>(one),
                serde_json::from_str::<Members<'_>>(other),
            ) else {
                return false;
            };
            one.len() == other.len()
                && one
                    .iter()
                    .zip(&other)
                    .all(|((key, value), (other_key, other_value))| {
                        key == other_key && is_same(value.get(), other_value.get())
                    })
        }
        (Some(b'['), Some(b'[')) => {
            let (one, other) = (items(one), items(other));
            let mut pairs = one.iter().zip(&other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same(one.get(), other.get()))
        }
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            one == other || Decimal::of(one) == Decimal::of(other)
        }
        (Some(b'"'), Some(b'"')) => {
            let text = |text| serde_json::from_str::<String>(text).ok();
            one == other || text(one) == text(other)
        }
        _ => one == other,
    }
}

/// The text in a form that every client can parse: numbers that overflow a double are quoted, so that the rest of the
/// page stays readable.
pub fn readable(text: &str) -> Cow<'_, str> {
    if may_overflow(text) {
        Cow::Owned(quote_overflowing(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// May report too much: an exponent, or more digits than the greatest double has.
fn may_overflow(text: &str) -> bool {
    const DIGITS: usize = 300;
    let mut run = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => run += 1,
            b'e' | b'E' if run > 0 => return true,
            _ => run = 0,
        }
        if run > DIGITS {
            return true;
        }
    }
    false
}

fn quote_overflowing(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    {
        let (before, token_on) = rest.split_at(start);
        let (token, after) = token_on.split_at(token_length(token_on));
        let overflows = !token.starts_with('"') && token.parse::<f64>().is_ok_and(f64::is_infinite);
        quoted.push_str(before);
        if overflows {
            quoted.extend(["\"", token, "\""]);
        } else {
            quoted.push_str(token);
        }
        rest = after;
    }
    quoted.push_str(rest);
    quoted
}

/// Length in bytes of the string or number that the text begins with.
fn token_length(text: &str) -> usize {
    if !text.starts_with('"') {
        let is_of_number =
            |character: char| matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        return text
            .find(|character| !is_of_number(character))
            .unwrap_or(text.len());
    }
    let mut is_escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_the_same_however_they_are_written() {
        for (one, other, expected) in [
            (r#"{"a": 1, "b": [2, 3]}"#, r#"{"b":[2,3],"a":1}"#, true),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false),
            (r#"["a", "\u0062"]"#, r#"["a","b"]"#, true),
            ("[1, 2]", "[2, 1]", false),
            ("100", "1e2", true),
            ("1.50", "15e-1", true),
            ("-0.0", "0", true),
            ("-1", "1", false),
            ("18446744073709551616", "18446744073709551617", false),
            ("0.12345678901234567890", "0.1234567890123456789", true),
            ("1e400", "1e401", false),
            ("true", "false", false),
            ("null", "null", true),
        ] {
            assert_eq!(is_same(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn numbers_that_overflow_a_double_are_quoted() {
        let stored = r#"{"a": 1e400, "b": ["1e400\"", -2e999, 3], "c": 18446744073709551616}"#;
        let expected =
            r#"{"a": "1e400", "b": ["1e400\"", "-2e999", 3], "c": 18446744073709551616}"#;
        assert_eq!(readable(stored), expected);
        let long = format!(r#"{{"a": 1{}}}"#, "0".repeat(400));
        assert_eq!(
            readable(&long),
            format!(r#"{{"a": "1{}"}}"#, "0".repeat(400))
        );
    }

    #[test]
    fn half_a_character_is_not_read() {
        for text in [r#""\ud800""#, r#"{"a": ["\udc00"]}"#, r#"{"\ud83d": 1}"#] {
            assert_eq!(value_of(text), Err(UnreadableJson::NotUnicode), "{text}");
        }
        let whole = value_of(r#"["\ud83d\ude00", "\\ud800"]"#);
        assert_eq!(whole, Ok(json!(["\u{1f600}", "\\ud800"])));
    }

    #[test]
    fn an_object_with_any_keys_is_read() {
        let text = r#"{"$serde_json::private::RawValue": "1", "a": [{"$serde_json::private::Number": "x"}], "b": 1e400}"#;
        let expected = json!({
            "$serde_json::private::RawValue": "1",
            "a": [{ "$serde_json::private::Number": "x" }],
            "b": "1e400",
        });
        assert_eq!(read_object(text).map(Json::Object), Some(expected));
        assert_eq!(read_object("[]"), None);
    }
}
