//! The root of all reading.

use async_graphql::{Context, ID, Object};

use super::connection::ImageConnection;
use super::error::{Failure, Result, nullable};
use super::filter::{ImageFilter, ImageOrder, PageArguments, user_id as checked_user_id};
use super::image::{Image, Node};
use super::stats::GalleryStats;
use super::{caller, gallery};
use crate::db::page::{Direction, Field, Order};
use crate::gallery::{ImageId, List, MAX_BATCH, Shelf};

/// Everything that can be read.
#[derive(Debug)]
pub(super) struct Query;

/// Everything that can be read.
#[Object]
#[expect(
    clippy::unused_async,
    reason = "the library takes async functions for fields with arguments"
)]
impl Query {
    /// An image, active or in the trash, as long as the caller may see it. An id that is none, or is malformed: null.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The `id` of any object.")] id: ID,
    ) -> Option<async_graphql::Result<Node>> {
        nullable(find(ctx, &id).await.map(|image| image.map(Node::Image)))
    }

    /// At most 100 ids; null in the place of each that is not there.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids; more are BAD_USER_INPUT.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        caller(ctx).scope(None)?;
        if ids.len() > MAX_BATCH {
            return Err(Failure::bad_input(format!(
                "ids: {} were given; at most {MAX_BATCH} are allowed",
                ids.len()
            )));
        }
        let found = gallery(ctx).find(caller(ctx), &image_ids(&ids)).await?;
        Ok(found
            .into_iter()
            .map(|image| image.map(|image| Node::Image(Image(image))))
            .collect())
    }

    /// One active image; with includeDeleted, also one in the trash. Null when there is none that the caller may see.
    async fn image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image's UUID, hyphenated, in any letter case.")] id: ID,
        #[graphql(default = false, desc = "Whether an image in the trash is shown too.")]
        include_deleted: bool,
    ) -> Option<async_graphql::Result<Image>> {
        let is_shown = |image: &Image| include_deleted || image.0.deleted_at.is_none();
        nullable(find(ctx, &id).await.map(|image| image.filter(is_shown)))
    }

    /// The active gallery, newest first; equal values are ordered by id, in the same direction. first/last: 1 to 100, not both, 20 when neither is given; an empty cursor is none; both flags of pageInfo tell the truth whichever way one pages. `BAD_USER_INPUT`: other numbers, a malformed cursor or one of another ordering, ordering by `DELETED_AT`.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
        #[graphql(desc = "What has to hold of each image.")] filter: Option<ImageFilter>,
        #[graphql(desc = "By CREATED_AT, newest first, when left out; not by DELETED_AT.")]
        order_by: Option<ImageOrder>,
        #[graphql(
            desc = "So many from the front, 1 to 100; 20 when neither first nor last is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100; not together with first.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ImageConnection> {
        let order = order_by.map_or(newest_first(Field::CreatedAt), Order::from);
        caller(ctx).scope(None)?;
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
        connection(
            ctx,
            Shelf::Active,
            user_id.as_deref(),
            filter,
            order,
            &arguments,
        )
        .await
    }

    /// The trash, most recently deleted first; otherwise as `images`.
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn deleted_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
        #[graphql(desc = "What has to hold of each image.")] filter: Option<ImageFilter>,
        #[graphql(desc = "By DELETED_AT, newest first, when left out.")] order_by: Option<
            ImageOrder,
        >,
        #[graphql(
            desc = "So many from the front, 1 to 100; 20 when neither first nor last is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100; not together with first.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ImageConnection> {
        let order = order_by.map_or(newest_first(Field::DeletedAt), Order::from);
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        connection(
            ctx,
            Shelf::Trash,
            user_id.as_deref(),
            filter,
            order,
            &arguments,
        )
        .await
    }

    /// Counts over the gallery.
    async fn gallery_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this owner's images.")] user_id: Option<String>,
    ) -> Result<GalleryStats> {
        caller(ctx).scope(None)?;
        let user_id = checked_user_id(user_id.as_deref())?;
        // Said here and not at each count, so that the whole is refused.
        caller(ctx).scope(user_id.clone())?;
        Ok(GalleryStats { user_id })
    }
}

/// Ids as they were given; none in the place of each that is malformed.
pub(super) fn image_ids(ids: &[ID]) -> Vec<Option<ImageId>> {
    ids.iter().map(|id| ImageId::parse(id)).collect()
}

fn newest_first(field: Field) -> Order {
    Order {
        field,
        direction: Direction::Descending,
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Image>> {
    let found = gallery(ctx)
        .find(caller(ctx), &[ImageId::parse(id)])
        .await?;
    Ok(found.into_iter().flatten().next().map(Image))
}

async fn connection(
    ctx: &Context<'_>,
    shelf: Shelf,
    user_id: Option<&str>,
    filter: Option<ImageFilter>,
    order: Order,
    arguments: &PageArguments,
) -> Result<ImageConnection> {
    caller(ctx).scope(None)?;
    let list = List {
        shelf,
        user_id: checked_user_id(user_id)?,
        filter: filter.unwrap_or_default().checked()?,
    };
    let page = arguments.page(order)?;
    let slice = gallery(ctx).list(caller(ctx), &list, &page).await?;
    Ok(ImageConnection::new(list, page, slice))
}
