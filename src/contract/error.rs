//! What the client reads of each failure of the gallery.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::auth::Denied;
use crate::front::code::{Code, set_code};
use crate::{db, gallery};

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

    /// A field shows a column that its query has not read.
    pub fn not_read() -> Self {
        let column = "a field needs a column that was not read".to_owned();
        gallery::Error::from(DbErr::AttrNotSet(column)).into()
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
pub(crate) fn public_face(error: &gallery::Error) -> (Code, String) {
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
pub(crate) fn database_face(error: &db::Error) -> (Code, String) {
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
