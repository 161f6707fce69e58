//! HTTP: the router, its layers, start and stop. GraphQL is spoken at `endpoint`, and nowhere else is axum.

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

/// What the operator may choose about HTTP.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest body that is read.
    pub max_body_bytes: usize,
    /// The most operations of one request.
    pub max_batch: usize,
    /// The most operations of one socket at a time.
    pub max_socket_operations: usize,
    /// Which browsers' requests are served.
    pub origins: Origins,
    /// Whether a browser gets GraphiQL.
    pub has_graphiql: bool,
    /// How often a caller may ask.
    pub rate: rate_limit::Options,
}

/// What the handlers share; it is cloned for each request.
type State = Arc<Shared>;

struct Shared {
    executor: InstrumentedExecutor,
    metrics: Arc<Metrics>,
    authenticator: Authenticator,
    rate_limiter: RateLimiter,
    gallery: Arc<Gallery>,
    options: Options,
    /// Set once the server stops: subscriptions end then.
    stopping: CancellationToken,
    /// The sockets, which the server waits for at its end.
    sockets: TaskTracker,
}

impl Shared {
    /// Counts operations that a caller is about to send; refused when there are too many.
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

/// How long a page of another origin may remember what it is allowed to send.
const PREFLIGHT_AGE: Duration = Duration::from_hours(1);

/// A server that is bound to its address, but takes no requests yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// How long the requests in flight may take to come to their end.
    grace: Duration,
    stopping: CancellationToken,
    sockets: TaskTracker,
}

impl Server {
    /// Binds the address. Port 0 takes any free one.
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
        // A body may take as long as its execution.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then until the requests in flight are answered.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let stopping = self.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        let sockets = async {
            self.stopping.cancelled().await;
            self.sockets.close();
            // Sockets end by themselves once they are told; one that is stuck is no reason to stay.
            let _ = timeout(self.grace, self.sockets.wait()).await;
        };
        let requests = connections::serve(self.listener, self.router, stop, self.grace);
        let (served, ()) = tokio::join!(requests, sockets);
        served
    }
}

fn router(state: State) -> Router {
    Router::new()
        .route("/graphql", any(endpoint::graphql))
        .route("/graphql/", any(endpoint::graphql))
        .route("/assets/{name}", get(pages::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::method_not_allowed)
        // One layer: the router boxes and clones each for itself.
        .layer((
            from_fn_with_state(Arc::clone(&state), middleware::around_each_request),
            cors(&state.options.origins),
            CatchPanicLayer::custom(panicked),
        ))
        .with_state(state)
}

/// What pages of the listed origins may send, and read of the answer.
fn cors(origins: &Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.listed_headers())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            [request_log::HEADER, "retry-after", replica::POSITION]
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
