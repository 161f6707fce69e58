//! `X-Gallery-Read` and `X-Gallery-Position`: which requests a replica may serve, and what it has to have seen for that.

use axum::http::{HeaderMap, HeaderValue};

use crate::db::{Lsn, ReadPreference};

/// `replica`: this request may be served from the replica.
const READ: &str = "x-gallery-read";
/// Answered with a mutation; sent back with a request, it holds the replica to that mutation.
pub(super) const POSITION: &str = "x-gallery-position";

/// What a request asks of its reads. Where a position cannot be read, the primary serves.
pub(super) fn reads(headers: &HeaderMap) -> ReadPreference {
    let is_replica = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"replica");
    let mut reads = (headers.get_all(READ).iter()).filter(|value| !value.is_empty());
    if !reads.next().is_some_and(is_replica) || !reads.all(is_replica) {
        return ReadPreference::primary();
    }
    let Ok(values) = (headers.get_all(POSITION).iter())
        .map(HeaderValue::to_str)
        .collect::<Result<Vec<_>, _>>()
    else {
        return ReadPreference::primary();
    };
    // There are several after several mutations, in one header or in more: the last position counts.
    let positions = values.iter().flat_map(|value| value.split(','));
    let positions = positions.map(str::trim).filter(|text| !text.is_empty());
    match positions.map(str::parse).collect::<Result<Vec<Lsn>, _>>() {
        Ok(positions) => ReadPreference::replica(positions.into_iter().max()),
        Err(_) => ReadPreference::primary(),
    }
}

/// Says up to where a replica has to be to show what this request has changed.
pub(super) fn tell_position(reads: &ReadPreference, headers: &mut HeaderMap) {
    let position = reads.written().map(|position| position.to_string());
    if let Some(Ok(position)) = position.map(HeaderValue::try_from) {
        headers.insert(POSITION, position);
    }
}
