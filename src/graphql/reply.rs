//! What came of an operation, and what a transport has to know of it.

use async_graphql::{ServerError, Value};
use serde::Serialize;

use super::error::{Code, code_of};

/// What came of an operation.
#[derive(Debug, Serialize)]
pub struct Reply {
    /// Absent when the request failed before it was executed,
    /// <https://spec.graphql.org/October2021/#sec-Response-Format>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<ServerError>,
}

impl Reply {
    /// A request that failed before it was executed.
    pub fn refused(error: ServerError) -> Self {
        Self {
            data: None,
            errors: vec![error],
        }
    }

    /// A request of whose execution nothing is left.
    pub(super) fn lost(error: ServerError) -> Self {
        Self {
            data: Some(Value::Null),
            errors: vec![error],
        }
    }

    /// Whether the request failed before it was executed.
    pub fn is_refused(&self) -> bool {
        self.data.is_none()
    }

    /// Whether it was refused for this alone.
    pub fn is_refused_for(&self, code: Code) -> bool {
        self.is_refused() && self.errors.iter().all(|error| code.is_of(error))
    }

    /// The code for which nothing came of the request, where it is one that clients and proxies go by: sign in, or try
    /// again later.
    pub fn failed_for(&self) -> Option<Code> {
        let is_empty = match &self.data {
            None | Some(Value::Null) => true,
            Some(Value::Object(fields)) => fields.values().all(|field| *field == Value::Null),
            Some(_) => false,
        };
        let first = code_of(self.errors.first()?)?;
        let code = Code::FOR_TRANSPORTS
            .into_iter()
            .find(|code| code.as_str() == first)?;
        (is_empty && self.errors.iter().all(|error| code.is_of(error))).then_some(code)
    }
}
