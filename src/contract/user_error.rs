//! What a caller can mend, as data: the catalogue of refusals.

use async_graphql::{Enum, SimpleObject};

use crate::auth::UserIdError;
use crate::cloudinary::url::UrlError;
use crate::gallery::intent::IntentError;
use crate::gallery::{InputError, InputField, Refusal};

/// What a caller can mend, as data; everything else is a top-level error with extensions.code.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct UserError {
    /// What is wrong, for programs.
    code: UserErrorCode,
    /// What is wrong and what is allowed, for people.
    message: String,
    /// Where in the arguments, e.g. `["input", "imageUrl"]` or `["ids", "3"]`.
    path: Option<Vec<String>>,
}

/// The kinds of things that a caller can mend.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub(super) enum UserErrorCode {
    /// It is no https URL of an allowed host, or holds what RFC 3986 does not allow; or it is another image's.
    InvalidImageUrl,
    /// The URL's path holds no UUID.
    UuidNotFound,
    /// The UUID is already stored for another owner.
    ImageIdTaken,
    /// There is no such image that the caller may see; or the id is malformed.
    ImageNotFound,
    /// It is in the trash: restore it first.
    ImageDeleted,
    /// It is active: soft-delete it first, or purge with force.
    ImageNotDeleted,
    /// updatedAt is no longer the one given.
    Conflict,
    /// It is not a JSON object, larger than 64 KiB, deeper than 32 levels, or holds a number that cannot be kept
    /// exactly; or metadata and metadataPatch came together.
    InvalidMetadata,
    /// U+0000, which no database stores.
    InvalidText,
    /// intent and intentLabel contradict each other, or OTHER stands without a label, or the label is blank.
    InvalidIntent,
    /// It is blank; or it is left out, and the caller is nobody in particular.
    InvalidUserId,
    /// A text is longer than it may be.
    ValueTooLong,
    /// More than 100 items; nothing was done.
    TooManyItems,
}

impl UserError {
    /// A refusal of what stands at `path`.
    pub(super) fn new(refusal: &Refusal, path: &[&str]) -> Self {
        Self {
            code: code(refusal),
            message: message(refusal),
            path: Some(path.iter().map(|&step| step.to_owned()).collect()),
        }
    }

    /// A refusal of a field of the input that stands at `path`.
    pub(super) fn of_input(fault: &InputError, path: &[&str]) -> Self {
        let field = name(fault.field);
        let path: Vec<&str> = path.iter().copied().chain([field]).collect();
        let error = Self::new(&fault.refusal, &path);
        if speaks_of_the_image(&fault.refusal) {
            return error;
        }
        Self {
            message: format!("{field}: {}", error.message),
            ..error
        }
    }
}

/// As the API names it.
fn name(field: InputField) -> &'static str {
    match field {
        InputField::Id => "id",
        InputField::UserId => "userId",
        InputField::ImageUrl => "imageUrl",
        InputField::OriginalPrompt => "originalPrompt",
        InputField::RefinedPrompt => "refinedPrompt",
        InputField::IntentLabel => "intentLabel",
        InputField::Metadata => "metadata",
        InputField::MetadataPatch => "metadataPatch",
        InputField::IfUpdatedAt => "ifUpdatedAt",
    }
}

/// Such a message is a sentence without the field's name before it.
fn speaks_of_the_image(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::IdTaken(_) | Refusal::Deleted(_))
}

/// In the API's own names.
fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Intent(IntentError::LabelMissing) => {
            "intent OTHER needs an intentLabel".to_owned()
        }
        Refusal::Intent(IntentError::BlankLabel) => {
            "intentLabel must not be blank; leave it out, or send null, for none".to_owned()
        }
        Refusal::Intent(IntentError::Contradiction(label)) => {
            format!("intent and intentLabel `{label}` contradict each other; send one of them")
        }
        Refusal::Conflict(image) => {
            format!(
                "the image has changed: its updatedAt is {}",
                image.updated_at
            )
        }
        refusal => refusal.to_string(),
    }
}

fn code(refusal: &Refusal) -> UserErrorCode {
    match refusal {
        Refusal::ImageUrl(UrlError::UuidNotFound) => UserErrorCode::UuidNotFound,
        Refusal::ImageUrl(_) | Refusal::AnotherAsset(_) => UserErrorCode::InvalidImageUrl,
        Refusal::IdTaken(_) => UserErrorCode::ImageIdTaken,
        Refusal::NotFound => UserErrorCode::ImageNotFound,
        Refusal::Deleted(_) => UserErrorCode::ImageDeleted,
        Refusal::NotDeleted => UserErrorCode::ImageNotDeleted,
        Refusal::Conflict(_) => UserErrorCode::Conflict,
        Refusal::Metadata(_) => UserErrorCode::InvalidMetadata,
        Refusal::Nul | Refusal::UserId(UserIdError::Nul) => UserErrorCode::InvalidText,
        Refusal::Intent(_) => UserErrorCode::InvalidIntent,
        Refusal::UserId(UserIdError::Blank) | Refusal::OwnerMissing => UserErrorCode::InvalidUserId,
        Refusal::TooLong { .. } | Refusal::UserId(UserIdError::TooLong(_)) => {
            UserErrorCode::ValueTooLong
        }
        Refusal::TooMany(_) => UserErrorCode::TooManyItems,
    }
}
