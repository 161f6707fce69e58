//! HTTP: the router, its layers, start and shutdown. Only this module uses axum; `endpoint` serves GraphQL.

mod authentication;
mod body;
mod connections;
mod endpoint;
mod graphiql;
mod health;
mod http;
mod media;
mod metrics;
pub mod middleware;
mod pages;
pub mod rate_limit;
mod replica;
mod request;
pub mod rest;
mod stream;
mod websocket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, CorsLayer};

use self::rate_limit::{Allowance, Limited, RateLimiter};
use crate::auth::{Authenticator, Caller};
use crate::contract::code::Code;
use crate::execution::InstrumentedExecutor;
use crate::gallery::Gallery;
use crate::metrics::Metrics;
use middleware::origin::Origins;
use middleware::request_log;

/// HTTP options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Maximum size of a body.
    pub max_body_bytes: usize,
    /// Maximum number of operations in one request.
    pub max_batch: usize,
    /// Maximum number of concurrent operations on one socket.
    pub max_socket_operations: usize,
    /// Which browser requests are allowed.
    pub origins: Origins,
    /// Whether browsers get GraphiQL.
    pub has_graphiql: bool,
    /// The rate limit.
    pub rate: rate_limit::Options,
    /// The REST calls; none if they are off.
    pub rest: Option<rest::Options>,
}

/// State shared by the handlers; cloned for each request.
type State = Arc<Shared>;

struct Shared {
    executor: InstrumentedExecutor,
    metrics: Arc<Metrics>,
    authenticator: Authenticator,
    rate_limiter: RateLimiter,
    gallery: Arc<Gallery>,
    options: Options,
    /// Cancelled when the server stops: subscriptions then end.
    stopping: CancellationToken,
    /// The sockets, which the server waits for at shutdown.
    sockets: TaskTracker,
}

impl Shared {
    /// Where the REST calls are; none if they are off.
    fn rest_path(&self) -> Option<&rest::RestPath> {
        self.options.rest.as_ref().map(|rest| &rest.path)
    }

    /// Counts operations of a caller; fails if there are too many.
    fn check_rate(
        &self,
        caller: &Caller,
        address: IpAddr,
        operations: u32,
    ) -> Result<Option<Allowance>, Limited> {
        (self.rate_limiter.check(caller, address, operations))
            .inspect_err(|_| self.metrics.count_error(Code::RateLimited.as_str()))
    }
}

/// How long browsers may cache a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_hours(1);

/// A server that is bound to its address, but does not accept requests yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// How long the requests in flight may take at shutdown.
    grace: Duration,
    stopping: CancellationToken,
    sockets: TaskTracker,
}

impl Server {
    /// Binds the address. Port 0 picks a free one.
    pub async fn bind(
        address: SocketAddr,
        executor: InstrumentedExecutor,
        metrics: Arc<Metrics>,
        authenticator: Authenticator,
        gallery: Arc<Gallery>,
        options: Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // Reading a body may take as long as executing the operation.
        let grace = 2 * executor.time_out() + Duration::from_secs(1);
        let state = Arc::new(Shared {
            executor,
            metrics,
            authenticator,
            rate_limiter: RateLimiter::new(options.rate.clone()),
            gallery,
            options,
            stopping: CancellationToken::new(),
            sockets: TaskTracker::new(),
        });
        Ok(Self {
            stopping: state.stopping.clone(),
            sockets: state.sockets.clone(),
            listener,
            address,
            router: router(state),
            grace,
        })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` completes, then until the requests in flight are answered.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let stopping = self.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        let sockets = async {
            self.stopping.cancelled().await;
            self.sockets.close();
            // Sockets end on their own after the stop signal; do not wait longer for one that hangs.
            let _ = timeout(self.grace, self.sockets.wait()).await;
        };
        let requests = connections::serve(self.listener, self.router, stop, self.grace);
        let (served, ()) = tokio::join!(requests, sockets);
        served
    }
}

fn router(state: State) -> Router {
    let rest = state.options.rest.as_ref();
    let rest = rest.map(|options| rest::routes(&state, options));
    rest.unwrap_or_default()
        .route("/graphql", any(endpoint::graphql))
        .route("/graphql/", any(endpoint::graphql))
        .route("/assets/{name}", get(pages::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::method_not_allowed)
        // One layer, because the router boxes and clones each one.
        .layer((
            from_fn_with_state(Arc::clone(&state), middleware::around_each_request),
            cors(&state.options.origins),
            CatchPanicLayer::custom(panicked),
        ))
        .with_state(state)
}

/// What pages of the listed origins may send and read.
fn cors(origins: &Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.listed_headers())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            [
                request_log::HEADER,
                "link",
                "retry-after",
                replica::POSITION,
            ]
            .into_iter()
            .chain(rate_limit::HEADERS)
            .map(HeaderName::from_static)
            .collect::<Vec<_>>(),
        )
        .max_age(PREFLIGHT_AGE)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    http::refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::Internal.error("internal server error"),
    )
}
