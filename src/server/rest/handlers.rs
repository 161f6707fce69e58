//! The calls on one image, one function each; those on lists are in `lists`.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State as Extract};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Rest;
use super::call::{Answer, Outcome, answer, respond};
use super::input::{NewImage, PathId};
use super::openapi::document;
use super::refusal::Rejection;
use super::representation::{ImageDetail, PurgedImage};
use crate::auth::Caller;
use crate::execution::call::CallLabels;
use crate::gallery::{Columns, Gallery, ImageId, Moved, Refusal};
use crate::server::State;
use crate::server::body::{self, BodyError};
use crate::server::media::{is_compressed, is_json};

/// `POST /`
pub(super) async fn create(Extract(rest): Extract<Rest>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match read_body(&rest.state, &head, body).await {
        Ok(body) => body,
        Err((rejection, is_broken)) => {
            let mut response = respond(&rest.options, Err(rejection));
            if is_broken {
                // Otherwise the rest of the body would be parsed as the next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            return response;
        }
    };
    let read = |_: &Caller| NewImage::read(&body);
    answer(
        &rest,
        &head,
        write("createImage"),
        read,
        |gallery, caller, image| {
            async move {
                let results = gallery.create(caller, vec![image.to_store()]).await?;
                let result = results
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err(Vec::new()));
                match result {
                    Ok(created) => {
                        let (status, message) = if created.is_new {
                            (StatusCode::CREATED, "Image created")
                        } else {
                            (StatusCode::OK, "Image already exists")
                        };
                        let image = ImageDetail::of_row(gallery, caller, created.image).await?;
                        Ok(Ok(Answer::new(status, message, &image)?))
                    }
                    Err(errors) => Ok(Err(Rejection::of_input(&errors))),
                }
            }
            .boxed()
        },
    )
    .await
}

/// `GET /{id}/`, also of an image in the trash.
pub(super) async fn find(
    Extract(rest): Extract<Rest>,
    PathId(id): PathId,
    request: Request,
) -> Response {
    by_id(
        &rest,
        request,
        read("getImage"),
        id,
        |gallery, caller, id| {
            async move {
                let found = gallery.find(caller, &[*id], Columns::ALL).await?;
                let Some(image) = found.into_iter().flatten().next() else {
                    return Ok(Err(Rejection::not_found()));
                };
                let image = ImageDetail::of(gallery, caller, &image).await?;
                Ok(Ok(Answer::new(StatusCode::OK, "Image retrieved", &image)?))
            }
            .boxed()
        },
    )
    .await
}

/// `DELETE /{id}/`: to the trash.
pub(super) async fn soft_delete(
    Extract(rest): Extract<Rest>,
    PathId(id): PathId,
    request: Request,
) -> Response {
    by_id(
        &rest,
        request,
        write("softDeleteImage"),
        id,
        |gallery, caller, id| {
            async move {
                let deleted = gallery.soft_delete(caller, &[*id]).await?;
                let moved = first(deleted.outcomes);
                shown(gallery, caller, moved, |_| Ok("Image deleted")).await
            }
            .boxed()
        },
    )
    .await
}

/// `POST /{id}/restore/`
pub(super) async fn restore(
    Extract(rest): Extract<Rest>,
    PathId(id): PathId,
    request: Request,
) -> Response {
    by_id(
        &rest,
        request,
        write("restoreImage"),
        id,
        |gallery, caller, id| {
            async move {
                let moved = first(gallery.restore(caller, &[*id]).await?);
                shown(gallery, caller, moved, |moved| {
                    if moved.has_changed {
                        Ok("Image restored")
                    } else {
                        Err(Rejection::new(
                            StatusCode::BAD_REQUEST,
                            "Image is not deleted",
                        ))
                    }
                })
                .await
            }
            .boxed()
        },
    )
    .await
}

/// `DELETE /{id}/permanent/`, of an active image too.
pub(super) async fn purge(
    Extract(rest): Extract<Rest>,
    PathId(id): PathId,
    request: Request,
) -> Response {
    by_id(
        &rest,
        request,
        write("purgeImage"),
        id,
        |gallery, caller, id| {
            async move {
                Ok(match first(gallery.purge(caller, &[*id], true).await?) {
                    Ok(purged) if purged.has_changed => {
                        let image_id = purged.id.0.to_string();
                        let purged = PurgedImage { image_id };
                        Ok(Answer::new(
                            StatusCode::OK,
                            "Image permanently deleted",
                            &purged,
                        )?)
                    }
                    Ok(_) => Err(Rejection::not_found()),
                    Err(refusal) => Err(Rejection::of_refusal(&refusal)),
                })
            }
            .boxed()
        },
    )
    .await
}

/// `GET /openapi.json`
pub(super) async fn openapi(Extract(rest): Extract<Rest>, request: Request) -> Response {
    drop(request);
    match document(&rest.options).to_json() {
        Ok(json) => ([(CONTENT_TYPE, "application/json; charset=utf-8")], json).into_response(),
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document cannot be written");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            respond(
                &rest.options,
                Err(Rejection::new(status, "internal server error")),
            )
        }
    }
}

/// An unknown path below `REST_PATH`.
pub(super) async fn not_found(Extract(rest): Extract<Rest>, request: Request) -> Response {
    refused(
        &rest,
        request,
        StatusCode::NOT_FOUND,
        "There is nothing at this path",
    )
}

/// A method that a path does not have; the router adds `Allow`.
pub(super) async fn method_not_allowed(Extract(rest): Extract<Rest>, request: Request) -> Response {
    let message = "This path does not have this method";
    refused(&rest, request, StatusCode::METHOD_NOT_ALLOWED, message)
}

/// The labels of a call that changes nothing.
pub(super) fn read(name: &'static str) -> CallLabels {
    CallLabels {
        name,
        is_write: false,
    }
}

fn write(name: &'static str) -> CallLabels {
    CallLabels {
        name,
        is_write: true,
    }
}

/// A call about one image.
async fn by_id(
    rest: &Rest,
    request: Request,
    labels: CallLabels,
    id: Option<ImageId>,
    run: impl for<'c> Fn(&'c Gallery, &'c Caller, &'c Option<ImageId>) -> BoxFuture<'c, Outcome>
    + Send
    + Sync,
) -> Response {
    let head = head_of(request);
    answer(rest, &head, labels, |_| Ok(id), run).await
}

/// The head of a request whose body is ignored.
pub(super) fn head_of(request: Request) -> Parts {
    let (head, body) = request.into_parts();
    if !body.is_end_stream() {
        body::discard(body);
    }
    head
}

fn refused(rest: &Rest, request: Request, status: StatusCode, message: &str) -> Response {
    head_of(request);
    respond(&rest.options, Err(Rejection::new(status, message)))
}

/// The one result of a call for one image.
fn first<T>(results: Vec<Result<T, Refusal>>) -> Result<T, Refusal> {
    results.into_iter().next().unwrap_or(Err(Refusal::NotFound))
}

async fn shown(
    gallery: &Gallery,
    caller: &Caller,
    moved: Result<Moved, Refusal>,
    message: impl FnOnce(&Moved) -> Result<&'static str, Rejection>,
) -> Outcome {
    let moved = match moved {
        Ok(moved) => moved,
        Err(refusal) => return Ok(Err(Rejection::of_refusal(&refusal))),
    };
    let message = match message(&moved) {
        Ok(message) => message,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let image = ImageDetail::of_row(gallery, caller, moved.image).await?;
    Ok(Ok(Answer::new(StatusCode::OK, message, &image)?))
}

/// The body of a request, or why it was not read, and whether the connection must be closed.
async fn read_body(state: &State, head: &Parts, body: Body) -> Result<Bytes, (Rejection, bool)> {
    // Browsers send other types across origins without a preflight.
    if !is_json(&head.headers) || is_compressed(&head.headers) {
        body::discard(body);
        let message =
            "The body must be JSON in UTF-8, with `Content-Type: application/json`, not compressed";
        return Err((
            Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message),
            false,
        ));
    }
    let max_bytes = state.options.max_body_bytes;
    let read = body::read(body, max_bytes, state.executor.time_out()).await;
    read.map_err(|error| match error {
        BodyError::TooLarge => {
            let message = format!(
                "The body is too large; at most {max_bytes} bytes are allowed (MAX_BODY_BYTES)"
            );
            (
                Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, message),
                false,
            )
        }
        BodyError::TooSlow => {
            let message = "The body did not arrive in time (REQUEST_TIMEOUT_SECONDS)";
            (Rejection::new(StatusCode::REQUEST_TIMEOUT, message), true)
        }
        BodyError::Broken => {
            let message = "The body could not be read";
            (Rejection::new(StatusCode::BAD_REQUEST, message), false)
        }
    })
}
