//! The query root.

use std::sync::Arc;

use async_graphql::{Context, Description, ID, Object};
use uuid::Uuid;

use super::argument::Flag;
use super::budget::count_rows;
use super::connection::ImageConnection;
use super::error::{Failure, Result, nullable};
use super::event::{GalleryEvent, GalleryEventConnection, GalleryEventType};
use super::filter::{ImageFilter, user_id as checked_user_id};
use super::image::{Image, Node, columns};
use super::immediate::Immediate;
use super::page::{ImageOrder, PageArguments};
use super::prompts::{PromptConnection, PromptKind};
use super::stats::GalleryStats;
use super::tags::TagConnection;
use super::trail_end::TrailEnd;
use super::{caller, gallery};
use crate::gallery::{
    Collection, Column, Columns, Direction, EventFilter, EventId, Field, ImageId, List, MAX_BATCH,
    Order, PartialImage, PromptSelection, TagSelection,
};

/// All queries.
#[derive(Debug, Description)]
pub(crate) struct Query;

#[Object(use_type_description)]
#[expect(
    clippy::unused_async,
    reason = "the library takes async functions for fields with arguments"
)]
impl Query {
    /// An image, active or in the trash, or an event, as long as the caller may see it. An id that is none, or is
    /// malformed: null.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The `id` of any object.")] id: ID,
    ) -> Option<async_graphql::Result<Node>> {
        let found = Box::pin(find_nodes(ctx, &[id])).await;
        nullable(found.map(|nodes| nodes.into_iter().flatten().next()))
    }

    /// At most 100 ids; null in the place of each that is not there.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids; more are BAD_USER_INPUT.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        caller(ctx).require_access()?;
        if ids.len() > MAX_BATCH {
            return Err(Failure::bad_input(format!(
                "ids: {} were given; at most {MAX_BATCH} are allowed",
                ids.len()
            )));
        }
        Box::pin(find_nodes(ctx, &ids)).await
    }

    /// One active image; with includeDeleted, also one in the trash. Null when there is none that the caller may see.
    async fn image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image's UUID, hyphenated, in any letter case.")] id: ID,
        #[graphql(default, desc = "Whether to return an image in the trash too.")]
        include_deleted: Flag,
    ) -> Option<async_graphql::Result<Immediate<Image>>> {
        let found = Box::pin(find(ctx, &id, include_deleted)).await;
        nullable(found.map(|image| image.map(Immediate)))
    }

    /// The active gallery, newest first; equal values are ordered by id, in the same direction. first/last: 1 to 100,
    /// not both, 20 when neither is given; an empty cursor is none; both flags of pageInfo tell the truth whichever way
    /// one pages. `BAD_USER_INPUT`: other numbers, a malformed cursor or one of another ordering, ordering by
    /// `DELETED_AT`.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
        #[graphql(desc = "Conditions that each image must meet.")] filter: Option<ImageFilter>,
        #[graphql(desc = "CREATED_AT, newest first, if left out; DELETED_AT is not allowed.")]
        order_by: Option<ImageOrder>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ImageConnection> {
        let order = order_by.map_or(newest_first(Field::CreatedAt), Order::from);
        caller(ctx).require_access()?;
        if order.field == Field::DeletedAt {
            return Err(Failure::bad_input(
                "orderBy: active images cannot be ordered by DELETED_AT; use CREATED_AT or UPDATED_AT, or deletedImages",
            ));
        }
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(connection(
            ctx,
            Collection::Active,
            user_id.as_deref(),
            filter,
            order,
            &arguments,
        ))
        .await
    }

    /// The trash, most recently deleted first; otherwise as `images`.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn deleted_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
        #[graphql(desc = "Conditions that each image must meet.")] filter: Option<ImageFilter>,
        #[graphql(desc = "DELETED_AT, newest first, if left out.")] order_by: Option<ImageOrder>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ImageConnection> {
        let order = order_by.map_or(newest_first(Field::DeletedAt), Order::from);
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(connection(
            ctx,
            Collection::Trash,
            user_id.as_deref(),
            filter,
            order,
            &arguments,
        ))
        .await
    }

    /// Counts over the images that hold the filter, the whole gallery without one.
    async fn gallery_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
        #[graphql(desc = "Only images that hold it.")] filter: Option<ImageFilter>,
    ) -> Result<GalleryStats> {
        caller(ctx).require_access()?;
        let user_id = checked_user_id(user_id.as_deref())?;
        let filter = filter.unwrap_or_default().checked()?;
        // Checked here and not in each count, so that the whole field fails.
        if let Some(owner) = user_id.clone() {
            caller(ctx).require_access_to(owner)?;
        }
        Ok(GalleryStats { user_id, filter })
    }

    /// The labels in use on active images, most used first; for completion as one types: startsWith, letter case aside.
    /// first/last: 1 to 100, not both, 20 when neither is given; an empty cursor is none. `BAD_USER_INPUT`: other numbers,
    /// a malformed cursor. A tag whose number of images changes moves: then a page may show it again, or not at all.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn tags(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only this owner's tags. If left out: those of all images that the caller may see, under one of their spellings."
        )]
        user_id: Option<String>,
        #[graphql(desc = "How the tags begin; blank: all.")] starts_with: Option<String>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<TagConnection> {
        caller(ctx).require_access()?;
        let selection = TagSelection {
            user_id: checked_user_id(user_id.as_deref())?,
            starts_with: starts_with.unwrap_or_default(),
        };
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(TagConnection::read(ctx, selection, &arguments)).await
    }

    /// The different prompts of active images, last used first. `search` as in `ImageFilter`, in the prompts of this kind. Blank
    /// prompts are none. first/last: 1 to 100, not both, 20 when neither is given; an empty cursor is none. `BAD_USER_INPUT`:
    /// other numbers, a malformed cursor.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn prompts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only the prompts of this owner's images.")] user_id: Option<String>,
        #[graphql(
            default_with = "PromptKind::Refined",
            desc = "Which of the two prompts of an image."
        )]
        kind: PromptKind,
        #[graphql(desc = "Only prompts that it finds; blank: all.")] search: Option<String>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<PromptConnection> {
        caller(ctx).require_access()?;
        let selection = PromptSelection {
            user_id: checked_user_id(user_id.as_deref())?,
            kind: kind.into(),
            search,
        };
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(PromptConnection::read(ctx, selection, &arguments)).await
    }

    /// The audit trail, oldest first, purged images included; an empty list of types is no condition. Cursors are the
    /// ones the subscription takes. One older than what is kept: `CURSOR_EXPIRED`. first/last: 1 to 100, not both, 20
    /// when neither is given; an empty cursor is none. `BAD_USER_INPUT`: other numbers, anything that is not a cursor
    /// of the trail.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn gallery_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events under this owner.")] user_id: Option<String>,
        #[graphql(desc = "Only events of this image, which may have been purged.")]
        image_id: Option<ID>,
        #[graphql(desc = "Only events of these types.")] types: Option<Vec<GalleryEventType>>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<GalleryEventConnection> {
        caller(ctx).require_access()?;
        let filter = event_filter(user_id.as_deref(), image_id.as_ref(), types)?;
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(GalleryEventConnection::read(ctx, filter, &arguments)).await
    }

    /// Where the trail ends now. Ask for it together with a list, then subscribe after it: nothing that happens after
    /// the list was read is missed. It is read before the lists of the same request.
    async fn trail_cursor(&self, ctx: &Context<'_>) -> Result<String> {
        if let Some(TrailEnd(cursor)) = ctx.data_opt::<TrailEnd>() {
            return Ok(cursor.clone()?.encode());
        }
        let cursor = Box::pin(gallery(ctx).trail_cursor(caller(ctx)));
        Ok(cursor.await?.encode())
    }
}

/// Parses ids, in order; None for each malformed one.
pub(super) fn image_ids(ids: &[ID]) -> Vec<Option<ImageId>> {
    ids.iter().map(|id| ImageId::parse(id)).collect()
}

/// Builds the filter of events.
pub(super) fn event_filter(
    user_id: Option<&str>,
    image_id: Option<&ID>,
    types: Option<Vec<GalleryEventType>>,
) -> Result<EventFilter> {
    Ok(EventFilter {
        user_id: checked_user_id(user_id)?,
        // No image has a malformed id or the nil UUID.
        image_id: image_id.map(|id| ImageId::parse(id).unwrap_or(ImageId(Uuid::nil()))),
        kinds: types
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        owner: None,
    })
}

/// Images and events by id, in order; None for each that is not found.
async fn find_nodes(ctx: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Node>>> {
    let images = gallery(ctx)
        .find(caller(ctx), &image_ids(ids), columns(ctx.field()))
        .await?;
    count_rows(ctx, images.iter().flatten().map(Arc::as_ref));
    let event_ids: Vec<_> = ids.iter().map(|id| EventId::decode(id)).collect();
    let (page, places) = gallery(ctx).find_events(caller(ctx), &event_ids).await?;
    let event = |place: Option<usize>| {
        let event = page.events.get(place?)?;
        Some(Node::GalleryEvent(GalleryEvent::new(&page, event).into()))
    };
    let is_image: Vec<bool> = images.iter().map(Option::is_some).collect();
    let mut found = Image::list(images.into_iter().flatten()).into_iter();
    Ok(is_image
        .into_iter()
        .zip(places)
        .map(
            |(is_image, place)| match is_image.then(|| found.next()).flatten() {
                Some(image) => Some(Node::Image(image.into())),
                None => event(place),
            },
        )
        .collect())
}

fn newest_first(field: Field) -> Order {
    Order {
        field,
        direction: Direction::Descending,
    }
}

async fn find(ctx: &Context<'_>, id: &ID, include_deleted: Flag) -> Result<Option<Image>> {
    let columns = columns(ctx.field()).and(Columns::of(&[Column::DeletedAt]));
    let found = gallery(ctx)
        .find(caller(ctx), &[ImageId::parse(id)], columns)
        .await?;
    let is_active = |image: &Arc<PartialImage>| image.deleted_at.try_as_ref() == Some(&None);
    let found = found.into_iter().flatten().next();
    let shown = found.filter(|image| include_deleted.0 || is_active(image));
    Ok(Image::list(shown).into_iter().next())
}

async fn connection(
    ctx: &Context<'_>,
    collection: Collection,
    user_id: Option<&str>,
    filter: Option<ImageFilter>,
    order: Order,
    arguments: &PageArguments,
) -> Result<ImageConnection> {
    caller(ctx).require_access()?;
    let list = List {
        collection,
        user_id: checked_user_id(user_id)?,
        filter: filter.unwrap_or_default().checked()?,
    };
    ImageConnection::read(ctx, list, order, arguments).await
}
