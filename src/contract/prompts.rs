//! `PromptConnection`: the different prompts of active images.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::{Context, Description, Enum, Object, SimpleObject};
use async_trait::async_trait;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::budget::count_rows;
use super::connection::{ImageConnection, PageInfo, Paged};
use super::error::{Failure, Result};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::{caller, gallery};
use crate::gallery::{
    self, Collection, End, Filter, ListCursor, NEWEST_FIRST, Page, PartialImage, PromptSelection,
    PromptUse, Side, Slice, SortKey,
};

/// Which of an image's prompts.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "gallery::PromptKind")]
pub(super) enum PromptKind {
    /// The one that the user entered.
    Original,
    /// The one that was given to the model.
    Refined,
}

/// A page of prompts, and its position in the list.
#[derive(Debug, Description)]
pub(super) struct PromptConnection(Arc<PageResult>);

/// The requested page and its result. Each image is the newest with its prompt.
#[derive(Debug)]
struct PageResult {
    selection: PromptSelection,
    page: Page,
    slice: Slice,
    /// Read together, when the first of them is needed.
    uses: OnceCell<HashMap<Uuid, PromptUse>>,
}

/// A prompt of active images; equal up to white space at both ends.
#[derive(Clone, Debug, Description)]
pub(super) struct Prompt {
    result: Arc<PageResult>,
    newest: Newest,
}

/// What the newest image with the prompt shows of it.
#[derive(Clone, Debug)]
struct Newest {
    text: String,
    sort_key: SortKey,
}

/// A prompt and its position in the list.
#[derive(Debug, SimpleObject)]
pub(super) struct PromptEdge {
    /// Opaque position in the list, for `after` and `before`.
    cursor: String,
    /// The prompt.
    node: Prompt,
}

impl PromptConnection {
    /// Reads the page described by the arguments.
    pub(super) async fn read(
        ctx: &Context<'_>,
        selection: PromptSelection,
        arguments: &PageArguments,
    ) -> Result<Self> {
        let page = arguments.page(NEWEST_FIRST)?;
        let slice = gallery(ctx).prompts(caller(ctx), &selection, &page).await?;
        count_rows(ctx, &slice.images);
        Ok(Self(Arc::new(PageResult {
            selection,
            page,
            slice,
            uses: OnceCell::new(),
        })))
    }

    fn prompts(&self) -> Result<Vec<Prompt>> {
        let prompts = self.0.slice.images.iter().map(|row| {
            let newest = self.0.newest(row).ok_or_else(Failure::not_read)?;
            let result = Arc::clone(&self.0);
            Ok(Prompt { result, newest })
        });
        prompts.collect()
    }
}

#[Object(use_type_description)]
impl PromptConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    fn edges(&self) -> Result<Vec<PromptEdge>> {
        let edge = |node: Prompt| PromptEdge {
            cursor: cursor(node.newest.sort_key),
            node,
        };
        Ok(self.prompts()?.into_iter().map(edge).collect())
    }

    /// For a single page.
    fn nodes(&self) -> Result<Vec<Prompt>> {
        self.prompts()
    }

    /// The page's position in the list.
    async fn page_info(&self) -> PageInfo {
        let answer: Arc<PageResult> = Arc::clone(&self.0);
        PageInfo(answer)
    }
}

#[Object(use_type_description)]
impl Prompt {
    /// The prompt, without white space at both ends.
    async fn text(&self) -> &str {
        &self.newest.text
    }

    /// How many active images have it.
    async fn image_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let images = self.used(ctx).await?.map_or(0, |used| used.images);
        Ok(i32::try_from(images).unwrap_or(i32::MAX))
    }

    /// When the first of them was created.
    async fn first_used_at(&self, ctx: &Context<'_>) -> Result<DateTime> {
        let used = self.used(ctx).await?;
        let last = self.newest.sort_key.instant;
        Ok(DateTime(used.map_or(last, |used| used.first_used_at)))
    }

    /// When the last of them was created.
    async fn last_used_at(&self) -> DateTime {
        DateTime(self.newest.sort_key.instant)
    }

    /// The active images that have it, newest first; pages as in `Query.images`.
    async fn images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ImageConnection> {
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        let selection = &self.result.selection;
        let list = gallery::List {
            collection: Collection::Active,
            user_id: selection.user_id.clone(),
            filter: Filter {
                prompt: Some((selection.kind, self.newest.text.clone())),
                ..Filter::default()
            },
        };
        Box::pin(ImageConnection::read(ctx, list, NEWEST_FIRST, &arguments)).await
    }
}

impl Prompt {
    async fn used(&self, ctx: &Context<'_>) -> Result<Option<PromptUse>> {
        let PageResult {
            selection,
            slice,
            uses,
            ..
        } = &*self.result;
        let read = || async {
            let ids = slice
                .images
                .iter()
                .filter_map(|row| row.image_id.try_as_ref().copied());
            let ids: Vec<Uuid> = ids.collect();
            gallery(ctx).prompt_uses(caller(ctx), selection, &ids).await
        };
        let uses = Box::pin(uses.get_or_try_init(read)).await?;
        Ok(uses.get(&self.newest.sort_key.id).copied())
    }
}

fn cursor(sort_key: SortKey) -> String {
    let order = NEWEST_FIRST;
    ListCursor { order, sort_key }.encode()
}

impl PageResult {
    fn newest(&self, row: &PartialImage) -> Option<Newest> {
        let prompt = match self.selection.kind {
            gallery::PromptKind::Original => &row.original_prompt,
            gallery::PromptKind::Refined => &row.refined_prompt,
        };
        Some(Newest {
            text: prompt.try_as_ref()?.as_deref()?.trim().to_owned(),
            sort_key: NEWEST_FIRST.sort_key(row)?,
        })
    }

    async fn has_beyond(
        &self,
        ctx: &Context<'_>,
        bound: Option<SortKey>,
        side: Side,
    ) -> Result<bool> {
        let Some(key) = bound else {
            return Ok(false);
        };
        let found = gallery(ctx).has_prompts_beyond(caller(ctx), &self.selection, key, side);
        Ok(Box::pin(found).await?)
    }
}

#[async_trait]
impl Paged for PageResult {
    fn cut_from(&self) -> Option<End> {
        self.slice.has_more.then_some(self.page.end)
    }

    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool> {
        self.has_beyond(ctx, self.page.before, Side::FromOn).await
    }

    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool> {
        self.has_beyond(ctx, self.page.after, Side::UpTo).await
    }

    fn start_cursor(&self) -> Option<String> {
        let first = self.newest(self.slice.images.first()?)?;
        Some(cursor(first.sort_key))
    }

    fn end_cursor(&self) -> Option<String> {
        let last = self.newest(self.slice.images.last()?)?;
        Some(cursor(last.sort_key))
    }
}
