//! `TagConnection`: the labels in use, and the number of images of each.

use std::sync::Arc;

use async_graphql::{Context, Description, Object, SimpleObject};
use async_trait::async_trait;

use super::connection::{PageInfo, Paged};
use super::error::Result;
use super::immediate::{Immediate, List, Ready};
use super::page::PageArguments;
use super::{caller, gallery};
use crate::gallery::{self, End, Side, TagCursor, TagKey, TagPage, TagSelection, TagSlice};

/// How many images have a tag.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct TagCount {
    /// The tag in its owner's first spelling.
    tag: String,
    /// Active images.
    count: i32,
}

impl Ready for TagCount {}

impl From<&gallery::TagCount> for TagCount {
    fn from(tag: &gallery::TagCount) -> Self {
        Self {
            tag: tag.tag.clone(),
            count: i32::try_from(tag.count).unwrap_or(i32::MAX),
        }
    }
}

/// A tag and its position in the list.
#[derive(Debug, SimpleObject)]
pub(super) struct TagEdge {
    /// Opaque position in the list, for `after` and `before`.
    cursor: String,
    /// The tag.
    node: Immediate<TagCount>,
}

impl Ready for TagEdge {
    const OBJECTS: &'static [&'static str] = &["node"];
}

/// A page of tags, and its position in the list.
#[derive(Debug, Description)]
pub(super) struct TagConnection(Arc<PageResult>);

/// The requested page and its result.
#[derive(Debug)]
struct PageResult {
    selection: TagSelection,
    page: TagPage,
    slice: TagSlice,
}

impl TagConnection {
    /// Reads the page described by the arguments.
    pub(super) async fn read(
        ctx: &Context<'_>,
        selection: TagSelection,
        arguments: &PageArguments,
    ) -> Result<Self> {
        selection.check().map_err(gallery::Error::from)?;
        let page = arguments.tag_page()?;
        let slice = gallery(ctx).tags(caller(ctx), &selection, &page).await?;
        Ok(Self(Arc::new(PageResult {
            selection,
            page,
            slice,
        })))
    }
}

#[Object(use_type_description)]
impl TagConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    async fn edges(&self) -> List<Vec<TagEdge>> {
        let edge = |tag: &gallery::TagCount| TagEdge {
            cursor: TagCursor::encode(&tag.key),
            node: Immediate(tag.into()),
        };
        List(self.0.slice.tags.iter().map(edge).collect())
    }

    /// For a single page.
    async fn nodes(&self) -> List<Vec<TagCount>> {
        List(self.0.slice.tags.iter().map(TagCount::from).collect())
    }

    /// The page's position in the list.
    async fn page_info(&self) -> PageInfo {
        let answer: Arc<PageResult> = Arc::clone(&self.0);
        PageInfo(answer)
    }
}

#[async_trait]
impl Paged for PageResult {
    fn cut_from(&self) -> Option<End> {
        self.slice.has_more.then_some(self.page.end)
    }

    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool> {
        self.has_beyond(ctx, self.page.before.as_ref(), Side::FromOn)
            .await
    }

    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool> {
        self.has_beyond(ctx, self.page.after.as_ref(), Side::UpTo)
            .await
    }

    fn start_cursor(&self) -> Option<String> {
        let first = self.slice.tags.first()?;
        Some(TagCursor::encode(&first.key))
    }

    fn end_cursor(&self) -> Option<String> {
        let last = self.slice.tags.last()?;
        Some(TagCursor::encode(&last.key))
    }
}

impl PageResult {
    async fn has_beyond(
        &self,
        ctx: &Context<'_>,
        bound: Option<&TagKey>,
        side: Side,
    ) -> Result<bool> {
        let Some(key) = bound else {
            return Ok(false);
        };
        let found = gallery(ctx).has_tags_beyond(caller(ctx), &self.selection, key, side);
        Ok(found.await?)
    }
}
