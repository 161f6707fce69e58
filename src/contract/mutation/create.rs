//! `createImage`, `createImages`.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use crate::contract::error::Result;
use crate::contract::image::Image;
use crate::contract::immediate::Immediate;
use crate::contract::intent::ImageIntent;
use crate::contract::scalar::{Json, Url};
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};
use crate::gallery::{self, Created, ImageGroup, InputError, NewImage};

use super::update::stored_image;

/// An image to store.
#[derive(Debug, InputObject)]
pub(super) struct CreateImageInput {
    /// Owner, at most 255 characters. May be left out when the caller is signed in: then it is the caller.
    user_id: Option<String>,
    /// https Cloudinary delivery URL, at most 1024 characters, whose public ID holds the image's UUID.
    image_url: Url,
    /// At most 20,000 characters.
    original_prompt: Option<String>,
    /// At most 20,000 characters.
    refined_prompt: Option<String>,
    /// Either this or intentLabel. OTHER needs an intentLabel.
    intent: Option<ImageIntent>,
    /// Another application's own label, at most 100 characters, in lower case as well; stored in lower case. `generate`
    /// and GENERATE are the same.
    intent_label: Option<String>,
    /// A JSON object, at most 64 KiB and 32 levels; `{}` when left out.
    metadata: Option<Json>,
    /// The caller's own name for this image, e.g. `task:0a83d2ae#0`, at most 255 characters: one image for each owner
    /// and key, whatever the URL. A repeat returns the first one, created: false. Purging the image frees the key.
    once_key: Option<String>,
    /// What becomes of an image that is stored already under the same id or key.
    #[graphql(default_with = "IfExists::Keep")]
    if_exists: IfExists,
    /// At most 50, each at most 100 characters; put on beside those that are there. An image that is stored already and
    /// stays as it is, ifExists: KEEP, gets none.
    tags: Option<Vec<String>>,
}

/// What becomes of an image that is stored already.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "gallery::IfExists")]
pub(super) enum IfExists {
    /// It stays as it is.
    Keep,
    /// What is sent replaces prompts, intent and imageUrl, and metadata is merged (RFC 7396); never the owner. What is
    /// omitted or null stays. One in the trash: `IMAGE_DELETED`. A URL of another owner's image: `IMAGE_ID_TAKEN`. An
    /// image found by its onceKey keeps its id, also if the new URL has another one.
    Update,
}

/// created is false when the image was already there: the stored one comes back, with ifExists: KEEP unchanged (it may be
/// in the trash). If a response is lost, possibly no call returns true: what must happen once depends on the CREATED
/// event.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateImagePayload {
    /// The stored image; null when there are userErrors, but for `IMAGE_DELETED`.
    image: Option<Immediate<Image>>,
    /// Whether this call stored it.
    created: bool,
    /// With ifExists: UPDATE: whether a stored value changed.
    updated: bool,
    /// What is wrong with the input; then nothing was stored.
    user_errors: Vec<UserError>,
}

/// One result per input, in order; one bad input does not stop the others.
#[derive(Debug, SimpleObject)]
pub(super) struct CreateImagesPayload {
    /// One per input, in order; empty when there are too many.
    results: Vec<CreateImagePayload>,
    /// What is wrong with the list as a whole; then nothing was stored.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct CreateMutation;

#[Object]
impl CreateMutation {
    /// Idempotent: the same URL, or the same onceKey, again gives the same image, once.
    async fn create_image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image to store.")] input: CreateImageInput,
    ) -> Result<CreateImagePayload> {
        let outcomes = Box::pin(gallery(ctx).create(caller(ctx), vec![input.into()])).await?;
        let outcome = outcomes.into_iter().next();
        let outcome = outcome.unwrap_or_else(|| Err(Vec::new()));
        let group = group(std::slice::from_ref(&outcome));
        Ok(CreateImagePayload::new(outcome, &group, &["input"]))
    }

    /// Stores up to 100 images; each one is stored or rejected independently.
    async fn create_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 images.")] input: Vec<CreateImageInput>,
    ) -> Result<CreateImagesPayload> {
        caller(ctx).require_access()?;
        if let Err(refusal) = gallery::check_batch(input.len()) {
            return Ok(CreateImagesPayload {
                results: Vec::new(),
                user_errors: vec![UserError::new(&refusal, &["input"])],
            });
        }
        let inputs = input.into_iter().map(Into::into).collect();
        let outcomes = Box::pin(gallery(ctx).create(caller(ctx), inputs)).await?;
        let group = group(&outcomes);
        let result = |(place, outcome): (usize, _)| {
            CreateImagePayload::new(outcome, &group, &["input", &place.to_string()])
        };
        Ok(CreateImagesPayload {
            results: outcomes.into_iter().enumerate().map(result).collect(),
            user_errors: Vec::new(),
        })
    }
}

type Outcome = std::result::Result<Created, Vec<InputError>>;

/// The stored images.
fn group(outcomes: &[Outcome]) -> Arc<ImageGroup> {
    let stored = outcomes.iter().flatten();
    ImageGroup::new(stored.map(|created| created.image.image_id))
}

impl CreateImagePayload {
    fn new(outcome: Outcome, group: &Arc<ImageGroup>, path: &[&str]) -> Self {
        match outcome {
            Ok(created) => Self {
                image: Some(Image::new(Arc::new(created.image.into()), Arc::clone(group)).into()),
                created: created.is_new,
                updated: created.is_updated,
                user_errors: Vec::new(),
            },
            Err(faults) => Self {
                image: faults.iter().find_map(stored_image),
                created: false,
                updated: false,
                user_errors: faults
                    .iter()
                    .map(|fault| UserError::of_input(fault, path))
                    .collect(),
            },
        }
    }
}

impl From<CreateImageInput> for NewImage {
    fn from(input: CreateImageInput) -> Self {
        Self {
            user_id: input.user_id,
            image_url: input.image_url.0,
            original_prompt: input.original_prompt,
            refined_prompt: input.refined_prompt,
            intent: input.intent.map(Into::into),
            intent_label: input.intent_label,
            metadata: input.metadata.map(Json::into_value),
            once_key: input.once_key,
            if_exists: input.if_exists.into(),
            tags: input.tags.unwrap_or_default(),
        }
    }
}
