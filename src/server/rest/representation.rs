//! An image as REST shows it, in the names of the replaced application's columns.

use sea_orm::DbErr;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::entity::Metadata;
use crate::gallery::{self, Column, Columns, Gallery, Image, ImageGroup, PartialImage};

/// An image in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageItem {
    /// The UUID from its URL.
    #[schema(format = Uuid)]
    image_id: String,
    /// The owner.
    user_id: String,
    /// The Cloudinary delivery URL.
    image_url: String,
    /// The prompt given to the model.
    refined_prompt: Option<String>,
    /// The label as stored, such as `generate`.
    intent: Option<String>,
    /// When it was created, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// Whether it is in the trash.
    is_deleted: bool,
    /// Its owner's labels on it, in alphabetical order.
    tags: Vec<String>,
}

/// Images, in the order of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageList(pub(super) Vec<ImageItem>);

/// An image with all of its columns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageDetail {
    /// As in lists.
    #[serde(flatten)]
    item: ImageItem,
    /// The prompt that the user entered.
    original_prompt: Option<String>,
    /// A JSON object.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// When it was last changed, in UTC.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it was moved to the trash, in UTC.
    #[schema(format = DateTime)]
    deleted_at: Option<String>,
}

/// A number of images.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageCount {
    /// Active images.
    pub(super) count: u64,
}

/// A permanently deleted image.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PurgedImage {
    /// Its id.
    #[schema(format = Uuid)]
    pub(super) image_id: String,
}

impl ImageItem {
    /// The columns that it is made of.
    pub(super) const COLUMNS: Columns = Columns::of(&[
        Column::UserId,
        Column::ImageUrl,
        Column::RefinedPrompt,
        Column::Intent,
        Column::CreatedAt,
        Column::DeletedAt,
    ]);

    /// Fails if one of its columns was not read.
    pub(super) fn of(image: &PartialImage, tags: &[String]) -> Result<Self, gallery::Error> {
        Self::read(image, tags).ok_or_else(not_read)
    }

    fn read(image: &PartialImage, tags: &[String]) -> Option<Self> {
        let intent = image.intent.try_as_ref()?.clone();
        Some(Self {
            image_id: image.image_id.try_as_ref()?.to_string(),
            user_id: image.user_id.try_as_ref()?.clone(),
            image_url: image.image_url.try_as_ref()?.clone(),
            refined_prompt: image.refined_prompt.try_as_ref()?.clone(),
            // Other applications store the empty label for none.
            intent: intent.filter(|label| !label.is_empty()),
            created_at: image.created_at.try_as_ref()?.to_string(),
            is_deleted: image.deleted_at.try_as_ref()?.is_some(),
            tags: tags.to_vec(),
        })
    }

    /// The approximate size in memory.
    pub(super) fn size_bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(String::len).sum();
        self.refined_prompt.as_ref().map_or(0, String::len) + self.image_url.len() + tags
    }
}

impl ImageDetail {
    /// Reads its tags. Fails if one of its columns was not read.
    pub(super) async fn of(
        gallery: &Gallery,
        caller: &Caller,
        image: &PartialImage,
    ) -> Result<Self, gallery::Error> {
        let id = *image.image_id.try_as_ref().ok_or_else(not_read)?;
        let group = ImageGroup::new([id]);
        let tags = gallery.tags_of(caller, &group, id).await?;
        let mut detail = Self::read(image, tags).ok_or_else(not_read)?;
        if detail.original_prompt.is_none() {
            detail.original_prompt = gallery.prompt_of_metadata(image);
        }
        Ok(detail)
    }

    /// Of a whole row.
    pub(super) async fn of_row(
        gallery: &Gallery,
        caller: &Caller,
        image: Image,
    ) -> Result<Self, gallery::Error> {
        Self::of(gallery, caller, &PartialImage::from(image)).await
    }

    fn read(image: &PartialImage, tags: &[String]) -> Option<Self> {
        let deleted_at = *image.deleted_at.try_as_ref()?;
        Some(Self {
            item: ImageItem::read(image, tags)?,
            original_prompt: image.original_prompt.try_as_ref()?.clone(),
            metadata: raw(image.metadata.try_as_ref()?),
            updated_at: image.updated_at.try_as_ref()?.to_string(),
            deleted_at: deleted_at.map(|instant| instant.to_string()),
        })
    }
}

/// The stored text is valid JSON.
fn raw(metadata: &Metadata) -> Box<RawValue> {
    let text = metadata.readable().into_owned();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn not_read() -> gallery::Error {
    DbErr::AttrNotSet("REST shows a column that was not read".to_owned()).into()
}
