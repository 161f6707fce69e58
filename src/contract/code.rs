//! The codes of top-level errors, in `extensions.code`.

use async_graphql::{ErrorExtensionValues, ServerError};
use graphql_front::code_of;

/// The code of a top-level error, in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
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
            Self::ValidationFailed => graphql_front::Code::ValidationFailed.as_str(),
            Self::BadUserInput => graphql_front::Code::BadUserInput.as_str(),
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => graphql_front::Code::Forbidden.as_str(),
            Self::RateLimited => "RATE_LIMITED",
            Self::PersistedQueryNotFound => graphql_front::Code::PersistedQueryNotFound.as_str(),
            Self::TooComplex => graphql_front::Code::TooComplex.as_str(),
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }

    /// Whether an error bears this code.
    pub fn is_of(self, error: &ServerError) -> bool {
        code_of(error) == Some(self.as_str())
    }

    /// An error with this code.
    pub fn error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        set_code(&mut error.extensions, self);
        error
    }
}

/// Gives an error its code.
pub(crate) fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: Code) {
    graphql_front::set_code(extensions, code.as_str());
}
