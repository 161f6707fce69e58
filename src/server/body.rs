//! Reading a request's body: so much of it, and not for longer than a request may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

/// How much more than is allowed is read and thrown away, so that a client that is still sending hears the answer: a
/// connection that is closed under it resets, and takes the answer with it.
const DISCARDED_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The client went away, or broke the protocol.
    Broken,
}

/// Reads a body whole.
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

/// Reads a body that nobody wants, while the answer is already on its way.
pub(super) fn discard(body: Body) {
    tokio::spawn(timeout(DISCARD_TIMEOUT, async move {
        let mut body = Limited::new(body, DISCARDED_BYTES);
        while let Some(Ok(_)) = body.frame().await {}
    }));
}
