//! HTTP: the router, its layers, start and stop. GraphQL is spoken at `endpoint`, and nowhere else is axum.

mod endpoint;
mod graphiql;
mod health;
mod pages;
mod request_id;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use crate::gallery::Gallery;
use crate::graphql::executor::Executor;

/// What the operator may choose about HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest body that is read.
    pub max_body_bytes: usize,
    /// Whether a browser gets GraphiQL.
    pub has_graphiql: bool,
}

/// What the handlers share.
#[derive(Clone)]
struct State {
    executor: Executor,
    gallery: Arc<Gallery>,
    has_graphiql: bool,
}

/// A server that is bound to its address, but takes no requests yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Server {
    /// Binds the address. Port 0 takes any free one.
    pub async fn bind(
        address: SocketAddr,
        executor: Executor,
        gallery: Arc<Gallery>,
        options: &Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = State {
            executor,
            gallery,
            has_graphiql: options.has_graphiql,
        };
        Ok(Self {
            listener,
            address,
            router: router(state, options),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then until the requests in flight are answered.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(stop)
            .await
    }
}

fn router(state: State, options: &Options) -> Router {
    Router::new()
        .route(
            "/graphql",
            get(graphiql::handle_get)
                .post(endpoint::post)
                .fallback(endpoint::method_not_allowed),
        )
        .route("/assets/{name}", get(pages::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .layer(DefaultBodyLimit::max(options.max_body_bytes))
        .layer(CatchPanicLayer::new())
        .layer(axum::middleware::from_fn(request_id::name_request))
        .with_state(state)
}
