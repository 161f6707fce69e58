//! `softDeleteImage(s)`, `restoreImage(s)`, `purgeImage(s)`.

use std::collections::HashSet;

use async_graphql::{Context, ID, Object, SimpleObject};

use crate::contract::argument::Flag;
use crate::contract::error::Result;
use crate::contract::image::Image;
use crate::contract::immediate::{Immediate, List};
use crate::contract::query::image_ids;
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};
use crate::gallery::{ImageId, Moved, Purged, Refusal, check_batch};

use super::undo::operation_id;

/// changed is false when it already was in that state.
#[derive(Debug, SimpleObject)]
pub(super) struct SoftDeleteImagePayload {
    /// The image as it is now; null when there are userErrors.
    image: Option<Immediate<Image>>,
    /// Whether this call moved it to the trash.
    changed: bool,
    /// For undo; null when nothing changed.
    operation_id: Option<ID>,
    /// Why it was not done.
    user_errors: Vec<UserError>,
}

/// changed is false when it already was in that state.
#[derive(Debug, SimpleObject)]
pub(super) struct RestoreImagePayload {
    /// The image as it is now; null when there are userErrors.
    image: Option<Immediate<Image>>,
    /// Whether this call restored it.
    changed: bool,
    /// Why it was not done.
    user_errors: Vec<UserError>,
}

/// changed is false when the trail shows that it was purged before: safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct PurgeImagePayload {
    /// The id of the purged image; null when there are userErrors.
    #[graphql(name = "purgedId")]
    purged: Option<ID>,
    /// Whether this call purged it; false when the trail shows that it was purged before.
    changed: bool,
    /// Why it was not done.
    user_errors: Vec<UserError>,
}

/// Those that already were in that state are among them; so it is safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct SoftDeleteImagesPayload {
    /// Each image that is in the trash now, in the order of the ids.
    images: List<Vec<Image>>,
    /// For undo, which restores those that this call moved; null when it moved none.
    operation_id: Option<ID>,
    /// Each id that could not be done.
    user_errors: Vec<UserError>,
}

/// Those that already were in that state are among them; so it is safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct RestoreImagesPayload {
    /// Each image that is active now, in the order of the ids.
    images: List<Vec<Image>>,
    /// Each id that could not be done.
    user_errors: Vec<UserError>,
}

/// Those that the trail shows as purged before are among them; so it is safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct PurgeImagesPayload {
    /// The id of each purged image, in the order of the ids given.
    purged_ids: Vec<ID>,
    /// Each id that could not be done.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct TrashMutation;

#[Object]
impl TrashMutation {
    /// Moves an image to the trash.
    async fn soft_delete_image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image's UUID.")] id: ID,
    ) -> Result<SoftDeleteImagePayload> {
        let ids = [ImageId::parse(&id)];
        let deleted = Box::pin(gallery(ctx).soft_delete(caller(ctx), &ids)).await?;
        let (image, changed, user_errors) = single(deleted.outcomes);
        Ok(SoftDeleteImagePayload {
            image,
            changed,
            operation_id: deleted.operation.map(operation_id),
            user_errors,
        })
    }

    /// Restores an image from the trash.
    async fn restore_image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image's UUID.")] id: ID,
    ) -> Result<RestoreImagePayload> {
        let ids = [ImageId::parse(&id)];
        let (image, changed, user_errors) =
            single(Box::pin(gallery(ctx).restore(caller(ctx), &ids)).await?);
        Ok(RestoreImagePayload {
            image,
            changed,
            user_errors,
        })
    }

    /// For good. Only from the trash, unless forced. `IMAGE_NOT_FOUND` when there is no such image and the trail does
    /// not show that it was purged.
    async fn purge_image(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The image's UUID.")] id: ID,
        #[graphql(default, desc = "Whether to purge an active image too.")] force: Flag,
    ) -> Result<PurgeImagePayload> {
        let ids = [ImageId::parse(&id)];
        let outcomes = Box::pin(gallery(ctx).purge(caller(ctx), &ids, force.0)).await?;
        let (purged, refused) = divide(&ids, outcomes);
        Ok(PurgeImagePayload {
            changed: purged.iter().any(|purged| purged.has_changed),
            purged: purged.first().map(to_id),
            user_errors: refused
                .iter()
                .map(|(_, refusal)| UserError::new(refusal, &["id"]))
                .collect(),
        })
    }

    /// Up to 100 ids, in one transaction; each id that cannot be done is named in userErrors and the rest are done. An
    /// id given twice is done once.
    async fn soft_delete_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids.")] ids: Vec<ID>,
    ) -> Result<SoftDeleteImagesPayload> {
        caller(ctx).require_access()?;
        if let Some(user_errors) = too_many(&ids) {
            return Ok(SoftDeleteImagesPayload {
                images: List(Vec::new()),
                operation_id: None,
                user_errors,
            });
        }
        let ids = image_ids(&ids);
        let deleted = Box::pin(gallery(ctx).soft_delete(caller(ctx), &ids)).await?;
        let (moved, refused) = divide(&ids, deleted.outcomes);
        Ok(SoftDeleteImagesPayload {
            images: List(Image::whole_list(
                moved.into_iter().map(|moved| moved.image),
            )),
            operation_id: deleted.operation.map(operation_id),
            user_errors: in_list(&refused),
        })
    }

    /// Up to 100 ids, in one transaction; each id that cannot be done is named in userErrors and the rest are done. An
    /// id given twice is done once.
    async fn restore_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids.")] ids: Vec<ID>,
    ) -> Result<RestoreImagesPayload> {
        caller(ctx).require_access()?;
        if let Some(user_errors) = too_many(&ids) {
            return Ok(RestoreImagesPayload {
                images: List(Vec::new()),
                user_errors,
            });
        }
        let ids = image_ids(&ids);
        let outcomes = Box::pin(gallery(ctx).restore(caller(ctx), &ids)).await?;
        let (moved, refused) = divide(&ids, outcomes);
        Ok(RestoreImagesPayload {
            images: List(Image::whole_list(
                moved.into_iter().map(|moved| moved.image),
            )),
            user_errors: in_list(&refused),
        })
    }

    /// Up to 100 ids, in one transaction; each id that cannot be done is named in userErrors and the rest are done. An
    /// id given twice is done once.
    async fn purge_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids.")] ids: Vec<ID>,
        #[graphql(default, desc = "Whether to purge active images too.")] force: Flag,
    ) -> Result<PurgeImagesPayload> {
        caller(ctx).require_access()?;
        if let Some(user_errors) = too_many(&ids) {
            return Ok(PurgeImagesPayload {
                purged_ids: Vec::new(),
                user_errors,
            });
        }
        let ids = image_ids(&ids);
        let outcomes = Box::pin(gallery(ctx).purge(caller(ctx), &ids, force.0)).await?;
        let (purged, refused) = divide(&ids, outcomes);
        Ok(PurgeImagesPayload {
            purged_ids: purged.iter().map(to_id).collect(),
            user_errors: in_list(&refused),
        })
    }
}

/// Refusals, with their indexes in the list of ids.
pub(super) type Refused = Vec<(usize, Refusal)>;

/// Separates successes and refusals, each id once.
pub(super) fn divide<T>(
    ids: &[Option<ImageId>],
    outcomes: Vec<std::result::Result<T, Refusal>>,
) -> (Vec<T>, Refused) {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (place, (id, outcome)) in ids.iter().zip(outcomes).enumerate() {
        if id.is_some_and(|id| !seen.insert(id)) {
            continue;
        }
        match outcome {
            Ok(outcome) => done.push(outcome),
            Err(refusal) => refused.push((place, refusal)),
        }
    }
    (done, refused)
}

fn single(
    outcomes: Vec<std::result::Result<Moved, Refusal>>,
) -> (Option<Immediate<Image>>, bool, Vec<UserError>) {
    match outcomes.into_iter().next() {
        Some(Ok(moved)) => (
            Some(Immediate(Image::from(moved.image))),
            moved.has_changed,
            Vec::new(),
        ),
        Some(Err(refusal)) => (None, false, vec![UserError::new(&refusal, &["id"])]),
        None => (None, false, Vec::new()),
    }
}

pub(super) fn too_many(ids: &[ID]) -> Option<Vec<UserError>> {
    let refusal = check_batch(ids.len()).err()?;
    Some(vec![UserError::new(&refusal, &["ids"])])
}

pub(super) fn in_list(refused: &Refused) -> Vec<UserError> {
    refused
        .iter()
        .map(|(place, refusal)| UserError::new(refusal, &["ids", &place.to_string()]))
        .collect()
}

fn to_id(purged: &Purged) -> ID {
    ID(purged.id.0.to_string())
}
