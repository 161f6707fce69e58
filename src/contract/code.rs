//! The codes of top-level errors, in `extensions.code`.

use async_graphql::{ErrorExtensionValues, ServerError};
use graphql_front::code_of;

/// The code of a top-level error, in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The document does not match the schema.
    ValidationFailed,
    /// An argument or a part of the request is invalid.
    BadUserInput,
    /// A valid token is required.
    Unauthenticated,
    /// The caller is authenticated, but not authorised.
    Forbidden,
    /// The request exceeds a limit.
    TooComplex,
    /// The trail no longer has all events after a cursor.
    CursorExpired,
    /// The caller exceeded the rate limit: retry later.
    RateLimited,
    /// The server does not know the hash of a document (any more): the client sends the text.
    PersistedQueryNotFound,
    /// A timeout.
    Timeout,
    /// The database is unavailable: retry.
    Unavailable,
    /// An internal error; `extensions.requestId` identifies it in the log.
    Internal,
}

impl Code {
    /// The value of `extensions.code`.
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

    /// Whether an error has this code.
    pub fn is_of(self, error: &ServerError) -> bool {
        code_of(error) == Some(self.as_str())
    }

    /// Creates an error with this code.
    pub fn error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        set_code(&mut error.extensions, self);
        error
    }
}

/// Sets the code of an error.
pub(crate) fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: Code) {
    graphql_front::set_code(extensions, code.as_str());
}
