//! Relay connections over the lists, <https://relay.dev/graphql/connections.htm>.

use std::fmt::Debug;
use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use async_trait::async_trait;

use super::error::Result;
use super::image::Image;
use super::immediate::{Immediate, Ready};
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
    images: Vec<Immediate<Image>>,
    has_more: bool,
}

impl ImageConnection {
    pub(super) fn new(list: List, page: Page, slice: Slice) -> Self {
        Self(Arc::new(Answer {
            list,
            page,
            images: slice
                .images
                .into_iter()
                .map(|image| Immediate(image.into()))
                .collect(),
            has_more: slice.has_more,
        }))
    }
}

/// An image in its place in a list.
#[derive(Debug, SimpleObject)]
pub(super) struct ImageEdge {
    /// Opaque place in the list, for `after` and `before` under the same `orderBy`; it stays good when the image goes.
    cursor: String,
    /// The image.
    node: Immediate<Image>,
}

impl Ready for ImageEdge {
    const OBJECTS: &'static [&'static str] = &["node"];
}

/// A page of images, and where it lies in the list.
#[Object]
impl ImageConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    async fn edges(&self) -> Vec<Immediate<ImageEdge>> {
        let Answer { page, images, .. } = &*self.0;
        let edge = |image: &Immediate<Image>| {
            Immediate(ImageEdge {
                cursor: page.order.cursor(&image.0.0).encode(),
                node: image.clone(),
            })
        };
        images.iter().map(edge).collect()
    }

    /// For a single page.
    async fn nodes(&self) -> &[Immediate<Image>] {
        &self.0.images
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        let answer: Arc<Answer> = Arc::clone(&self.0);
        PageInfo(answer)
    }

    /// Rows matching, ignoring pagination. Costs a count only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = gallery(ctx).count(caller(ctx), &self.0.list).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A page of a list, as far as [`PageInfo`] asks.
#[async_trait]
pub(super) trait Paged: Debug + Send + Sync {
    /// The end that the page was taken from, where something was found beyond the other one.
    fn cut_from(&self) -> Option<End>;
    /// Whether the list has something behind the page; asks the database.
    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool>;
    /// Whether the list has something before the page; asks the database.
    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool>;
    /// Cursor of the first edge.
    fn start_cursor(&self) -> Option<String>;
    /// Cursor of the last edge.
    fn end_cursor(&self) -> Option<String>;
}

/// Where a page lies in its list.
#[derive(Debug)]
pub(super) struct PageInfo(pub(super) Arc<dyn Paged>);

/// Where a page lies in its list.
#[Object]
impl PageInfo {
    /// Whether the list goes on behind the page, whichever way one pages.
    async fn has_next_page(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.cut_from() == Some(End::Front) || self.0.has_more_behind(ctx).await?)
    }

    /// Whether the list has something before the page, whichever way one pages.
    async fn has_previous_page(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.cut_from() == Some(End::Back) || self.0.has_more_before(ctx).await?)
    }

    /// Cursor of the first edge; null on an empty page.
    async fn start_cursor(&self) -> Option<String> {
        self.0.start_cursor()
    }

    /// Cursor of the last edge; null on an empty page.
    async fn end_cursor(&self) -> Option<String> {
        self.0.end_cursor()
    }
}

#[async_trait]
impl Paged for Answer {
    fn cut_from(&self) -> Option<End> {
        self.has_more.then_some(self.page.end)
    }

    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool> {
        let Some(before) = self.page.before else {
            return Ok(false);
        };
        match self.images.last() {
            Some(last) => {
                let last = self.page.order.position(&last.0.0);
                self.has_beyond(ctx, last, Side::After).await
            }
            None => self.has_beyond(ctx, before, Side::FromOn).await,
        }
    }

    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool> {
        let Some(after) = self.page.after else {
            return Ok(false);
        };
        match self.images.first() {
            Some(first) => {
                let first = self.page.order.position(&first.0.0);
                self.has_beyond(ctx, first, Side::Before).await
            }
            None => self.has_beyond(ctx, after, Side::UpTo).await,
        }
    }

    fn start_cursor(&self) -> Option<String> {
        self.images.first().map(|image| self.cursor(image))
    }

    fn end_cursor(&self) -> Option<String> {
        self.images.last().map(|image| self.cursor(image))
    }
}

impl Answer {
    fn cursor(&self, image: &Image) -> String {
        self.page.order.cursor(&image.0).encode()
    }

    async fn has_beyond(&self, ctx: &Context<'_>, position: Position, side: Side) -> Result<bool> {
        let Self { list, page, .. } = self;
        let found = gallery(ctx).has_beyond(caller(ctx), list, page.order, position, side);
        Ok(found.await?)
    }
}
