//! Errors that the caller can correct, as data: the list of refusals.

use async_graphql::{Enum, SimpleObject};

use crate::auth::UserIdError;
use crate::cloudinary::url::UrlError;
use crate::gallery::intent::IntentError;
use crate::gallery::{InputError, InputField, Refusal};

/// An error that the caller can correct, as data; everything else is a top-level error with extensions.code.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct UserError {
    /// The error for programs.
    code: UserErrorCode,
    /// What is wrong and what is allowed, for people.
    message: String,
    /// Where in the arguments, e.g. `["input", "imageUrl"]` or `["ids", "3"]`.
    path: Option<Vec<String>>,
}

/// The kinds of errors that a caller can correct.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub(super) enum UserErrorCode {
    /// Not an https URL of an allowed host, or characters that RFC 3986 does not allow; or the URL of another image.
    InvalidImageUrl,
    /// The URL's path contains no UUID.
    UuidNotFound,
    /// The UUID is already stored for another owner.
    ImageIdTaken,
    /// There is no such image that the caller may see, or the id is malformed.
    ImageNotFound,
    /// It is in the trash: restore it first.
    ImageDeleted,
    /// It is active: soft-delete it first, or purge with force.
    ImageNotDeleted,
    /// updatedAt is no longer the one given.
    Conflict,
    /// Not a JSON object, larger than 64 KiB, deeper than 32 levels, or with a number that cannot be stored exactly; or
    /// metadata and metadataPatch were both sent.
    InvalidMetadata,
    /// U+0000, which no database stores; or a blank onceKey.
    InvalidText,
    /// intent and intentLabel contradict each other, OTHER has no label, or the label is blank.
    InvalidIntent,
    /// Blank; or left out by a caller who is not a user.
    InvalidUserId,
    /// A text exceeds its maximum length.
    ValueTooLong,
    /// More than 100 items; nothing was done.
    TooManyItems,
    /// Nothing of this kind was done here, it is too long ago (the trail no longer keeps it), or it is somebody else's.
    OperationNotFound,
    /// Blank, longer than 100 characters or with U+0000; or the image would have more than 50 tags.
    InvalidTag,
}

impl UserError {
    /// An error for the argument at `path`.
    pub(super) fn new(refusal: &Refusal, path: &[&str]) -> Self {
        Self {
            code: code(refusal),
            message: message(refusal),
            path: Some(path.iter().map(|&step| step.to_owned()).collect()),
        }
    }

    /// An error for a field of the input at `path`.
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

/// The field's name in the API.
fn name(field: InputField) -> &'static str {
    match field {
        InputField::Id => "id",
        InputField::UserId => "userId",
        InputField::ImageUrl => "imageUrl",
        InputField::OriginalPrompt => "originalPrompt",
        InputField::RefinedPrompt => "refinedPrompt",
        InputField::IntentLabel => "intentLabel",
        InputField::OnceKey => "onceKey",
        InputField::Metadata => "metadata",
        InputField::MetadataPatch => "metadataPatch",
        InputField::IfUpdatedAt => "ifUpdatedAt",
        InputField::Tags => "tags",
    }
}

/// Such messages are complete sentences and need no field name.
fn speaks_of_the_image(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::IdTaken(_) | Refusal::Deleted(_))
}

/// Uses the API's names.
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
        Refusal::Nul | Refusal::BlankOnceKey | Refusal::UserId(UserIdError::Nul) => {
            UserErrorCode::InvalidText
        }
        Refusal::Intent(_) => UserErrorCode::InvalidIntent,
        Refusal::UserId(UserIdError::Blank) | Refusal::OwnerMissing => UserErrorCode::InvalidUserId,
        Refusal::TooLong { .. } | Refusal::UserId(UserIdError::TooLong(_)) => {
            UserErrorCode::ValueTooLong
        }
        Refusal::TooMany(_) => UserErrorCode::TooManyItems,
        Refusal::OperationNotFound => UserErrorCode::OperationNotFound,
        Refusal::Tag(_) | Refusal::TooManyTags(_) => UserErrorCode::InvalidTag,
    }
}
