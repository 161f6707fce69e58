//! `/graphql`: which transport a request means, and what it is answered; GraphQL over HTTP,
//! <https://graphql.github.io/graphql-over-http/draft/>.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::authentication::{CHALLENGE, sign_in};
use super::body::{self, BodyError};
use super::media::{Accepted, Media, is_json};
use super::request::{self, Requested};
use super::request_id::RequestId;
use super::stream::{self, Framing};
use super::{State, graphiql, replica, websocket};
use crate::auth::{Caller, SignedIn};
use crate::execution::Prepared;
use crate::execution::reply::Reply;
use crate::front::code::Code;
use crate::front::operation::Operation;

/// The methods that the endpoint knows.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// With `1` the replies tell in `extensions.cost` what their operations cost.
pub(super) const COST: &str = "x-graphql-cost";
/// How long a client should wait before it tries again while the database is away.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Answers a request to `/graphql`, whatever it is.
pub(super) async fn graphql(
    Extract(state): Extract<State>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: Request,
) -> Response {
    if websocket::is_asked_for(&request) {
        return websocket::upgrade(state, &request_id, request).await;
    }
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
    let Some(welcome) = Welcome::of(&accepted) else {
        return not_acceptable();
    };
    let query = head.uri.query().unwrap_or_default();
    match request::from_query(query, request_id, shows_cost(&head.headers)) {
        Ok(operation) => respond(state, &head, welcome, Requested::One(operation)).await,
        Err(error) => refused_as(welcome.for_refusals(), StatusCode::BAD_REQUEST, error),
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
    let Some(welcome) = Welcome::of(&Accepted::of(&head.headers)) else {
        body::discard(body);
        return not_acceptable();
    };
    let body = match body::read(body, state.max_body_bytes, state.executor.time_out()).await {
        Ok(body) => body,
        Err(error) => return body_refused(error, &head.headers, state.max_body_bytes),
    };
    let shows_cost = shows_cost(&head.headers);
    match request::from_body(&body, state.max_batch, request_id, shows_cost) {
        Ok(requested) => respond(state, &head, welcome, requested).await,
        Err(error) => refused_as(welcome.for_refusals(), StatusCode::BAD_REQUEST, error),
    }
}

/// Whether the client asks what its operations cost.
pub(super) fn shows_cost(headers: &HeaderMap) -> bool {
    headers.get(COST).is_some_and(|value| value == "1")
}

/// In which types a client may be answered: in one of the two, or in either.
#[derive(Clone, Copy, Debug)]
struct Welcome {
    json: Option<Media>,
    stream: Option<Framing>,
}

impl Welcome {
    fn of(accepted: &Accepted) -> Option<Self> {
        let (json, stream) = (accepted.json(), accepted.stream());
        (json.is_some() || stream.is_some()).then_some(Self { json, stream })
    }

    /// What is no GraphQL request is told in JSON.
    fn for_refusals(self) -> Media {
        self.json.unwrap_or(Media::Json)
    }

    /// What is over with one reply goes as JSON where that is welcome, else as a stream.
    fn answer(self, reply: Reply) -> Response {
        if let Some(code) = reply.failed_for() {
            return turned_away(code, &reply);
        }
        match (self.json, self.stream) {
            (None, Some(framing)) => stream::one(framing, reply),
            (json, _) => {
                let media = json.unwrap_or(Media::Json);
                self::json(status(&reply, media), media, &reply)
            }
        }
    }
}

/// Executes what was asked for, unless its caller has asked for too much of late.
async fn respond(state: &State, head: &Parts, welcome: Welcome, requested: Requested) -> Response {
    let signed_in = sign_in(&state.authenticator, &head.headers).await;
    let address = state.rate_limiter.client(peer(head), &head.headers);
    let allowance = state
        .rate_limiter
        .check(&signed_in.caller, address, requested.operations());
    let allowance = match allowance {
        Ok(allowance) => allowance,
        Err(limited) => {
            state.metrics.count_error(Code::RateLimited.as_str());
            let reply = Reply::refused(Code::RateLimited.error(limited.message()));
            let mut response = turned_away(Code::RateLimited, &reply);
            limited.write(response.headers_mut());
            return response;
        }
    };
    let reads = replica::reads(&head.headers);
    let execute = async {
        match (requested, welcome.json) {
            (Requested::One(operation), _) => {
                execute_one(state, head, welcome, signed_in, operation).await
            }
            (Requested::Batch(operations), Some(media)) => {
                let replies = execute_batch(state, &signed_in.caller, operations).await;
                answer_batch(&replies, media)
            }
            (Requested::Batch(_), None) => not_acceptable(),
        }
    };
    let mut response = reads.scope(execute).await;
    replica::tell_position(&reads, response.headers_mut());
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// Where a request comes from.
pub(super) fn peer(head: &Parts) -> IpAddr {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
        peer.ip()
    })
}

async fn execute_one(
    state: &State,
    head: &Parts,
    welcome: Welcome,
    signed_in: SignedIn,
    operation: Operation,
) -> Response {
    let deadline = state.executor.deadline();
    let prepared = match state.executor.prepare(operation) {
        Ok(prepared) => prepared,
        Err(reply) => return welcome.answer(reply),
    };
    match prepared.kind() {
        OperationType::Mutation if head.method == Method::GET => {
            let error = Code::BadUserInput.error("a mutation has to be sent by POST");
            let reply = prepared.refuse(error);
            let media = welcome.for_refusals();
            let refusal = json(StatusCode::METHOD_NOT_ALLOWED, media, &reply);
            ([(ALLOW, HeaderValue::from_static("POST"))], refusal).into_response()
        }
        OperationType::Query | OperationType::Mutation => {
            let reply = state
                .executor
                .execute(signed_in.caller, prepared, deadline)
                .await;
            welcome.answer(reply)
        }
        OperationType::Subscription => match welcome.stream {
            Some(framing) => subscribe(state, head, framing, signed_in, prepared).await,
            None => welcome.answer(prepared.refuse(Code::BadUserInput.error(
                "a subscription is answered as a stream: accept text/event-stream or multipart/mixed, or open a WebSocket",
            ))),
        },
    }
}

/// Answers with every event as it comes, until the server stops or the caller's token expires.
async fn subscribe(
    state: &State,
    head: &Parts,
    framing: Framing,
    signed_in: SignedIn,
    prepared: Prepared,
) -> Response {
    let last_event_id = head.headers.get("last-event-id");
    let resume_after = last_event_id
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty());
    let caller = signed_in.caller.clone();
    let deliveries = state
        .executor
        .subscribe(caller, prepared, resume_after.map(ToOwned::to_owned))
        .await;
    match deliveries {
        Ok(deliveries) => {
            let stopping = state.stopping.clone();
            let cut = async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = signed_in.expired() => {}
                }
            };
            stream::respond(framing, deliveries, Box::pin(cut))
        }
        Err(reply) => match reply.failed_for() {
            Some(code) => turned_away(code, &reply),
            None => stream::one(framing, reply),
        },
    }
}

/// Executes the operations of a batch in their order, all within the time of one request.
async fn execute_batch(state: &State, caller: &Caller, operations: Vec<Operation>) -> Vec<Reply> {
    let deadline = state.executor.deadline();
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        let reply = match state.executor.prepare(operation) {
            Ok(prepared) if prepared.kind() == OperationType::Subscription => {
                prepared.refuse(Code::BadUserInput.error("a subscription cannot be in a batch"))
            }
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

/// A batch is turned away when every entry is, for the same reason.
fn answer_batch(replies: &[Reply], media: Media) -> Response {
    let code = replies.first().and_then(Reply::failed_for);
    if let Some(code) = code
        && replies.iter().all(|reply| reply.failed_for() == Some(code))
    {
        return turned_away(code, replies);
    }
    let is_refused = |reply: &Reply| status(reply, media) == StatusCode::BAD_REQUEST;
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
    let message = "Accept: allowed are application/graphql-response+json and application/json, and for streams text/event-stream and multipart/mixed";
    refused(
        StatusCode::NOT_ACCEPTABLE,
        Code::BadUserInput.error(message),
    )
}

/// How long a body is that was not read to its end: as the client says, where it does.
fn announced_length(headers: &HeaderMap, max_bytes: usize) -> String {
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::to_str);
    match length {
        Some(Ok(length)) => format!("{length} bytes"),
        _ => format!("more than {max_bytes} bytes"),
    }
}

fn body_refused(error: BodyError, headers: &HeaderMap, max_bytes: usize) -> Response {
    match error {
        BodyError::TooLarge => refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::BadUserInput.error(format!(
                "the body is too large, {}; at most {max_bytes} bytes are allowed (MAX_BODY_BYTES)",
                announced_length(headers, max_bytes)
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
