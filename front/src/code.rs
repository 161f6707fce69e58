//! Error codes for `extensions.code`.

use async_graphql::{ErrorExtensionValues, ServerError};

/// The code of an error of this crate, in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The document does not parse.
    ParseFailed,
    /// The document is invalid.
    ValidationFailed,
    /// A part of the request is not allowed.
    BadUserInput,
    /// The document is not allowed.
    Forbidden,
    /// The request exceeds a limit.
    TooComplex,
    /// The hash or id of the document is unknown: the client sends the text.
    PersistedQueryNotFound,
}

impl Code {
    /// The value of `extensions.code`.
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

    /// Creates an error with this code.
    pub(crate) fn error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        set_code(&mut error.extensions, self.as_str());
        error
    }
}

/// The error for a document that does not parse, in one line: the location is in `locations`, so the parser's picture of it
/// is omitted.
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

/// Sets the code of an error.
pub fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: &str) {
    extensions.get_or_insert_default().set("code", code);
}
