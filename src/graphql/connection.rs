//! Relay connections over the lists, <https://relay.dev/graphql/connections.htm>.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use super::error::Result;
use super::image::Image;
use super::{caller, gallery};
use crate::db::page::{End, Page, Position, Side};
use crate::gallery::{List, Slice};

/// A page of images.
#[derive(Debug)]
pub(super) struct ImageConnection(Arc<Answer>);

/// What a page was asked of, and what was answered.
#[derive(Debug)]
struct Answer {
    list: List,
    page: Page,
    slice: Slice,
}

impl ImageConnection {
    pub(super) fn new(list: List, page: Page, slice: Slice) -> Self {
        Self(Arc::new(Answer { list, page, slice }))
    }
}

/// An image in its place in a list.
#[derive(Debug, SimpleObject)]
pub(super) struct ImageEdge {
    /// Opaque place in the list, for `after` and `before` under the same `orderBy`; it stays good when the image goes.
    cursor: String,
    /// The image.
    node: Image,
}

/// A page of images, and where it lies in the list.
#[Object]
impl ImageConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    async fn edges(&self) -> Vec<ImageEdge> {
        let Answer { page, slice, .. } = &*self.0;
        let edge = |image: &crate::gallery::Image| ImageEdge {
            cursor: page.order.cursor(image).encode(),
            node: Image(image.clone()),
        };
        slice.images.iter().map(edge).collect()
    }

    /// For a single page.
    async fn nodes(&self) -> Vec<Image> {
        self.0.slice.images.iter().cloned().map(Image).collect()
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo(Arc::clone(&self.0))
    }

    /// Rows matching, ignoring pagination. Costs a count only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = gallery(ctx).count(caller(ctx), &self.0.list).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// Where a page lies in its list.
#[derive(Debug)]
pub(super) struct PageInfo(Arc<Answer>);

/// Where a page lies in its list.
#[Object]
impl PageInfo {
    /// Whether the list goes on behind the page, whichever way one pages.
    async fn has_next_page(&self, ctx: &Context<'_>) -> Result<bool> {
        if self.0.slice.has_more && self.0.page.end == End::Front {
            return Ok(true);
        }
        let Some(before) = self.0.page.before else {
            return Ok(false);
        };
        match self.0.last() {
            Some(last) => self.0.has_beyond(ctx, last, Side::After).await,
            None => self.0.has_beyond(ctx, before, Side::FromOn).await,
        }
    }

    /// Whether the list has something before the page, whichever way one pages.
    async fn has_previous_page(&self, ctx: &Context<'_>) -> Result<bool> {
        if self.0.slice.has_more && self.0.page.end == End::Back {
            return Ok(true);
        }
        let Some(after) = self.0.page.after else {
            return Ok(false);
        };
        match self.0.first() {
            Some(first) => self.0.has_beyond(ctx, first, Side::Before).await,
            None => self.0.has_beyond(ctx, after, Side::UpTo).await,
        }
    }

    /// Cursor of the first edge; null on an empty page.
    async fn start_cursor(&self) -> Option<String> {
        let order = self.0.page.order;
        self.0
            .slice
            .images
            .first()
            .map(|image| order.cursor(image).encode())
    }

    /// Cursor of the last edge; null on an empty page.
    async fn end_cursor(&self) -> Option<String> {
        let order = self.0.page.order;
        self.0
            .slice
            .images
            .last()
            .map(|image| order.cursor(image).encode())
    }
}

impl Answer {
    fn first(&self) -> Option<Position> {
        self.slice
            .images
            .first()
            .map(|image| self.page.order.position(image))
    }

    fn last(&self) -> Option<Position> {
        self.slice
            .images
            .last()
            .map(|image| self.page.order.position(image))
    }

    async fn has_beyond(&self, ctx: &Context<'_>, position: Position, side: Side) -> Result<bool> {
        let Self { list, page, .. } = self;
        let found = gallery(ctx).has_beyond(caller(ctx), list, page.order, position, side);
        Ok(found.await?)
    }
}
