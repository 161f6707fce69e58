//! The JSON object of an image: the stored text, which is returned as it is and parsed only if needed.

use std::borrow::Cow;

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use sqlx::{Row, ValueRef};

use super::json;

/// The text of a JSON object. Anything else that another application stored counts as `{}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata(String);

impl Default for Metadata {
    /// `{}`.
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

impl Metadata {
    /// From an object.
    pub fn of(object: &Map<String, Json>) -> Self {
        serde_json::to_string(object).map_or_else(|_| Self::default(), Self)
    }

    /// From text that is known to be JSON.
    pub fn from_json(text: String) -> Self {
        if text.trim_ascii_start().starts_with('{') {
            return Self(text);
        }
        Self::default()
    }

    /// From arbitrary text.
    pub fn from_stored(text: String) -> Self {
        if serde_json::from_str::<&RawValue>(&text).is_err() {
            return Self::default();
        }
        Self::from_json(text)
    }

    /// Its members. A number that overflows a double is a string.
    pub fn read(&self) -> Map<String, Json> {
        json::read_object(&self.0).unwrap_or_default()
    }

    /// Whether both have the same value.
    pub fn is_same(&self, other: &Self) -> bool {
        json::is_same(self.0.trim_ascii(), other.0.trim_ascii())
    }

    /// The text in a form that every client can parse: a number that overflows a double is a string.
    pub fn readable(&self) -> Cow<'_, str> {
        json::readable(&self.0)
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Metadata> for Value {
    fn from(metadata: Metadata) -> Self {
        Self::Json(Some(Box::new(Json::Object(metadata.read()))))
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
                Json::Object(object) => Ok(Self::of(&object)),
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
            return Ok(text.map_or_else(Self::default, Self::from_stored));
        };
        let raw = row
            .try_get_raw(index.as_sqlx_postgres_index())
            .map_err(unreadable)?;
        if raw.is_null() {
            return Ok(Self::default());
        }
        // Postgres' binary jsonb is its text after a version byte.
        let bytes = raw.as_bytes().map_err(unreadable)?;
        let text = std::str::from_utf8(bytes.get(1..).unwrap_or_default()).map_err(unreadable)?;
        Ok(Self::from_json(text.to_owned()))
    }
}

fn unreadable(error: impl std::fmt::Display) -> TryGetError {
    TryGetError::DbErr(DbErr::Type(format!("metadata: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_kept_as_it_is_stored() {
        for (stored, expected) in [
            (
                r#"{"a": 18446744073709551616, "b": 1e400}"#,
                r#"{"a": 18446744073709551616, "b": 1e400}"#,
            ),
            (
                r#" {"$serde_json::private::RawValue": "1"}"#,
                r#" {"$serde_json::private::RawValue": "1"}"#,
            ),
            ("[1, 2]", "{}"),
            ("null", "{}"),
            ("not json", "{}"),
            ("{'a': 1}", "{}"),
            ("", "{}"),
        ] {
            let metadata = Metadata::from_stored(stored.to_owned());
            assert_eq!(metadata.as_str(), expected, "{stored}");
        }
    }
}
