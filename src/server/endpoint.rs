//! `POST /graphql`: GraphQL over HTTP, <https://graphql.github.io/graphql-over-http/draft/>.

use std::net::SocketAddr;

use async_graphql::{ServerError, Variables};
use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State as Extract};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::State;
use super::authentication::{CHALLENGE, sign_in};
use super::request_id::RequestId;
use crate::graphql::error::Code;
use crate::graphql::executor::{Operation, Reply};

/// How long a client should wait before it tries again while the database is away.
const RETRY_AFTER_SECONDS: &str = "1";

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "extensions")]
    _extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Executes one operation.
pub(super) async fn post(
    Extract(state): Extract<State>,
    Extension(request_id): Extension<RequestId>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Any other type a page of another origin could send without asking first.
    if !is_json(&headers) {
        return refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON, with `Content-Type: application/json`",
        );
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is larger than MAX_BODY_BYTES allows",
            );
        }
        Err(_) => return refused(StatusCode::BAD_REQUEST, "the body could not be read"),
    };
    let operation = match parse(&body, request_id) {
        Ok(operation) => operation,
        Err(message) => return refused(StatusCode::BAD_REQUEST, &message),
    };
    let signed_in = sign_in(&state.authenticator, &headers).await;
    let caller = signed_in.caller;
    let allowance = match state.rate_limiter.check(&caller, peer.ip(), &headers, 1) {
        Ok(allowance) => allowance,
        Err(limited) => {
            let error = Code::RateLimited.error(limited.message());
            let mut response = answer(Reply::refused(error));
            limited.write(response.headers_mut());
            return response;
        }
    };
    let mut response = answer(state.executor.execute(caller, operation).await);
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// Anything but GET and POST.
pub(super) async fn method_not_allowed() -> Response {
    let response = refused(StatusCode::METHOD_NOT_ALLOWED, "send operations by POST");
    ([(ALLOW, "GET, POST")], response).into_response()
}

fn parse(body: &[u8], RequestId(request_id): RequestId) -> Result<Operation, String> {
    // A list of the fields' values would do for serde as well.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is not a GraphQL request: it has to be a JSON object".to_owned());
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not a GraphQL request: {error}"))?;
    let query = body.query.ok_or("the body has no `query`")?;
    let variables = serde_json::Value::Object(body.variables.unwrap_or_default());
    Ok(Operation {
        query,
        operation_name: body.operation_name,
        variables: Variables::from_json(variables),
        request_id,
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn answer(reply: Reply) -> Response {
    let retry_after = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
    match reply.failed_for() {
        Some(Code::Unavailable) => {
            (StatusCode::SERVICE_UNAVAILABLE, retry_after, Json(reply)).into_response()
        }
        Some(Code::RateLimited) => {
            (StatusCode::TOO_MANY_REQUESTS, retry_after, Json(reply)).into_response()
        }
        Some(Code::Unauthenticated) => {
            let challenge = [(WWW_AUTHENTICATE, CHALLENGE)];
            (StatusCode::UNAUTHORIZED, challenge, Json(reply)).into_response()
        }
        _ => Json(reply).into_response(),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    let error: ServerError = Code::BadUserInput.error(message);
    (status, Json(Reply::refused(error))).into_response()
}
