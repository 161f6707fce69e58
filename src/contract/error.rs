//! Translates the gallery's errors for the client.

use std::sync::Arc;

use sea_orm::DbErr;

use super::code::{Code, set_code};
use crate::auth::Denied;
use crate::gallery::{ArgumentError, MAX_DAYS, MAX_ROWS, MAX_TAGS};
use crate::{db, gallery};

/// A failed operation, to be returned to the client. It has no `Display`, because the library would use that as the
/// message and expose internals.
#[derive(Clone, Debug)]
pub struct Failure(Cause);

#[derive(Clone, Debug)]
enum Cause {
    /// An argument that was rejected before the gallery was called; the message says what is allowed.
    BadInput(String),
    Gallery(Arc<gallery::Error>),
}

/// The result of a resolver.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An argument is outside the allowed values.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self(Cause::BadInput(message.into()))
    }

    /// A field needs a column that its query did not read.
    pub fn not_read() -> Self {
        let column = "a field needs a column that was not read".to_owned();
        gallery::Error::from(DbErr::AttrNotSet(column)).into()
    }
}

impl From<gallery::Error> for Failure {
    fn from(error: gallery::Error) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<gallery::Error>> for Failure {
    fn from(error: Arc<gallery::Error>) -> Self {
        Self(Cause::Gallery(error))
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        gallery::Error::Denied(denied).into()
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(Failure(cause): Failure) -> Self {
        let (code, message) = match &cause {
            Cause::BadInput(message) => (Code::BadUserInput, message.clone()),
            Cause::Gallery(error) => client_error(error),
        };
        let mut error = Self::new(message);
        set_code(&mut error.extensions, code);
        if let Cause::Gallery(error_of_gallery) = cause {
            // Logged by `execution`, which knows the request.
            error.source = Some(error_of_gallery);
        }
        error
    }
}

/// The client's code and message for an error.
pub(crate) fn client_error(error: &gallery::Error) -> (Code, String) {
    match error {
        gallery::Error::Argument(error) => (Code::BadUserInput, argument_message(error)),
        gallery::Error::TooManySubscribers => (Code::Unavailable, error.to_string()),
        gallery::Error::TooManyTaken => (Code::RateLimited, error.to_string()),
        gallery::Error::CursorExpired => (
            Code::CursorExpired,
            format!("{error}: reload the lists, and continue from trailCursor"),
        ),
        gallery::Error::Denied(denied) => denied_error(denied),
        gallery::Error::Database(error) => database_error(error),
    }
}

fn denied_error(denied: &Denied) -> (Code, String) {
    match denied {
        Denied::Unauthenticated(_) => (Code::Unauthenticated, denied.to_string()),
        Denied::Forbidden(_) => (Code::Forbidden, denied.to_string()),
        Denied::AnotherOwner => (
            Code::Forbidden,
            format!("userId: {denied}; leave it out, or send your own"),
        ),
        Denied::EveryOwner => (
            Code::Forbidden,
            "all: true requires a service token; leave it out for your own images".to_owned(),
        ),
        Denied::KeysUnavailable => (Code::Unavailable, denied.to_string()),
    }
}

/// Uses the API's names.
fn argument_message(error: &ArgumentError) -> String {
    match error {
        ArgumentError::NulInLabel => {
            "filter.intentLabels contains U+0000, which is not allowed".to_owned()
        }
        ArgumentError::TooManyLabels { given, maximum } => format!(
            "filter.intentLabels has {given} different labels; at most {maximum} are allowed"
        ),
        ArgumentError::Metadata(refusal) => format!("filter.metadataContains {refusal}"),
        ArgumentError::TooManyContainers { given, maximum } => format!(
            "filter.metadataContains has {given} objects and arrays within; at most {maximum} are allowed"
        ),
        ArgumentError::OwnerAndEverybody => {
            "userId and all: true cannot be given together; send one of them".to_owned()
        }
        ArgumentError::NoOwner => {
            "userId is missing: send it, or all: true for everybody's images".to_owned()
        }
        ArgumentError::NoCondition => {
            "filter has no condition, so it would hold of every image; send at least one".to_owned()
        }
        ArgumentError::NoTagOwner => {
            "userId is missing: send it, since the caller has no tags of their own".to_owned()
        }
        ArgumentError::Days(days) => format!("days: {days} is not in 1 to {MAX_DAYS}"),
        ArgumentError::NulInKey => {
            "a key of the metadata contains U+0000, which is not allowed".to_owned()
        }
        ArgumentError::TooManyKeys { given, maximum } => format!(
            "filter.metadataHasKeys or filter.metadataNumbers has {given} entries; at most {maximum} are allowed"
        ),
        ArgumentError::NoBounds(place) => format!(
            "filter.metadataNumbers[{place}] has neither min nor max; send at least one of them"
        ),
        ArgumentError::NulInTag => "a tag contains U+0000, which is not allowed".to_owned(),
        ArgumentError::TooManyTags(given) => format!(
            "filter.tagsAll, filter.tagsAny or filter.tagsNone has {given} different tags; at most {MAX_TAGS} are allowed"
        ),
        ArgumentError::Rows(first) => format!("first: {first} is not in 1 to {MAX_ROWS}"),
    }
}

/// The client's code and message for a database error, without SQL, hosts or paths.
pub(crate) fn database_error(error: &db::Error) -> (Code, String) {
    match error {
        db::Error::Unavailable(_) | db::Error::Refused(_) => (
            Code::Unavailable,
            "the database is not available at the moment; try again".to_owned(),
        ),
        db::Error::MigrationsPending(_) => (
            Code::Unavailable,
            "the database's schema is not up to date: the operator must run `image-gallery migrate up`".to_owned(),
        ),
        db::Error::Timeout => (Code::Timeout, "the database took too long, and the request was cancelled".to_owned()),
        db::Error::MigrationStopped(_) | db::Error::NoDirectConnection | db::Error::Other(_) => {
            (Code::Internal, "internal server error".to_owned())
        }
    }
}

/// Makes a failed nullable field null, with an error. With `Result<Option<T>>` the library would null the parent too.
pub(super) fn nullable<T>(result: Result<Option<T>>) -> Option<async_graphql::Result<T>> {
    result.map_err(Into::into).transpose()
}
