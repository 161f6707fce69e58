//! `eraseUser`.

use async_graphql::{Context, Object, SimpleObject};

use crate::contract::argument::Flag;
use crate::contract::error::{Failure, Result};
use crate::contract::filter::user_id as checked_user_id;
use crate::contract::{caller, gallery};

/// With dryRun: how much there is; nothing is erased.
#[derive(Debug, SimpleObject)]
pub(super) struct EraseUserPayload {
    /// How many images this call purged, active or in the trash.
    image_count: i32,
    /// How many events of the trail this call made tombstones of, or dropped (`ERASURE_KEEPS_TRAIL`); those of the purges
    /// are among them.
    event_count: i32,
    /// Whether something is left; if so, call again. With dryRun: whether it takes several calls.
    has_more: bool,
}

#[derive(Debug, Default)]
pub(super) struct EraseMutation;

#[Object]
impl EraseMutation {
    /// Everything of one owner: images (purged), tags, keys, prompts; in the trail a tombstone under the same cursors, without
    /// owner, URL and actor. Service or open access only. In bounds (10,000 images, and the time of one call): call again
    /// while hasMore, also after the last writer of that owner has stopped.
    async fn erase_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The owner to erase.")] user_id: String,
        #[graphql(
            default,
            desc = "Whether to erase nothing, and only say how much there is."
        )]
        dry_run: Flag,
    ) -> Result<EraseUserPayload> {
        caller(ctx).require_access_to_everybody()?;
        let owner = checked_user_id(Some(&user_id))?;
        let owner = owner.ok_or_else(|| Failure::bad_input("userId is required".to_owned()))?;
        let erased = if dry_run.0 {
            Box::pin(gallery(ctx).find_erasable(caller(ctx), &owner)).await?
        } else {
            Box::pin(gallery(ctx).erase_user(caller(ctx), &owner)).await?
        };
        Ok(EraseUserPayload {
            image_count: to_int(erased.images),
            event_count: to_int(erased.events),
            has_more: erased.has_more,
        })
    }
}

fn to_int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
