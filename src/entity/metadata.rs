//! The JSON object of an image, read so that no stored value takes a page down.

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};
use serde_json::{Map, Value as Json};
use sqlx::{Row, ValueRef};

/// A JSON object. What another application stored as no object reads as `{}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(pub Map<String, Json>);

impl Metadata {
    /// Reads stored JSON. A number that no double holds (`1e400`) becomes a string of its digits: the rest of the
    /// object, and the rest of the page, stays readable.
    pub fn from_stored(text: &str) -> Self {
        let value = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&quote_huge_numbers(text)))
            .unwrap_or(Json::Null);
        match value {
            Json::Object(object) => Self(object),
            _ => Self::default(),
        }
    }
}

/// Puts quotes around each number that overflows a double.
fn quote_huge_numbers(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    {
        let (before, token_on) = rest.split_at(start);
        let (token, after) = token_on.split_at(token_length(token_on));
        let is_huge = !token.starts_with('"') && token.parse::<f64>().is_ok_and(f64::is_infinite);
        quoted.push_str(before);
        if is_huge {
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

impl From<Metadata> for Value {
    fn from(metadata: Metadata) -> Self {
        Self::Json(Some(Box::new(Json::Object(metadata.0))))
    }
}

impl Nullable for Metadata {
    fn null() -> Value {
        Value::Json(None)
    }
}

impl ValueType for Metadata {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::Json(Some(json)) => match *json {
                Json::Object(object) => Ok(Self(object)),
                _ => Err(ValueTypeErr),
            },
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "Metadata".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Json
    }

    fn column_type() -> ColumnType {
        ColumnType::JsonBinary
    }
}

impl TryGetable for Metadata {
    fn try_get_by<I: ColIdx>(result: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let Some(row) = result.try_as_pg_row() else {
            let text = super::sqlite_text(result, &index)?;
            return Ok(text.map_or_else(Self::default, |text| Self::from_stored(&text)));
        };
        let raw = row
            .try_get_raw(index.as_sqlx_postgres_index())
            .map_err(unreadable)?;
        if raw.is_null() {
            return Err(TryGetError::Null(format!("{index:?}")));
        }
        // Postgres' binary jsonb is its text behind one byte of version.
        let bytes = raw.as_bytes().map_err(unreadable)?;
        let text = std::str::from_utf8(bytes.get(1..).unwrap_or_default()).map_err(unreadable)?;
        Ok(Self::from_stored(text))
    }
}

fn unreadable(error: impl std::fmt::Display) -> TryGetError {
    TryGetError::DbErr(DbErr::Type(format!("metadata: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_whatever_is_stored() {
        let cases = [
            (
                r#"{"a": 9007199254740993}"#,
                json!({"a": 9_007_199_254_740_993_i64}),
            ),
            (r#"{"a": 0.1, "b": "x"}"#, json!({"a": 0.1, "b": "x"})),
            (
                r#"{"a": 1e400, "b": ["1e400\"", -2e999, 3]}"#,
                json!({"a": "1e400", "b": ["1e400\"", "-2e999", 3]}),
            ),
            ("[1, 2]", json!({})),
            ("null", json!({})),
            ("not json", json!({})),
            ("", json!({})),
        ];
        for (stored, expected) in cases {
            assert_eq!(
                Json::Object(Metadata::from_stored(stored).0),
                expected,
                "{stored}"
            );
        }
    }
}
