//! One REST call from request to response: authentication, rate limit and parameters; then the gallery, then the
//! envelope.

use axum::http::header::{LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::envelope::FieldErrors;
use super::refusal::Rejection;
use super::{Options, Rest};
use crate::auth::Caller;
use crate::execution::call::CallLabels;
use crate::gallery;
use crate::server::authentication::{CHALLENGE, sign_in};
use crate::server::http::peer;
use crate::server::replica;

/// How many seconds a client should wait while the server is unavailable.
const UNAVAILABLE_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// How many seconds a user should wait who has tried too many ids of other owners. Requests over the rate limit have a header of
/// their own.
const PROBING_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    message: &'static str,
    result: Box<RawValue>,
    /// The query string of the next page.
    next: Option<String>,
}

impl Answer {
    /// An answer with a result.
    pub(super) fn new(
        status: StatusCode,
        message: &'static str,
        result: &impl Serialize,
    ) -> Result<Self, gallery::Error> {
        let unwritable = |error: serde_json::Error| sea_orm::DbErr::Json(error.to_string());
        Ok(Self {
            status,
            message,
            result: to_raw_value(result).map_err(unwritable)?,
            next: None,
        })
    }

    /// With a link to the next page.
    pub(super) fn with_next(self, next: Option<String>) -> Self {
        Self { next, ..self }
    }
}

/// The gallery's result of a call.
pub(super) type Outcome = Result<Result<Answer, Rejection>, gallery::Error>;

/// Parses a call and runs it. `run` may be called twice.
pub(super) async fn answer<Q: Send + Sync>(
    rest: &Rest,
    head: &Parts,
    labels: CallLabels,
    read: impl FnOnce(&Caller) -> Result<Q, FieldErrors>,
    run: impl for<'c> Fn(&'c gallery::Gallery, &'c Caller, &'c Q) -> BoxFuture<'c, Outcome>
    + Send
    + Sync,
) -> Response {
    let Rest { state, options } = rest;
    let caller = sign_in(&state.authenticator, &head.headers).await.caller;
    let address = state.rate_limiter.client(peer(head), &head.headers);
    let allowance = match state.check_rate(&caller, address, 1) {
        Ok(allowance) => allowance,
        Err(limited) => {
            let rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, limited.message());
            let mut response = respond(options, Err(rejection));
            limited.write(response.headers_mut());
            return response;
        }
    };
    let reads = replica::reads(&head.headers);
    let call = async {
        // A caller without access does not learn about other errors in the request.
        if let Err(denied) = caller.require_access() {
            let deny = || std::future::ready(Err(denied.clone().into())).boxed();
            return match state.executor.call(&caller, labels, &deny).await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(Rejection::of_call(error)),
            };
        }
        let query = read(&caller).map_err(|errors| {
            state.executor.refuse_call(&caller, labels);
            Rejection::of_fields(errors)
        })?;
        let work = || run(&state.gallery, &caller, &query);
        let outcome = state.executor.call(&caller, labels, &work).await;
        outcome.unwrap_or_else(|error| Err(Rejection::of_call(error)))
    };
    let mut response = respond(options, reads.scope(call).await);
    replica::write_position(&reads, response.headers_mut());
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// Wraps an outcome in the envelope.
pub(super) fn respond(options: &Options, outcome: Result<Answer, Rejection>) -> Response {
    match outcome {
        Ok(answer) => {
            let result = &answer.result;
            let mut response = options
                .envelope
                .result(answer.status, answer.message, result);
            // Relative to the request's own path, which a proxy may have changed.
            let link = answer.next.map(|next| format!("<?{next}>; rel=\"next\""));
            if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
                response.headers_mut().insert(LINK, link);
            }
            response
        }
        Err(rejection) => {
            let Rejection {
                status,
                message,
                errors,
            } = rejection;
            let mut response = options.envelope.error(status, message, errors);
            let headers = response.headers_mut();
            match status {
                StatusCode::UNAUTHORIZED => {
                    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
                }
                StatusCode::SERVICE_UNAVAILABLE => {
                    headers.insert(RETRY_AFTER, UNAVAILABLE_SECONDS);
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    headers.insert(RETRY_AFTER, PROBING_SECONDS);
                }
                _ => {}
            }
            response
        }
    }
}
