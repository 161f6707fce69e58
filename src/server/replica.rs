//! `X-Gallery-Read` and `X-Gallery-Position`: which requests a replica may serve, and what it has to have seen for that.

use axum::http::{HeaderMap, HeaderValue};

use crate::db::{Position, Reads};

/// `replica`: this request may be served from the replica.
const READ: &str = "x-gallery-read";
/// Answered with a mutation; sent back with a request, it holds the replica to that mutation.
pub(super) const POSITION: &str = "x-gallery-position";

/// What a request wants of its reads. What is no position the replica cannot have reached: the primary serves.
pub(super) fn reads(headers: &HeaderMap) -> Reads {
    let is_replica = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"replica");
    if !headers.get(READ).is_some_and(is_replica) {
        return Reads::primary();
    }
    // Several come of several mutations: the last of them counts.
    let positions = headers.get_all(POSITION).iter();
    let positions = positions.map(|value| value.to_str().ok()?.parse::<Position>().ok());
    match positions.collect::<Option<Vec<_>>>() {
        Some(positions) => Reads::replica(positions.into_iter().max()),
        None => Reads::primary(),
    }
}

/// Says up to where a replica has to be to show what this request has changed.
pub(super) fn tell_position(reads: &Reads, headers: &mut HeaderMap) {
    let position = reads.written().map(|position| position.to_string());
    if let Some(Ok(position)) = position.map(HeaderValue::try_from) {
        headers.insert(POSITION, position);
    }
}
