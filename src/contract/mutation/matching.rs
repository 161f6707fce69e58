//! `softDeleteMatching`.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::undo::operation_id;
use crate::contract::argument::{Flag, TrueFlag};
use crate::contract::budget::count_rows;
use crate::contract::error::Result;
use crate::contract::filter::{ImageFilter, user_id as checked_user_id};
use crate::contract::image::{Image, columns};
use crate::contract::immediate::List;
use crate::contract::{caller, gallery};
use crate::gallery::{Columns, Matching, OwnerSelection};

/// matchingCount: how many there are, at most 10,000 are moved in one call; with dryRun nothing is, and sample shows
/// some.
#[derive(Debug, SimpleObject)]
pub(super) struct SoftDeleteMatchingPayload {
    /// How many images matched when the call began. Counted only when selected.
    matching_count: i32,
    /// The images that this call moved to the trash, the newest first; none with dryRun.
    soft_deleted_ids: Vec<ID>,
    /// With dryRun: the newest that match, at most 10; else empty.
    sample: List<Vec<Image>>,
    /// Whether some are left; if so, call again. With dryRun: whether one call would leave some.
    has_more: bool,
    /// For undo, which restores what this call moved; null when nothing changed.
    operation_id: Option<ID>,
}

#[derive(Debug, Default)]
pub(super) struct MatchingMutation;

#[Object]
impl MatchingMutation {
    /// Moves every active image that holds the filter to the trash, favourites only with `keepFavorites: false`. A filter
    /// without a condition is `BAD_USER_INPUT`. Whose: as emptyTrash. At most 10,000 in one call, in small transactions: call again while hasMore.
    async fn soft_delete_matching(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The owner of the images.")] user_id: Option<String>,
        #[graphql(default, desc = "Everybody's images; not together with userId.")] all: Flag,
        #[graphql(desc = "Conditions that each image must meet; at least one.")]
        filter: ImageFilter,
        #[graphql(default, desc = "Whether favourites stay in the gallery.")]
        keep_favorites: TrueFlag,
        #[graphql(
            default,
            desc = "Whether to move nothing, and only say what would be moved."
        )]
        dry_run: Flag,
    ) -> Result<SoftDeleteMatchingPayload> {
        caller(ctx).require_access()?;
        let owner = OwnerSelection {
            user_id: checked_user_id(user_id.as_deref())?,
            all: all.0,
        };
        let matching = Matching {
            owner,
            filter: filter.checked()?,
            keeps_favorites: keep_favorites.0,
        };
        let payload = ctx.field();
        if dry_run.0 {
            let sampled = payload
                .selection_set()
                .filter(|field| field.name() == "sample");
            let sampled = sampled.map(columns);
            let columns = sampled.fold(Columns::KEY, Columns::and);
            let found = gallery(ctx).find_matching(caller(ctx), &matching, columns);
            let found = Box::pin(found).await?;
            count_rows(ctx, &found.sample);
            let sample = Image::list(found.sample.into_iter().map(Arc::new));
            return Ok(SoftDeleteMatchingPayload {
                matching_count: to_int(found.count),
                soft_deleted_ids: Vec::new(),
                sample: List(sample),
                has_more: found.has_more,
                operation_id: None,
            });
        }
        let is_counted = payload
            .selection_set()
            .any(|field| field.name() == "matchingCount");
        let deleted = gallery(ctx).soft_delete_matching(caller(ctx), &matching, is_counted);
        let deleted = Box::pin(deleted).await?;
        Ok(SoftDeleteMatchingPayload {
            // Nobody reads it where it was not counted.
            matching_count: to_int(deleted.count.unwrap_or(0)),
            soft_deleted_ids: deleted.ids.iter().map(|id| ID(id.to_string())).collect(),
            sample: List(Vec::new()),
            has_more: deleted.has_more,
            operation_id: deleted.operation.map(operation_id),
        })
    }
}

fn to_int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
