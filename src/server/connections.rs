//! Connections: taken, served, and at the end let finish what they are at.

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

/// How long a client may take over the head of a request, and how long a connection may be idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to read the next bytes of an answer: one that stands still holds what it follows.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long clients have to read what is left for them once every request is answered and the server stops.
pub(super) const FLUSH_TIME: Duration = Duration::from_secs(5);
/// How long to wait before the next connection when there are no more file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How long a connection that came right before the end has to bring its request.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);
/// How many connections the system takes for a listener before it is asked for them.
const BACKLOG: usize = 1024;

/// Serves until `stop` is done, then until the requests in flight are answered, for `grace` at most, and what was answered
/// is read. A client that does not read, of a stream say, is not waited for longer than [`FLUSH_TIME`].
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
        // Those that are still not answered then are given up.
        let _ = timeout(grace, requests.wait()).await;
        sleep(FLUSH_TIME).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = patience => tracing::warn!("some clients did not read their answers to the end, and were cut off"),
    }
    Ok(())
}

/// Takes no connections from now on, but for those that the system has taken already: their clients may have sent a request,
/// which would be cut off together with the listener.
fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    // The runtime may not know of the latest yet; the system does.
    let listener = match listener.into_std() {
        Ok(listener) => listener,
        Err(error) => {
            tracing::debug!(%error, "cannot look for connections that wait");
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
            // Nobody waits any more.
            Err(_) => break,
        }
    }
    waiting
}

fn into_runtime(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Serves one connection to its end: the client's, or once the server stops, that of the request that it is at.
async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    requests: TaskTracker,
    stopping: CancellationToken,
) {
    // Without it, small answers may wait for the client's acknowledgement.
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

/// Done once the server stops. Of a connection whose first request is still on its way, hyper would not read it.
async fn may_end(stopping: &CancellationToken, begun: &CancellationToken) {
    stopping.cancelled().await;
    // Who has said nothing until then wants nothing.
    let _ = timeout(FIRST_REQUEST_TIME, begun.cancelled()).await;
}

/// The client was gone before its connection was taken.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
