//! `trailCursor` is read before all other fields of the request, so a subscription from it misses nothing that happens
//! after the request's lists were read.

use async_graphql::Request;
use async_graphql::parser::types::ExecutableDocument;
use graphql_front::selects_at_root;

use super::error::{Failure, Result};
use crate::auth::Caller;
use crate::gallery::{Gallery, TrailCursor};

/// The end of the trail before the request's fields were resolved.
#[derive(Debug)]
pub(crate) struct TrailEnd(pub(super) Result<TrailCursor>);

impl TrailEnd {
    /// Reads it if a root of the document may select `trailCursor`.
    pub(crate) async fn read_for(
        document: &ExecutableDocument,
        gallery: &Gallery,
        caller: &Caller,
    ) -> Option<Self> {
        if !selects_at_root(document, "trailCursor") {
            return None;
        }
        let cursor = Box::pin(gallery.trail_cursor(caller)).await;
        Some(Self(cursor.map_err(Failure::from)))
    }

    /// Passes it to the resolver.
    pub(crate) fn add_to(end: Option<Self>, request: Request) -> Request {
        match end {
            Some(end) => request.data(end),
            None => request,
        }
    }
}
