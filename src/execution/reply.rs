//! The result of an operation, with the information that transports need.

use async_graphql::{Name, PathSegment, ServerError, Value};
use graphql_front::limits::Cost;
use serde::{Serialize, Serializer};

use crate::contract::code::Code;
use crate::contract::json_text::Written;

/// The result of an operation.
#[derive(Debug, Serialize)]
pub struct Reply {
    /// None if the request failed before execution, <https://spec.graphql.org/October2021/#sec-Response-Format>.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_data")]
    pub(super) data: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<ServerError>,
    /// Additional information that the client requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extensions: Option<Box<Extensions>>,
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn write_data<S: Serializer>(data: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    data.as_ref().map(Written).serialize(serializer)
}

/// Additional information in a reply.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Extensions {
    cost: Cost,
}

/// A reply of a subscription.
#[derive(Debug)]
pub struct StreamItem {
    /// The reply.
    pub reply: Reply,
    /// The cursor to resume from, if it is an event.
    pub cursor: Option<String>,
    /// Whether the subscription has ended.
    pub is_last: bool,
}

impl Reply {
    /// A request that failed before execution.
    pub fn refused(error: ServerError) -> Self {
        Self {
            data: None,
            errors: vec![error],
            extensions: None,
        }
    }

    /// A request that failed as a whole during execution.
    pub(super) fn with_null_data(error: ServerError) -> Self {
        Self {
            data: Some(Value::Null),
            errors: vec![error],
            extensions: None,
        }
    }

    /// Adds the operation's cost, if requested.
    pub(super) fn with_cost(mut self, cost: Option<Cost>) -> Self {
        self.extensions = cost.map(|cost| Box::new(Extensions { cost }));
        self
    }

    /// The operation's cost, if requested.
    pub fn shown_cost(&self) -> Option<Cost> {
        self.extensions.as_ref().map(|extensions| extensions.cost)
    }

    /// Whether the request failed before execution.
    pub fn is_refused(&self) -> bool {
        self.data.is_none()
    }

    /// Whether the reply contains only errors.
    pub(super) fn is_without_data(&self) -> bool {
        matches!(self.data, None | Some(Value::Null))
    }

    /// The errors.
    pub fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// Whether all its errors have this code and it was not executed.
    pub fn is_refused_for(&self, code: Code) -> bool {
        self.is_refused() && self.errors.iter().all(|error| code.is_of(error))
    }

    /// The code of a reply without any data (no root field, or all of them null), if HTTP has a status for it:
    /// authentication, rate limit, unavailable database, timeout.
    pub fn http_error_code(&self) -> Option<Code> {
        [Code::Unauthenticated, Code::RateLimited, Code::Unavailable]
            .into_iter()
            .find(|code| self.has_nothing_for(*code))
    }

    fn has_nothing_for(&self, code: Code) -> bool {
        let is_at_fault = |field: Option<&Name>| {
            self.errors.iter().any(|error| {
                let is_of_field = field.is_none_or(|field| {
                    matches!(error.path.first(), Some(PathSegment::Field(name)) if name == field.as_str())
                });
                is_of_field && code.is_of(error)
            })
        };
        match &self.data {
            None | Some(Value::Null) => {
                is_at_fault(None) && self.errors.iter().all(|error| code.is_of(error))
            }
            Some(Value::Object(fields)) => {
                !fields.is_empty()
                    && fields
                        .iter()
                        .all(|(field, value)| *value == Value::Null && is_at_fault(Some(field)))
            }
            Some(_) => false,
        }
    }
}
