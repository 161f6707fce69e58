//! Relay connections over the lists, <https://relay.dev/graphql/connections.htm>.

use std::fmt::Debug;
use std::sync::Arc;

use async_graphql::{Context, Description, Object, SelectionField, SimpleObject};
use async_trait::async_trait;

use super::budget::count_rows;
use super::error::{Failure, Result};
use super::image::{Image, columns};
use super::immediate::{Immediate, List, Ready};
use super::page::PageArguments;
use super::{caller, gallery};
use crate::gallery::{self, Columns, End, ListCursor, Order, Page, Parts, Side, Slice, SortKey};

/// A page of images, and its position in the list.
#[derive(Debug, Description)]
pub(super) struct ImageConnection(Arc<PageResult>);

/// The requested page and its result.
#[derive(Debug)]
struct PageResult {
    list: gallery::List,
    page: Page,
    images: Vec<Image>,
    slice: Slice,
}

impl ImageConnection {
    /// What to read for the selected fields of a connection.
    fn parts(connection: SelectionField<'_>) -> Parts {
        let mut parts = Parts {
            columns: Columns::KEY,
            total_count: false,
            has_before: false,
            has_behind: false,
        };
        for field in connection.selection_set() {
            match field.name() {
                "nodes" => parts.columns = parts.columns.and(columns(field)),
                "edges" => {
                    let nodes = field.selection_set().filter(|field| field.name() == "node");
                    parts.columns = nodes.map(columns).fold(parts.columns, Columns::and);
                }
                "totalCount" => parts.total_count = true,
                "pageInfo" => {
                    for field in field.selection_set() {
                        parts.has_before |= field.name() == "hasPreviousPage";
                        parts.has_behind |= field.name() == "hasNextPage";
                    }
                }
                _ => {}
            }
        }
        parts
    }

    /// Reads the page described by the arguments.
    pub(super) async fn read(
        ctx: &Context<'_>,
        list: gallery::List,
        order: Order,
        arguments: &PageArguments,
    ) -> Result<Self> {
        let page = arguments.page(order)?;
        let parts = Self::parts(ctx.field());
        let slice = gallery(ctx).list(caller(ctx), &list, &page, parts).await?;
        count_rows(ctx, &slice.images);
        Ok(Self::new(list, page, slice))
    }

    fn new(list: gallery::List, page: Page, mut slice: Slice) -> Self {
        let images = std::mem::take(&mut slice.images).into_iter();
        Self(Arc::new(PageResult {
            list,
            page,
            images: Image::list(images.map(Arc::new)),
            slice,
        }))
    }
}

/// An image and its position in a list.
#[derive(Debug, SimpleObject)]
pub(super) struct ImageEdge {
    /// Opaque position in the list, for `after` and `before` with the same `orderBy`; stays valid when the image is
    /// deleted.
    cursor: String,
    /// The image.
    node: Immediate<Image>,
}

impl Ready for ImageEdge {
    const OBJECTS: &'static [&'static str] = &["node"];
}

#[Object(use_type_description)]
impl ImageConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    fn edges(&self) -> Result<List<Vec<ImageEdge>>> {
        let edge = |image: &Image| {
            let cursor = self.0.cursor(image).ok_or_else(Failure::not_read)?;
            let node = Immediate(image.clone());
            Ok(ImageEdge { cursor, node })
        };
        let edges: Result<_> = self.0.images.iter().map(edge).collect();
        edges.map(List)
    }

    /// For a single page.
    async fn nodes(&self) -> List<&[Image]> {
        List(&self.0.images)
    }

    /// The page's position in the list.
    async fn page_info(&self) -> PageInfo {
        let answer: Arc<PageResult> = Arc::clone(&self.0);
        PageInfo(answer)
    }

    /// Rows matching, ignoring pagination. Costs a count only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = match self.0.slice.total_count {
            Some(count) => count,
            // The page is empty.
            None => Box::pin(gallery(ctx).count(caller(ctx), &self.0.list)).await?,
        };
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A page of a list, as [`PageInfo`] sees it.
#[async_trait]
pub(super) trait Paged: Debug + Send + Sync {
    /// The end that the page was read from, if there are more items beyond its other end.
    fn cut_from(&self) -> Option<End>;
    /// Whether the list has items after the page; queries the database.
    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool>;
    /// Whether the list has items before the page; queries the database.
    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool>;
    /// Cursor of the first edge.
    fn start_cursor(&self) -> Option<String>;
    /// Cursor of the last edge.
    fn end_cursor(&self) -> Option<String>;
}

/// A page's position in its list.
#[derive(Debug, Description)]
pub(super) struct PageInfo(pub(super) Arc<dyn Paged>);

#[Object(use_type_description)]
impl PageInfo {
    /// Whether the list has items after the page, in either paging direction.
    async fn has_next_page(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.cut_from() == Some(End::Front) || self.0.has_more_behind(ctx).await?)
    }

    /// Whether the list has items before the page, in either paging direction.
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
impl Paged for PageResult {
    fn cut_from(&self) -> Option<End> {
        self.slice.has_more.then_some(self.page.end)
    }

    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool> {
        match (self.page.before, self.slice.has_behind) {
            (None, _) => Ok(false),
            (Some(_), Some(has_behind)) => Ok(has_behind),
            (Some(before), None) => self.has_beyond(ctx, before, Side::FromOn).await,
        }
    }

    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool> {
        match (self.page.after, self.slice.has_before) {
            (None, _) => Ok(false),
            (Some(_), Some(has_before)) => Ok(has_before),
            (Some(after), None) => self.has_beyond(ctx, after, Side::UpTo).await,
        }
    }

    fn start_cursor(&self) -> Option<String> {
        self.images.first().and_then(|image| self.cursor(image))
    }

    fn end_cursor(&self) -> Option<String> {
        self.images.last().and_then(|image| self.cursor(image))
    }
}

impl PageResult {
    fn cursor(&self, image: &Image) -> Option<String> {
        let cursor = ListCursor::of(self.page.order, image.row())?;
        Some(cursor.encode())
    }

    /// Only needed for an empty page.
    async fn has_beyond(&self, ctx: &Context<'_>, key: SortKey, side: Side) -> Result<bool> {
        let Self { list, page, .. } = self;
        let found = gallery(ctx).has_beyond(caller(ctx), list, page.order, key, side);
        Ok(found.await?)
    }
}
