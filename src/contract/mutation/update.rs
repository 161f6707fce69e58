//! `updateImage`.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use crate::contract::error::Result;
use crate::contract::image::Image;
use crate::contract::immediate::Immediate;
use crate::contract::intent::ImageIntent;
use crate::contract::scalar::{DateTime, Json, Url};
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};
use crate::gallery::{Change, ImageId, ImageUpdate, InputError, Refusal};

/// Left out: unchanged. Null: cleared (metadata: set to {}; imageUrl, metadataPatch and ifUpdatedAt: as if left out).
/// Only what is sent is checked against the limits, metadataPatch by its result. updatedAt moves, always forward, when
/// something changed, and with soft delete and restore.
#[derive(Debug, InputObject)]
pub(super) struct UpdateImageInput {
    /// The image to change.
    id: ID,
    /// Another URL of the same asset (a new version, say): one that gives another id is `INVALID_IMAGE_URL`.
    image_url: Option<Url>,
    /// At most 20,000 characters.
    original_prompt: MaybeUndefined<String>,
    /// At most 20,000 characters.
    refined_prompt: MaybeUndefined<String>,
    /// Either this or intentLabel; null together with a label counts as left out. OTHER needs an intentLabel.
    intent: MaybeUndefined<ImageIntent>,
    /// Another application's own label, at most 100 characters, in lower case as well; stored in lower case.
    intent_label: MaybeUndefined<String>,
    /// Replaces the whole object, at most 64 KiB and 32 levels. Not together with metadataPatch.
    metadata: MaybeUndefined<Json>,
    /// JSON merge patch (RFC 7396) on the stored object.
    metadata_patch: Option<Json>,
    /// Only when the image still has this updatedAt; else CONFLICT. (Another application's writes that leave updatedAt
    /// alone go unnoticed.)
    if_updated_at: Option<DateTime>,
}

/// On `CONFLICT` and `IMAGE_DELETED`, image is the stored one.
#[derive(Debug, SimpleObject)]
pub(super) struct UpdateImagePayload {
    /// The image as it is now.
    image: Option<Immediate<Image>>,
    /// What is wrong with the input; then nothing was changed.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct UpdateMutation;

#[Object]
impl UpdateMutation {
    /// Changes an active image.
    async fn update_image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image and its changes.")] input: UpdateImageInput,
    ) -> Result<UpdateImagePayload> {
        let id = ImageId::parse(&input.id);
        let outcome = Box::pin(gallery(ctx).update(caller(ctx), id, input.into())).await?;
        Ok(match outcome {
            Ok(image) => UpdateImagePayload {
                image: Some(Immediate(Image::from(image))),
                user_errors: Vec::new(),
            },
            Err(faults) => UpdateImagePayload {
                image: faults.iter().find_map(stored_image),
                user_errors: faults
                    .iter()
                    .map(|fault| UserError::of_input(fault, &["input"]))
                    .collect(),
            },
        })
    }
}

/// The stored image that conflicts with the input.
pub(super) fn stored_image(fault: &InputError) -> Option<Immediate<Image>> {
    match &fault.refusal {
        Refusal::Conflict(image) | Refusal::Deleted(image) => {
            Some(Image::from(image.as_ref().clone()).into())
        }
        _ => None,
    }
}

impl From<UpdateImageInput> for ImageUpdate {
    fn from(input: UpdateImageInput) -> Self {
        Self {
            image_url: input.image_url.map(|url| url.0),
            original_prompt: change(input.original_prompt),
            refined_prompt: change(input.refined_prompt),
            intent: change(input.intent.map_value(Into::into)),
            intent_label: change(input.intent_label),
            metadata: change(input.metadata.map_value(Json::into_value)),
            metadata_patch: input.metadata_patch.map(Json::into_value),
            if_updated_at: input.if_updated_at.map(|instant| instant.0),
        }
    }
}

fn change<T>(given: MaybeUndefined<T>) -> Change<T> {
    match given {
        MaybeUndefined::Undefined => Change::Keep,
        MaybeUndefined::Null => Change::Clear,
        MaybeUndefined::Value(value) => Change::Set(value),
    }
}
