//! `Image`: one stored image, and `Node`.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{Context, Description, ID, Interface, Object, SelectionField};
use sea_orm::ActiveValue;

use super::error::{Failure, Result};
use super::event::{GalleryEvent, GalleryEventConnection};
use super::immediate::{Immediate, Ready};
use super::intent::ImageIntent;
use super::page::PageArguments;
use super::scalar::{DateTime, Json, Url};
use super::transform::ImageTransform;
use super::{caller, gallery};
use crate::cloudinary::transform::delivery_url;
use crate::gallery;
use crate::gallery::{Column, Columns, ImageGroup, OwnedImage, PartialImage};

/// Any object that can be found by its id.
#[derive(Debug, Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Globally unique, so it is also the cache key."
))]
pub(super) enum Node {
    /// An image.
    Image(Immediate<Image>),
    /// An event of the audit trail.
    GalleryEvent(Immediate<GalleryEvent>),
}

/// An AI-generated image whose file is on Cloudinary.
#[derive(Clone, Debug, Description)]
pub(super) struct Image {
    row: Arc<PartialImage>,
    /// The images that were read together with it.
    group: Arc<ImageGroup>,
}

impl Ready for Image {
    const AWAITING: &'static [&'static str] = &["tags", "isFavorite"];
}

impl From<gallery::Image> for Image {
    fn from(image: gallery::Image) -> Self {
        let group = ImageGroup::new([image.image_id]);
        Self::new(Arc::new(image.into()), group)
    }
}

impl Image {
    pub(super) fn new(row: Arc<PartialImage>, group: Arc<ImageGroup>) -> Self {
        Self { row, group }
    }

    /// Images that were read together.
    pub(super) fn list(rows: impl IntoIterator<Item = Arc<PartialImage>>) -> Vec<Self> {
        let rows: Vec<_> = rows.into_iter().collect();
        let ids = rows
            .iter()
            .filter_map(|row| row.image_id.try_as_ref().copied());
        let group = ImageGroup::new(ids);
        let image = |row| Self::new(row, Arc::clone(&group));
        rows.into_iter().map(image).collect()
    }

    /// Whole images that were read together.
    pub(super) fn whole_list(images: impl IntoIterator<Item = gallery::Image>) -> Vec<Self> {
        let images = images.into_iter();
        Self::list(images.map(|image| Arc::new(image.into())))
    }

    pub(super) fn row(&self) -> &PartialImage {
        &self.row
    }
}

/// The columns needed for the selected fields.
pub(super) fn columns(image: SelectionField<'_>) -> Columns {
    let fields = image.selection_set();
    fields.fold(Columns::KEY, |columns, field| {
        columns.and(columns_of_field(field.name()))
    })
}

/// A field that is not listed reads the whole row, which is slower but correct.
fn columns_of_field(name: &str) -> Columns {
    match name {
        "__typename" | "id" | "tags" | "isFavorite" => Columns::KEY,
        "userId" | "events" => Columns::of(&[Column::UserId]),
        "imageUrl" => Columns::of(&[Column::ImageUrl]),
        "originalPrompt" => Columns::of(&[Column::OriginalPrompt]),
        "refinedPrompt" => Columns::of(&[Column::RefinedPrompt]),
        "intent" | "intentLabel" => Columns::of(&[Column::Intent]),
        "metadata" => Columns::of(&[Column::Metadata]),
        "createdAt" => Columns::of(&[Column::CreatedAt]),
        "updatedAt" => Columns::of(&[Column::UpdatedAt]),
        "deletedAt" | "purgeAt" => Columns::of(&[Column::DeletedAt]),
        _ => Columns::ALL,
    }
}

/// The value of a nullable column: if it fails, the field is null with an error, and its parent is kept.
fn present<'v, T, S>(
    column: &'v ActiveValue<Option<T>>,
    show: impl FnOnce(&'v T) -> S,
) -> Option<Result<S>>
where
    Option<T>: Into<sea_orm::Value>,
{
    let value = read(column).map(Option::as_ref).transpose()?;
    Some(value.map(show))
}

/// The value of a column, if it was read.
fn read<T: Into<sea_orm::Value>>(column: &ActiveValue<T>) -> Result<&T> {
    column.try_as_ref().ok_or_else(Failure::not_read)
}

#[Object(use_type_description)]
#[expect(
    clippy::unused_async,
    reason = "the library takes async functions for fields with arguments"
)]
impl Image {
    /// UUID taken from the Cloudinary URL, lower case, hyphenated. Globally unique, so it is also the cache key.
    pub(super) async fn id(&self) -> Result<ID> {
        Ok(ID(read(&self.row.image_id)?.to_string()))
    }

    /// Owner.
    async fn user_id(&self) -> Result<&str> {
        Ok(read(&self.row.user_id)?)
    }

    /// Delivery URL as stored; with `transform`, the same asset resized or converted by Cloudinary. A signed URL
    /// (`s--…--`) or one without `/upload/` comes back as stored. A value out of range is `BAD_USER_INPUT`.
    async fn image_url(
        &self,
        #[graphql(desc = "If left out: the URL as stored.")] transform: Option<ImageTransform>,
    ) -> Result<Url> {
        let stored = read(&self.row.image_url)?;
        let Some(transform) = transform else {
            return Ok(Url(stored.clone()));
        };
        Ok(Url(delivery_url(stored, &transform.checked()?)))
    }

    /// The prompt as the user typed it, at most 20,000 characters if this server stored it. Where none is stored, a key of
    /// the metadata may replace it (`PROMPT_METADATA_KEY`).
    async fn original_prompt(&self, ctx: &Context<'_>) -> Option<Result<Cow<'_, str>>> {
        let stored = present(&self.row.original_prompt, |prompt| {
            Cow::from(prompt.as_str())
        });
        stored.or_else(|| {
            let prompt = gallery(ctx).prompt_of_metadata(&self.row)?;
            Some(Ok(prompt.into()))
        })
    }

    /// The prompt that was sent to the model, at most 20,000 characters if this server stored it.
    async fn refined_prompt(&self) -> Option<Result<&str>> {
        present(&self.row.refined_prompt, String::as_str)
    }

    /// What the image was made for; null if not known. Another application's labels may count as one of these
    /// (`INTENT_ALIASES`).
    async fn intent(&self, ctx: &Context<'_>) -> Option<Result<ImageIntent>> {
        let intent = self.label()?.map(|label| gallery(ctx).intent_of(label));
        intent.transpose().map(|intent| intent.map(Into::into))
    }

    /// The intent exactly as stored, e.g. `generate`, or another application's own label in its own letter case.
    async fn intent_label(&self) -> Option<Result<&str>> {
        self.label()
    }

    /// Free-form JSON object; `{}` if there is none.
    async fn metadata(&self) -> Result<Json> {
        Ok(Json::Text(
            read(&self.row.metadata)?.readable().into_owned(),
        ))
    }

    /// When it was stored.
    async fn created_at(&self) -> Result<DateTime> {
        Ok(DateTime(*read(&self.row.created_at)?))
    }

    /// When it last changed: moves, always forward, when a stored value changes, and with soft delete and restore.
    async fn updated_at(&self) -> Result<DateTime> {
        Ok(DateTime(*read(&self.row.updated_at)?))
    }

    /// Set while the image is in the trash; null while it is active.
    async fn deleted_at(&self) -> Option<Result<DateTime>> {
        present(&self.row.deleted_at, |instant| DateTime(*instant))
    }

    /// When retention will purge it; null while active or when retention is off.
    async fn purge_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime>> {
        let deleted_at = read(&self.row.deleted_at);
        let purge_at = deleted_at.map(|instant| gallery(ctx).purge_at(*instant).map(DateTime));
        purge_at.transpose()
    }

    /// Its owner's labels on it, in alphabetical order.
    async fn tags(&self, ctx: &Context<'_>) -> Result<&[String]> {
        let image = *read(&self.row.image_id)?;
        let tags = gallery(ctx).tags_of(caller(ctx), &self.group, image);
        Ok(Box::pin(tags).await?)
    }

    /// Whether its owner has marked it.
    async fn is_favorite(&self, ctx: &Context<'_>) -> Result<bool> {
        let image = *read(&self.row.image_id)?;
        let is_favorite = gallery(ctx).is_favorite(caller(ctx), &self.group, image);
        Ok(Box::pin(is_favorite).await?)
    }

    /// Audit trail of this image under its present owner, oldest first. Arguments and errors as in
    /// `Query.galleryEvents`.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first N items, 1 to 100; 20 if neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last N items, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<GalleryEventConnection> {
        let image = OwnedImage {
            image_id: *read(&self.row.image_id)?,
            owner: read(&self.row.user_id)?.clone(),
        };
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(GalleryEventConnection::of_image(ctx, image, &arguments)).await
    }
}

impl Image {
    /// An empty label, as another application stores it, means none.
    fn label(&self) -> Option<Result<&str>> {
        let label = present(&self.row.intent, String::as_str)?;
        Some(label).filter(|label| !matches!(label, Ok("")))
    }
}
