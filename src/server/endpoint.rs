//! `/graphql`: which transport a request means, and what it is answered; GraphQL over HTTP,
//! <https://graphql.github.io/graphql-over-http/draft/>.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::authentication::{CHALLENGE, sign_in};
use super::body::{self, BodyError};
use super::media::{Accepted, Media, is_json};
use super::request::{self, Requested};
use super::request_id::RequestId;
use super::{State, graphiql};
use crate::auth::Caller;
use crate::graphql::error::Code;
use crate::graphql::operation::Operation;
use crate::graphql::reply::Reply;

/// The methods that the endpoint knows.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// How long a client should wait before it tries again while the database is away.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Answers a request to `/graphql`, whatever it is.
pub(super) async fn graphql(
    Extract(state): Extract<State>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: Request,
) -> Response {
    match *request.method() {
        Method::POST => post(&state, &request_id, request).await,
        Method::GET => get(&state, &request_id, request.into_parts().0).await,
        Method::OPTIONS => (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]).into_response(),
        _ => method_not_allowed(
            request,
            METHODS,
            "send operations by POST, or queries by GET",
        ),
    }
}

async fn get(state: &State, request_id: &str, head: Parts) -> Response {
    let accepted = Accepted::of(&head.headers);
    if state.has_graphiql && accepted.prefers_page() {
        return graphiql::page();
    }
    let Some(media) = accepted.json() else {
        return not_acceptable();
    };
    let query = head.uri.query().unwrap_or_default();
    match request::from_query(query, request_id) {
        Ok(operation) => respond(state, &head, media, Requested::One(operation)).await,
        Err(error) => refused_as(media, StatusCode::BAD_REQUEST, error),
    }
}

async fn post(state: &State, request_id: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    // Any other type a page of another origin could send without asking first.
    if !content_type.is_some_and(is_json) || head.headers.contains_key("content-encoding") {
        return unread(
            body,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON in UTF-8, with `Content-Type: application/json`, not compressed",
        );
    }
    let Some(media) = Accepted::of(&head.headers).json() else {
        body::discard(body);
        return not_acceptable();
    };
    let body = match body::read(body, state.max_body_bytes, state.executor.time_out()).await {
        Ok(body) => body,
        Err(error) => return body_refused(error, state.max_body_bytes),
    };
    match request::from_body(&body, state.max_batch, request_id) {
        Ok(requested) => respond(state, &head, media, requested).await,
        Err(error) => refused_as(media, StatusCode::BAD_REQUEST, error),
    }
}

/// Executes what was asked for, unless its caller has asked for too much of late.
async fn respond(state: &State, head: &Parts, media: Media, requested: Requested) -> Response {
    let caller = sign_in(&state.authenticator, &head.headers).await.caller;
    let allowance =
        state
            .rate_limiter
            .check(&caller, peer(head), &head.headers, requested.operations());
    let allowance = match allowance {
        Ok(allowance) => allowance,
        Err(limited) => {
            let reply = Reply::refused(Code::RateLimited.error(limited.message()));
            let mut response = answer(&reply, media);
            limited.write(response.headers_mut());
            return response;
        }
    };
    let mut response = match requested {
        Requested::One(operation) => execute_one(state, head, media, caller, operation).await,
        Requested::Batch(operations) => {
            answer_batch(&execute_batch(state, &caller, operations).await, media)
        }
    };
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// Where a request comes from.
fn peer(head: &Parts) -> IpAddr {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
        peer.ip()
    })
}

async fn execute_one(
    state: &State,
    head: &Parts,
    media: Media,
    caller: Caller,
    operation: Operation,
) -> Response {
    let deadline = state.executor.deadline();
    match state.executor.prepare(operation) {
        Ok(prepared)
            if prepared.kind() == OperationType::Mutation && head.method == Method::GET =>
        {
            let error = Code::BadUserInput.error("a mutation has to be sent by POST");
            let refusal = refused_as(media, StatusCode::METHOD_NOT_ALLOWED, error);
            ([(ALLOW, HeaderValue::from_static("POST"))], refusal).into_response()
        }
        Ok(prepared) => {
            let reply = state.executor.execute(caller, prepared, deadline);
            answer(&reply.await, media)
        }
        Err(reply) => answer(&reply, media),
    }
}

/// Executes the operations of a batch in their order, all within the time of one request.
async fn execute_batch(state: &State, caller: &Caller, operations: Vec<Operation>) -> Vec<Reply> {
    let deadline = state.executor.deadline();
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        let reply = match state.executor.prepare(operation) {
            Ok(prepared) => {
                let reply = state.executor.execute(caller.clone(), prepared, deadline);
                reply.await
            }
            Err(reply) => reply,
        };
        replies.push(reply);
    }
    replies
}

fn answer(reply: &Reply, media: Media) -> Response {
    match reply.failed_for() {
        Some(code) => turned_away(code, reply),
        None => json(status(reply, media), media, reply),
    }
}

/// A batch is turned away when every entry is, for the same reason.
fn answer_batch(replies: &[Reply], media: Media) -> Response {
    let code = replies.first().and_then(Reply::failed_for);
    if let Some(code) = code
        && replies.iter().all(|reply| reply.failed_for() == Some(code))
    {
        return turned_away(code, replies);
    }
    let is_refused = |reply| status(reply, media) == StatusCode::BAD_REQUEST;
    let status = if replies.iter().all(is_refused) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    json(status, media, replies)
}

/// In plain JSON every well-formed request is a success; in the newer type only one that was executed, or that is asked
/// to send its document along.
fn status(reply: &Reply, media: Media) -> StatusCode {
    let is_bad = media == Media::GraphqlResponse
        && reply.is_refused()
        && !reply.is_refused_for(Code::PersistedQueryNotFound);
    if is_bad {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    }
}

/// Clients and proxies go by the status, whatever they accept.
fn turned_away(code: Code, body: &(impl Serialize + ?Sized)) -> Response {
    let status = match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let answer = json(status, Media::Json, body);
    if code == Code::Unauthenticated {
        return ([(WWW_AUTHENTICATE, CHALLENGE)], answer).into_response();
    }
    ([(RETRY_AFTER, RETRY_AFTER_SECONDS)], answer).into_response()
}

fn json(status: StatusCode, media: Media, body: &(impl Serialize + ?Sized)) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(CONTENT_TYPE, media.content_type())], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A request that did not get as far as to be an operation.
pub(super) fn refused(status: StatusCode, error: ServerError) -> Response {
    refused_as(Media::Json, status, error)
}

fn refused_as(media: Media, status: StatusCode, error: ServerError) -> Response {
    json(status, media, &Reply::refused(error))
}

/// A request whose body is of no use; its client hears that while it is still sending.
fn unread(body: Body, status: StatusCode, message: &str) -> Response {
    body::discard(body);
    refused(status, Code::BadUserInput.error(message))
}

fn method_not_allowed(request: Request, allowed: HeaderValue, message: &str) -> Response {
    let refusal = unread(request.into_body(), StatusCode::METHOD_NOT_ALLOWED, message);
    ([(ALLOW, allowed)], refusal).into_response()
}

fn not_acceptable() -> Response {
    let message = "Accept: allowed are application/graphql-response+json and application/json";
    refused(
        StatusCode::NOT_ACCEPTABLE,
        Code::BadUserInput.error(message),
    )
}

fn body_refused(error: BodyError, max_bytes: usize) -> Response {
    match error {
        BodyError::TooLarge => refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::BadUserInput.error(format!(
                "the body is too large; at most {max_bytes} bytes are allowed (MAX_BODY_BYTES)"
            )),
        ),
        BodyError::TooSlow => {
            let error = Code::Timeout.error(
                "the body did not come in time, and the request was given up (REQUEST_TIMEOUT_SECONDS)",
            );
            let refusal = refused(StatusCode::REQUEST_TIMEOUT, error);
            // The rest of the body would be taken for the next request.
            ([(CONNECTION, HeaderValue::from_static("close"))], refusal).into_response()
        }
        BodyError::Broken => refused(
            StatusCode::BAD_REQUEST,
            Code::BadUserInput.error("the body could not be read"),
        ),
    }
}
