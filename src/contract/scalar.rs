//! The API's own scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime as ChronoDateTime, NaiveDate};
use graphql_front::{CheckedScalar, inexact_number};

use super::json_text::raw;
use crate::entity::Timestamp;
use crate::gallery::InexactNumber;

/// The scalar `DateTime`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DateTime(pub(super) Timestamp);

/// RFC 3339 instant; always returned in UTC with `Z` and six fractional digits, e.g. `2026-01-15T10:30:00.123456Z`.
/// Send it back as received: a JavaScript `Date` cuts it short. Input may have any offset; digits after the sixth are
/// cut.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        ChronoDateTime::parse_from_rfc3339(text)
            .ok()
            .and_then(|datetime| Timestamp::from_datetime(&datetime))
            .map(Self)
            .ok_or_else(|| InputValueError::custom(format!("`{text}` is not {DATE_TIME}")))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// What a `DateTime` is, for errors.
const DATE_TIME: &str = "an RFC 3339 instant with its offset, e.g. 2026-01-15T10:30:00.123456Z";

/// Scalars whose values are checked before anything is executed. The others accept more than they keep: what is wrong with
/// a value is a user error of its field.
pub(crate) static CHECKED_SCALARS: [CheckedScalar; 1] = [CheckedScalar {
    name: "DateTime",
    values: DATE_TIME,
    sample: "2026-01-15T10:30:00Z",
    is_valid: |value| DateTime::parse(value.clone()).is_ok(),
}];

/// The scalar `Date`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Date(pub(super) NaiveDate);

/// A UTC calendar day, e.g. `2026-01-15`.
#[Scalar(name = "Date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse()?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// The scalar `JSON`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// As sent.
    Value(serde_json::Value),
    /// As stored: valid JSON text.
    Text(String),
    /// The input contains this number, which would lose digits.
    Inexact(String),
}

impl Json {
    /// The input value.
    pub(super) fn into_value(self) -> Result<serde_json::Value, InexactNumber> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Text(text) => Ok(serde_json::from_str(&text).unwrap_or_default()),
            Self::Inexact(number) => Err(InexactNumber(number)),
        }
    }
}

/// Any JSON value. `metadata` is always a JSON object. Numbers that a 64-bit integer or a double represents exactly
/// keep their value; others are rejected in inputs: send them as strings.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(json_of(value).map_or_else(Self::Inexact, Self::Value))
    }

    /// As text, which is copied into the response: as values, digits would take forty times the memory.
    fn to_value(&self) -> Value {
        raw(match self {
            Self::Value(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::Inexact(_) => "null".to_owned(),
        })
    }
}

/// The library's conversion would parse an object with the key `RAW_VALUE_TOKEN` as JSON text. Fails with the first
/// number that would lose digits.
fn json_of(value: Value) -> Result<serde_json::Value, String> {
    if let Some(number) = inexact_number(&value) {
        return Err(number.to_owned());
    }
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Number(number) => serde_json::Value::Number(number),
        Value::String(text) => serde_json::Value::String(text),
        Value::Boolean(truth) => serde_json::Value::Bool(truth),
        Value::Enum(name) => serde_json::Value::String(name.to_string()),
        Value::Binary(bytes) => bytes.iter().copied().collect(),
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(json_of).collect();
            serde_json::Value::Array(items?)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, field)| Ok((name.to_string(), json_of(field)?)));
            serde_json::Value::Object(fields.collect::<Result<_, String>>()?)
        }
    })
}

/// The scalar `URL`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Url(pub(super) String);

/// Absolute https URL. As an input any string is taken; what is wrong with it comes as a userError.
#[Scalar(name = "URL")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql_value::RAW_VALUE_TOKEN;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_taken_and_given_as_it_is() {
        for value in [
            json!({ "a": [1, -2.5, "x", null, true, {}], "é": u64::MAX }),
            json!({ RAW_VALUE_TOKEN: "[[1" }),
            json!([{ "a": { RAW_VALUE_TOKEN: "[1]" } }]),
        ] {
            let given = Value::from_json(value.clone()).expect("a value");
            let parsed = Json::parse(given).expect("any JSON");
            assert_eq!(parsed.into_value(), Ok(value.clone()));
            let taken = serde_json::to_string(&Json::Value(value.clone()).to_value());
            assert_eq!(taken.expect("JSON"), value.to_string());
        }
    }
}
