//! Reads request bodies, with a size limit and a timeout.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

/// How much of an excessive body is read and discarded. If the connection closed while the client is sending, it would
/// be reset and the response lost.
const DISCARDED_BYTES: usize = 64 * 1024 * 1024;
/// Timeout of discarding a body.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// The client disconnected, or violated the protocol.
    Broken,
}

/// Reads a whole body.
pub(super) async fn read(
    mut body: Body,
    max_bytes: usize,
    time_out: Duration,
) -> Result<Bytes, BodyError> {
    let limited = Limited::new(&mut body, max_bytes);
    match timeout(time_out, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            discard(body);
            Err(BodyError::TooLarge)
        }
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_elapsed) => Err(BodyError::TooSlow),
    }
}

/// Reads and discards a body in the background while the response is sent.
pub(super) fn discard(body: Body) {
    tokio::spawn(timeout(DISCARD_TIMEOUT, async move {
        let mut body = Limited::new(body, DISCARDED_BYTES);
        while let Some(Ok(_)) = body.frame().await {}
    }));
}
