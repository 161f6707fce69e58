//! `/graphql`: selects the transport and the response of a request; GraphQL over HTTP,
//! <https://graphql.github.io/graphql-over-http/draft/>.

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::Extension;
use axum::extract::{Request, State as Extract};
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::FutureExt;
use serde::Serialize;

use super::authentication::{CHALLENGE, sign_in};
use super::body::{self, BodyError};
use super::http::{GRAPHQL, GRAPHQL_METHODS, json, peer, refused, refused_as, shows_cost, unread};
use super::media::{Accepted, Media, is_compressed, is_json};
use super::request::{self, Requested};
use super::stream::{self, Framing};
use super::{State, graphiql, replica, websocket};
use crate::auth::{Caller, SignedIn};
use crate::contract::code::Code;
use crate::execution::OperationRequest;
use crate::execution::Prepared;
use crate::execution::reply::Reply;
use crate::telemetry::RequestId;

/// `Retry-After` while the database is unavailable.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Handles all requests to `/graphql`. Its larger parts are in boxes, because the router and the middleware move the
/// state of this function several times.
pub(super) async fn graphql(
    Extract(state): Extract<State>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    if websocket::is_asked_for(&request) {
        return websocket::upgrade(state, request_id, request).boxed().await;
    }
    let mut response = match *request.method() {
        Method::POST => post(&state, request_id, request).boxed().await,
        Method::GET => {
            get(&state, request_id, request.into_parts().0)
                .boxed()
                .await
        }
        _ => return method_not_allowed(request),
    };
    (response.headers_mut()).append(VARY, HeaderValue::from_static("Accept"));
    response
}

async fn get(state: &State, request_id: RequestId, head: Parts) -> Response {
    let accepted = Accepted::of(&head.headers);
    if state.options.has_graphiql && accepted.prefers_page() {
        // The page's scripts have relative URLs.
        if head.uri.path() != GRAPHQL {
            return Redirect::permanent("../graphql").into_response();
        }
        return graphiql::page();
    }
    let Some(formats) = ResponseFormats::of(&accepted) else {
        return not_acceptable();
    };
    let query = head.uri.query().unwrap_or_default();
    match request::from_query(query, request_id, shows_cost(&head.headers)) {
        Ok(operation) => respond(state, &head, formats, Requested::One(operation)).await,
        Err(error) => refused_as(formats.for_refusals(), StatusCode::BAD_REQUEST, error),
    }
}

async fn post(state: &State, request_id: RequestId, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // Browsers send other types across origins without a preflight.
    if !is_json(&head.headers) || is_compressed(&head.headers) {
        return unread(
            body,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON in UTF-8, with `Content-Type: application/json`, not compressed",
        );
    }
    let Some(formats) = ResponseFormats::of(&Accepted::of(&head.headers)) else {
        body::discard(body);
        return not_acceptable();
    };
    let body = match body::read(
        body,
        state.options.max_body_bytes,
        state.executor.time_out(),
    )
    .await
    {
        Ok(body) => body,
        Err(error) => return body_refused(error, &head.headers, state.options.max_body_bytes),
    };
    let shows_cost = shows_cost(&head.headers);
    match request::from_body(&body, state.options.max_batch, request_id, shows_cost) {
        Ok(requested) => respond(state, &head, formats, requested).await,
        Err(error) => refused_as(formats.for_refusals(), StatusCode::BAD_REQUEST, error),
    }
}

/// The response types that a client accepts: one of the two, or both.
#[derive(Clone, Copy, Debug)]
struct ResponseFormats {
    json: Option<Media>,
    stream: Option<Framing>,
}

impl ResponseFormats {
    fn of(accepted: &Accepted) -> Option<Self> {
        let (json, stream) = (accepted.json(), accepted.stream());
        (json.is_some() || stream.is_some()).then_some(Self { json, stream })
    }

    /// For requests that are not GraphQL: always JSON.
    fn for_refusals(self) -> Media {
        self.json.unwrap_or(Media::Json)
    }

    /// Sends a single reply as JSON if accepted, else as a stream.
    fn answer(self, reply: Reply) -> Response {
        if let Some(code) = reply.http_error_code() {
            return error_response(code, &reply);
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

/// Executes the operation, subject to the rate limit.
async fn respond(
    state: &State,
    head: &Parts,
    formats: ResponseFormats,
    requested: Requested,
) -> Response {
    let signed_in = sign_in(&state.authenticator, &head.headers).await;
    let address = state.rate_limiter.client(peer(head), &head.headers);
    let allowance = state.check_rate(&signed_in.caller, address, requested.operations());
    let allowance = match allowance {
        Ok(allowance) => allowance,
        Err(limited) => {
            let mut response = error_response(Code::RateLimited, &limited.reply());
            limited.write(response.headers_mut());
            return response;
        }
    };
    let reads = replica::reads(&head.headers);
    let execute = async {
        match (requested, formats.json) {
            (Requested::One(operation), _) => {
                execute_one(state, head, formats, signed_in, operation).await
            }
            (Requested::Batch(operations), Some(media)) => {
                let caller = &signed_in.caller;
                let replies = execute_batch(state, caller, operations).boxed().await;
                answer_batch(&replies, media)
            }
            (Requested::Batch(_), None) => not_acceptable(),
        }
    };
    let mut response = reads.scope(execute.boxed()).await;
    replica::write_position(&reads, response.headers_mut());
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

async fn execute_one(
    state: &State,
    head: &Parts,
    formats: ResponseFormats,
    signed_in: SignedIn,
    operation: OperationRequest,
) -> Response {
    let deadline = state.executor.deadline();
    let is_get = head.method == Method::GET;
    let by_post = || Code::BadUserInput.error("a mutation must be sent by POST");
    let prepared = match state.executor.prepare(operation) {
        Ok(prepared) => prepared,
        // This error has priority over all others.
        Err(refused) if is_get && refused.operation_type == Some(OperationType::Mutation) => {
            return mutation_by_get(formats, &refused.replaced_by(by_post()));
        }
        Err(refused) => return formats.answer(refused.reply),
    };
    match prepared.operation_type() {
        OperationType::Mutation if is_get => {
            mutation_by_get(formats, &prepared.refuse(by_post()))
        }
        OperationType::Query | OperationType::Mutation => {
            let reply = state
                .executor
                .execute(signed_in.caller, prepared, deadline)
                .await;
            formats.answer(reply)
        }
        OperationType::Subscription => match formats.stream {
            Some(framing) => subscribe(state, head, framing, signed_in, prepared).boxed().await,
            None => formats.answer(prepared.refuse(Code::BadUserInput.error(
                "a subscription is answered as a stream: accept text/event-stream or multipart/mixed, or open a WebSocket",
            ))),
        },
    }
}

fn mutation_by_get(formats: ResponseFormats, reply: &Reply) -> Response {
    let media = formats.for_refusals();
    let refusal = json(StatusCode::METHOD_NOT_ALLOWED, media, reply);
    ([(ALLOW, HeaderValue::from_static("POST"))], refusal).into_response()
}

/// Streams events until the server stops or the caller's token expires.
async fn subscribe(
    state: &State,
    head: &Parts,
    framing: Framing,
    signed_in: SignedIn,
    prepared: Prepared,
) -> Response {
    let resume_after = match last_event_id(&head.headers) {
        Ok(id) => id,
        Err(error) => return stream::one(framing, prepared.refuse(error)),
    };
    let caller = signed_in.caller.clone();
    let items = state
        .executor
        .subscribe(caller, prepared, resume_after)
        .await;
    match items {
        Ok(items) => {
            let stopping = state.stopping.clone();
            let cut = async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = signed_in.expired() => {}
                }
            };
            stream::respond(framing, items, Box::pin(cut))
        }
        Err(reply) => match reply.http_error_code() {
            Some(code) => error_response(code, &reply),
            None => stream::one(framing, reply),
        },
    }
}

/// The id of the last event that the client received. One that is not text is an invalid cursor.
fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, ServerError> {
    let values = headers.get_all("last-event-id").iter();
    let mut ids: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .filter(|id| !id.is_empty())
        .collect();
    ids.dedup();
    if ids.len() > 1 {
        return Err(Code::BadUserInput.error("Last-Event-ID: is given more than once"));
    }
    Ok(ids.pop())
}

/// Executes the operations of a batch in order, within the timeout of one request.
async fn execute_batch(
    state: &State,
    caller: &Caller,
    operations: Vec<OperationRequest>,
) -> Vec<Reply> {
    let deadline = state.executor.deadline();
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        let reply = match state.executor.prepare(operation) {
            Ok(prepared) if prepared.operation_type() == OperationType::Subscription => {
                prepared.refuse(Code::BadUserInput.error("a subscription cannot be in a batch"))
            }
            Ok(prepared) => {
                let reply = state.executor.execute(caller.clone(), prepared, deadline);
                reply.await
            }
            Err(refused) => refused.reply,
        };
        replies.push(reply);
    }
    replies
}

/// A batch has an error status if all its entries have the same one.
fn answer_batch(replies: &[Reply], media: Media) -> Response {
    let code = replies.first().and_then(Reply::http_error_code);
    if let Some(code) = code
        && replies
            .iter()
            .all(|reply| reply.http_error_code() == Some(code))
    {
        return error_response(code, replies);
    }
    let is_refused = |reply: &Reply| status(reply, media) == StatusCode::BAD_REQUEST;
    let status = if replies.iter().all(is_refused) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    json(status, media, replies)
}

/// In plain JSON every well-formed request has status 200; in the newer type only an executed one, or one whose client
/// must send the document of a persisted query.
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

/// A response with an error status, for all clients and proxies.
fn error_response(code: Code, body: &(impl Serialize + ?Sized)) -> Response {
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

fn method_not_allowed(request: Request) -> Response {
    let refusal = unread(
        request.into_body(),
        StatusCode::METHOD_NOT_ALLOWED,
        "send operations by POST, or queries by GET",
    );
    ([(ALLOW, GRAPHQL_METHODS)], refusal).into_response()
}

fn not_acceptable() -> Response {
    let message = "Accept: allowed are application/graphql-response+json and application/json, and for streams text/event-stream and multipart/mixed";
    refused(
        StatusCode::NOT_ACCEPTABLE,
        Code::BadUserInput.error(message),
    )
}

/// The length of a body that was not fully read: the announced one, if any.
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
                "the body did not arrive in time, and the request was cancelled (REQUEST_TIMEOUT_SECONDS)",
            );
            let refusal = refused(StatusCode::REQUEST_TIMEOUT, error);
            // Otherwise the rest of the body would be parsed as the next request.
            ([(CONNECTION, HeaderValue::from_static("close"))], refusal).into_response()
        }
        BodyError::Broken => refused(
            StatusCode::BAD_REQUEST,
            Code::BadUserInput.error("the body could not be read"),
        ),
    }
}
