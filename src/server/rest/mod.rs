//! The REST calls of the application that this server replaces, at `REST_PATH`. They are another notation for operations of
//! the gallery and have no logic of their own: access, limits and SQL are the same as for GraphQL.

mod call;
mod envelope;
mod handlers;
mod input;
mod lists;
mod openapi;
mod path;
mod refusal;
mod representation;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, any, delete, get, post};

use self::refusal::Rejection;
use super::{State, body};
pub use envelope::Envelope;
pub use path::RestPath;

/// How REST is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form of the answers.
    pub envelope: Envelope,
    /// Where the calls are.
    pub path: RestPath,
}

/// What the calls share.
#[derive(Clone)]
struct Rest {
    state: State,
    options: Arc<Options>,
}

/// The response to a request that its origin may not send.
pub(super) fn forbid(options: &Options, request: Request, reason: String) -> Response {
    body::discard(request.into_body());
    call::respond(options, Err(Rejection::new(StatusCode::FORBIDDEN, reason)))
}

/// The routes, each with and without a slash at its end.
pub(super) fn routes(state: &State, options: &Options) -> Router<State> {
    let mut router = Router::new();
    for (below, methods) in [
        ("", get(lists::list).post(handlers::create)),
        ("/deleted", get(lists::list_deleted)),
        ("/count", get(lists::count)),
        ("/openapi.json", get(handlers::openapi)),
        ("/{id}", get(handlers::find).delete(handlers::soft_delete)),
        ("/{id}/restore", post(handlers::restore)),
        ("/{id}/permanent", delete(handlers::purge)),
    ] {
        let methods: MethodRouter<Rest> = methods.fallback(handlers::method_not_allowed);
        let route = format!("{}{below}", options.path.as_str());
        router = router
            .route(&format!("{route}/"), methods.clone())
            .route(&route, methods);
    }
    let elsewhere = format!("{}/{{id}}/{{*rest}}", options.path.as_str());
    let router = router.route(&elsewhere, any(handlers::not_found));
    router.with_state(Rest {
        state: Arc::clone(state),
        options: Arc::new(options.clone()),
    })
}
