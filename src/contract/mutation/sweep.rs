//! `emptyTrash`, `restoreTrash`.

use async_graphql::{Context, ID, Object, SimpleObject};

use crate::contract::argument::Flag;
use crate::contract::error::Result;
use crate::contract::filter::user_id as checked_user_id;
use crate::contract::scalar::DateTime;
use crate::contract::{caller, gallery};
use crate::gallery::{BulkOutcome, OwnerSelection, TrashSelection};

/// hasMore: the bound of one call (10,000 images, or its time) was reached; call again.
#[derive(Debug, SimpleObject)]
pub(super) struct EmptyTrashPayload {
    /// How many images this call purged; with dryRun, would purge.
    purged_count: i32,
    /// Their ids, longest in the trash first.
    purged_ids: Vec<ID>,
    /// Whether some are left; if so, call again. With dryRun: whether one call would leave some.
    has_more: bool,
}

/// hasMore: the bound of one call (10,000 images, or its time) was reached; call again.
#[derive(Debug, SimpleObject)]
pub(super) struct RestoreTrashPayload {
    /// How many images this call restored.
    restored_count: i32,
    /// Their ids, longest in the trash first.
    restored_ids: Vec<ID>,
    /// Whether some are left; if so, call again.
    has_more: bool,
}

#[derive(Debug, Default)]
pub(super) struct SweepMutation;

#[Object]
impl SweepMutation {
    /// Purges the caller's own trash, or that of userId. Everybody's only with all: true and open or service access.
    /// `BAD_USER_INPUT`: both userId and all, or neither of them from a caller who is not a user. deletedBefore is
    /// exclusive. With dryRun nothing is purged, and the payload says what would be.
    async fn empty_trash(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The owner of the trash.")] user_id: Option<String>,
        #[graphql(default, desc = "Everybody's trash; not together with userId.")] all: Flag,
        #[graphql(desc = "Only images moved to the trash before this time.")]
        deleted_before: Option<DateTime>,
        #[graphql(
            default,
            desc = "Whether to purge nothing, and only say what would be purged."
        )]
        dry_run: Flag,
    ) -> Result<EmptyTrashPayload> {
        caller(ctx).require_access()?;
        let sweep = TrashSelection {
            owner: OwnerSelection {
                user_id: checked_user_id(user_id.as_deref())?,
                all: all.0,
            },
            deleted_before: deleted_before.map(|instant| instant.0),
            deleted_after: None,
        };
        let swept = if dry_run.0 {
            Box::pin(gallery(ctx).find_purgeable(caller(ctx), &sweep)).await?
        } else {
            Box::pin(gallery(ctx).empty_trash(caller(ctx), sweep)).await?
        };
        let (purged_count, purged_ids) = counted(&swept);
        Ok(EmptyTrashPayload {
            purged_count,
            purged_ids,
            has_more: swept.has_more,
        })
    }

    /// Restores the caller's own trash, or that of userId, or everybody's, as emptyTrash does. deletedAfter is
    /// inclusive.
    async fn restore_trash(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The owner of the trash.")] user_id: Option<String>,
        #[graphql(default, desc = "Everybody's trash; not together with userId.")] all: Flag,
        #[graphql(desc = "Only images moved to the trash at this time or later.")]
        deleted_after: Option<DateTime>,
    ) -> Result<RestoreTrashPayload> {
        caller(ctx).require_access()?;
        let sweep = TrashSelection {
            owner: OwnerSelection {
                user_id: checked_user_id(user_id.as_deref())?,
                all: all.0,
            },
            deleted_before: None,
            deleted_after: deleted_after.map(|instant| instant.0),
        };
        let swept = Box::pin(gallery(ctx).restore_trash(caller(ctx), sweep)).await?;
        let (restored_count, restored_ids) = counted(&swept);
        Ok(RestoreTrashPayload {
            restored_count,
            restored_ids,
            has_more: swept.has_more,
        })
    }
}

fn counted(swept: &BulkOutcome) -> (i32, Vec<ID>) {
    let ids: Vec<ID> = swept.ids.iter().map(|id| ID(id.to_string())).collect();
    (i32::try_from(ids.len()).unwrap_or(i32::MAX), ids)
}
