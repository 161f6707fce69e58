//! Why a call is refused: status, message and fields, in REST's names.

use axum::http::StatusCode;

use super::envelope::FieldErrors;
use super::input::WHOLE;
use crate::auth::Denied;
use crate::contract::code::Code;
use crate::execution::call::CallError;
use crate::gallery::{InputError, InputField, Refusal};

/// An error and its status.
#[derive(Clone, Debug)]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) errors: FieldErrors,
}

impl Rejection {
    /// An error that concerns no field.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: FieldErrors::new(),
        }
    }

    /// Invalid fields or parameters; the message names the first.
    pub(super) fn of_fields(errors: FieldErrors) -> Self {
        let first = errors.iter().find_map(|(field, messages)| {
            let message = messages.first()?;
            Some(if *field == WHOLE {
                message.clone()
            } else {
                format!("{field}: {message}")
            })
        });
        Self {
            status: StatusCode::BAD_REQUEST,
            message: first.unwrap_or_else(|| "the request is invalid".to_owned()),
            errors,
        }
    }

    /// An image that was refused.
    pub(super) fn of_refusal(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound => return Self::not_found(),
            Refusal::IdTaken(_) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.to_string())
    }

    /// There is no such image, or the caller may not see it.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Image not found")
    }

    /// An input that was refused.
    pub(super) fn of_input(input_errors: &[InputError]) -> Self {
        let mut errors = FieldErrors::new();
        for error in input_errors {
            if matches!(error.refusal, Refusal::IdTaken(_)) {
                return Self::of_refusal(&error.refusal);
            }
            let messages = errors.entry(field(error.field)).or_default();
            messages.push(error.refusal.to_string());
        }
        Self::of_fields(errors)
    }

    /// A call that has no result.
    pub(super) fn of_call(error: CallError) -> Self {
        let status = match error.code {
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable | Code::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let message = match &error.denied {
            Some(denied @ Denied::AnotherOwner) => format!("user_id: {denied}; send your own"),
            _ => error.message,
        };
        Self::new(status, message)
    }
}

fn field(field: InputField) -> &'static str {
    match field {
        InputField::Id => "image_id",
        InputField::UserId => "user_id",
        InputField::ImageUrl => "image_url",
        InputField::OriginalPrompt => "original_prompt",
        InputField::RefinedPrompt => "refined_prompt",
        InputField::IntentLabel => "intent",
        InputField::Metadata => "metadata",
        // Of inputs that REST does not have.
        _ => WHOLE,
    }
}
