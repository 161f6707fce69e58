//! The codes of top-level errors, in `extensions.code`.

use async_graphql::{ErrorExtensionValues, ServerError};

/// The code of a top-level error, in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The document is no GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// An argument or a part of the request is outside what is allowed.
    BadUserInput,
    /// It takes a good token.
    Unauthenticated,
    /// The caller is known, and may not.
    Forbidden,
    /// The request is over one of its limits.
    TooComplex,
    /// The trail no longer holds everything behind a cursor.
    CursorExpired,
    /// The caller asks more often than is allowed: retry later.
    RateLimited,
    /// The hash of a document that the server does not know (any more): the client sends the text.
    PersistedQueryNotFound,
    /// It took too long, and was given up.
    Timeout,
    /// The database is away: retry.
    Unavailable,
    /// A fault of the server; `extensions.requestId` finds it in the log.
    Internal,
}

impl Code {
    /// As it stands in `extensions.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::TooComplex => "QUERY_TOO_COMPLEX",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }

    /// Whether an error bears this code.
    pub fn is_of(self, error: &ServerError) -> bool {
        code_of(error).is_some_and(|code| code == self.as_str())
    }

    /// An error with this code.
    pub fn error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        set_code(&mut error.extensions, self);
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
    set_code(&mut error.extensions, Code::ParseFailed);
    error
}

/// The code that an error bears already.
pub(crate) fn code_of(error: &ServerError) -> Option<String> {
    match error.extensions.as_ref()?.get("code")? {
        async_graphql::Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

pub(crate) fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: Code) {
    extensions
        .get_or_insert_default()
        .set("code", code.as_str());
}
