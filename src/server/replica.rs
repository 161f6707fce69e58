//! `X-Gallery-Read` and `X-Gallery-Position`: which requests may use a replica, and what it must have replayed.

use axum::http::{HeaderMap, HeaderValue};

use crate::db::{Lsn, ReadPreference};

/// `replica`: this request may be served by the replica.
const READ: &str = "x-gallery-read";
/// Returned by mutations; in a request, it requires the replica to have replayed that mutation.
pub(super) const POSITION: &str = "x-gallery-position";

/// The read preference of a request. An invalid position selects the primary.
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
    // After several mutations there may be several, in one or more headers: the greatest position counts.
    let positions = values.iter().flat_map(|value| value.split(','));
    let positions = positions.map(str::trim).filter(|text| !text.is_empty());
    match positions.map(str::parse).collect::<Result<Vec<Lsn>, _>>() {
        Ok(positions) => ReadPreference::replica(positions.into_iter().max()),
        Err(_) => ReadPreference::primary(),
    }
}

/// Reports the position that a replica must have replayed to show this request's changes.
pub(super) fn write_position(reads: &ReadPreference, headers: &mut HeaderMap) {
    let position = reads.written().map(|position| position.to_string());
    if let Some(Ok(position)) = position.map(HeaderValue::try_from) {
        headers.insert(POSITION, position);
    }
}
