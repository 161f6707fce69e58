//! The codes of errors, in `extensions.code`.

use async_graphql::{ErrorExtensionValues, ServerError};

/// The code of an error that this crate gives, in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The document is no GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// A part of the request is outside what is allowed.
    BadUserInput,
    /// The document may not run.
    Forbidden,
    /// The request is over one of its limits.
    TooComplex,
    /// The hash or id of a document that is not known (any more): the client sends the text.
    PersistedQueryNotFound,
}

impl Code {
    /// As it stands in `extensions.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Forbidden => "FORBIDDEN",
            Self::TooComplex => "QUERY_TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
        }
    }

    /// An error with this code.
    pub(crate) fn error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        set_code(&mut error.extensions, self.as_str());
        error
    }
}

/// A document that is no GraphQL, told in one line: where it is stands in `locations`, and the parser's picture of the
/// place would be a poor one on a line of its own.
pub(crate) fn parse_failed(error: async_graphql::parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    let reason = error.message.lines().last().unwrap_or_default();
    let reason = reason.trim_start().trim_start_matches("= ");
    error.message = format!("the document does not parse: {reason}");
    set_code(&mut error.extensions, Code::ParseFailed.as_str());
    error
}

/// The code of an error, if it has one.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        async_graphql::Value::String(code) => Some(code),
        _ => None,
    }
}

/// Gives an error its code.
pub fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: &str) {
    extensions.get_or_insert_default().set("code", code);
}
