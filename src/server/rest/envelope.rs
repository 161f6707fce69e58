//! The two formats of a response: that of the replaced application's manual, and that of its code.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::server::http::json;
use crate::server::media::Media;

/// What is wrong with each field or parameter.
pub(super) type FieldErrors = BTreeMap<&'static str, Vec<String>>;

/// The form of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"success": true, "data": …, "message": …}`
    Success,
    /// `{"code": 1000, "message": …, "result": …}`, and `9999` for errors.
    Code,
}

/// A result with `success`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Successful<T> {
    /// Always true.
    success: bool,
    /// The result.
    data: T,
    /// What was done.
    message: String,
}

/// An error with `success`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuccessError {
    /// Always false.
    success: bool,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    data: (),
    /// What is wrong.
    message: String,
    /// What is wrong with each field or parameter.
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    #[schema(required = false, value_type = BTreeMap<String, Vec<String>>)]
    errors: FieldErrors,
}

/// A result with `code`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Coded<T> {
    /// Always 1000.
    #[schema(example = 1000)]
    code: u16,
    /// What was done.
    message: String,
    /// The result.
    result: T,
}

/// An error with `code`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodedError {
    /// Always 9999.
    #[schema(example = 9999)]
    code: u16,
    /// What is wrong.
    message: String,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    result: (),
    /// What is wrong with each field or parameter.
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    #[schema(required = false, value_type = BTreeMap<String, Vec<String>>)]
    errors: FieldErrors,
}

impl Envelope {
    /// An answer with a result.
    pub(super) fn result(self, status: StatusCode, message: &str, result: &RawValue) -> Response {
        let message = message.to_owned();
        match self {
            Self::Success => {
                let body = Successful {
                    success: true,
                    data: result,
                    message,
                };
                json(status, Media::Json, &body)
            }
            Self::Code => {
                let body = Coded {
                    code: 1000,
                    message,
                    result,
                };
                json(status, Media::Json, &body)
            }
        }
    }

    /// An error.
    pub(super) fn error(
        self,
        status: StatusCode,
        message: impl Into<String>,
        errors: FieldErrors,
    ) -> Response {
        let message = message.into();
        match self {
            Self::Success => {
                let body = SuccessError {
                    success: false,
                    data: (),
                    message,
                    errors,
                };
                json(status, Media::Json, &body)
            }
            Self::Code => {
                let body = CodedError {
                    code: 9999,
                    message,
                    result: (),
                    errors,
                };
                json(status, Media::Json, &body)
            }
        }
    }
}
