//! Top-level errors: one list of codes, and what the client reads of each failure.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ServerError};

use crate::auth::Denied;
use crate::{db, gallery};

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
pub(super) fn parse_failed(error: async_graphql::parser::Error) -> ServerError {
    let mut error = ServerError::from(error);
    let reason = error.message.lines().last().unwrap_or_default();
    let reason = reason.trim_start().trim_start_matches("= ");
    error.message = format!("the document does not parse: {reason}");
    set_code(&mut error.extensions, Code::ParseFailed);
    error
}

/// The code that an error bears already.
pub(super) fn code_of(error: &ServerError) -> Option<String> {
    match error.extensions.as_ref()?.get("code")? {
        async_graphql::Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

pub(super) fn set_code(extensions: &mut Option<ErrorExtensionValues>, code: Code) {
    extensions
        .get_or_insert_default()
        .set("code", code.as_str());
}

/// A failed operation on its way to the client. It has no `Display`: the library would make a message of it, and tell
/// the client what only the log should know.
#[derive(Clone, Debug)]
pub struct Failure(Arc<gallery::Error>);

/// What a resolver answers.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An argument is outside what is allowed.
    pub fn bad_input(message: impl Into<String>) -> Self {
        gallery::Error::BadInput(message.into()).into()
    }
}

impl From<gallery::Error> for Failure {
    fn from(error: gallery::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Arc<gallery::Error>> for Failure {
    fn from(error: Arc<gallery::Error>) -> Self {
        Self(error)
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        gallery::Error::Denied(denied).into()
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(Failure(cause): Failure) -> Self {
        let (code, message) = public_face(&cause);
        let mut error = Self::new(message);
        set_code(&mut error.extensions, code);
        // For the log, which `executor` writes once the request is known.
        error.source = Some(cause);
        error
    }
}

/// What the client reads of a failure.
pub(super) fn public_face(error: &gallery::Error) -> (Code, String) {
    match error {
        gallery::Error::BadInput(message) => (Code::BadUserInput, message.clone()),
        gallery::Error::TooManySubscribers => (Code::Unavailable, error.to_string()),
        gallery::Error::TooManyTaken => (Code::RateLimited, error.to_string()),
        gallery::Error::CursorExpired => (Code::CursorExpired, error.to_string()),
        gallery::Error::Denied(denied) => denied_face(denied),
        gallery::Error::Database(error) => database_face(error),
    }
}

fn denied_face(denied: &Denied) -> (Code, String) {
    let code = match denied {
        Denied::Unauthenticated(_) => Code::Unauthenticated,
        Denied::Forbidden(_) => Code::Forbidden,
        Denied::KeysUnavailable => Code::Unavailable,
    };
    (code, denied.to_string())
}

/// What the client reads of a failure of the database: nothing of SQL, hosts or paths.
pub(super) fn database_face(error: &db::Error) -> (Code, String) {
    match error {
        db::Error::Unavailable(_) | db::Error::Refused(_) => (
            Code::Unavailable,
            "the database is not available at the moment; try again".to_owned(),
        ),
        db::Error::MigrationsPending(_) => (
            Code::Unavailable,
            "the database's schema is not up to date yet: its operator has to run `image-gallery migrate up`".to_owned(),
        ),
        db::Error::Timeout => (Code::Timeout, "the database took too long, and the request was given up".to_owned()),
        db::Error::MigrationStopped(_) | db::Error::NoDirectConnection | db::Error::Other(_) => {
            (Code::Internal, "internal server error".to_owned())
        }
    }
}

/// A nullable field that failed is null beside its error; as `Result<Option<T>>` the library would take the parent too.
pub(super) fn nullable<T>(result: Result<Option<T>>) -> Option<async_graphql::Result<T>> {
    result.map_err(Into::into).transpose()
}
