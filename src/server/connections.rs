//! Accepts and serves connections, with a graceful shutdown.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::service_fn;
use tower::util::ServiceExt;

/// Timeout of a request's headers, and of an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of writing to a client: a stalled subscriber holds resources.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long clients may take to read pending responses at shutdown, after all requests are answered.
pub(super) const FLUSH_TIME: Duration = Duration::from_secs(5);
/// Pause after a failed accept, e.g. without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How long a new connection must send its request at shutdown.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);
/// Size of the listener's backlog.
const BACKLOG: usize = 1024;

/// Serves until `stop` completes, then until the requests in flight are answered, for at most `grace`, and the
/// responses are read. Clients that do not read, e.g. of a stream, get at most [`FLUSH_TIME`].
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> io::Result<()> {
    let stopping = CancellationToken::new();
    let (connections, requests) = (TaskTracker::new(), TaskTracker::new());
    let mut stop = std::pin::pin!(stop);
    let start = |stream, peer| {
        let serving = serve_connection(
            stream,
            peer,
            router.clone(),
            requests.clone(),
            stopping.clone(),
        );
        connections.spawn(serving);
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => start(stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot take connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for (stream, peer) in close(listener) {
        start(stream, peer);
    }
    stopping.cancel();
    connections.close();
    requests.close();
    let patience = async {
        // Requests that are still unanswered are dropped.
        let _ = timeout(grace, requests.wait()).await;
        sleep(FLUSH_TIME).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = patience => tracing::warn!("some clients did not read their responses completely, and were disconnected"),
    }
    Ok(())
}

/// Stops listening and returns the connections in the backlog: their clients may have sent requests, which would be
/// lost with the listener.
fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    // The runtime may not have seen the latest connections yet.
    let listener = match listener.into_std() {
        Ok(listener) => listener,
        Err(error) => {
            tracing::debug!(%error, "cannot check for waiting connections");
            return waiting;
        }
    };
    while waiting.len() < BACKLOG {
        let taken = match listener.accept() {
            Ok((stream, peer)) => into_runtime(stream).map(|stream| (stream, peer)),
            Err(error) => Err(error),
        };
        match taken {
            Ok(connection) => waiting.push(connection),
            Err(error) if is_of_one_connection(&error) => {}
            // The backlog is empty.
            Err(_) => break,
        }
    }
    waiting
}

fn into_runtime(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Serves one connection until the client closes it or, at shutdown, until its current request is answered.
async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    requests: TaskTracker,
    stopping: CancellationToken,
) {
    // Otherwise small responses may wait for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let begun = CancellationToken::new();
    let first = begun.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        first.cancel();
        request.extensions_mut().insert(ConnectInfo(peer));
        requests.track_future(router.clone().oneshot(request.map(Body::new)))
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(service),
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = may_end(&stopping, &begun) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Completes when the connection may end at shutdown. hyper would close it without reading a first request that is on
/// its way.
async fn may_end(stopping: &CancellationToken, begun: &CancellationToken) {
    stopping.cancelled().await;
    // A client that has sent nothing by then has no request.
    let _ = timeout(FIRST_REQUEST_TIME, begun.cancelled()).await;
}

/// The client disconnected before its connection was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
