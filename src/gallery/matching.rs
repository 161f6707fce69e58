//! Moving to the trash whatever holds a filter, in small transactions: memory and lock times are bounded, however many
//! images match.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use tokio::time::Instant;
use uuid::Uuid;

use super::list::{NEWEST_FIRST, Rows};
use super::page::{End, SortKey};
use super::sweep::{BATCH, MAX_IMAGES};
use super::undo::OperationId;
use super::{
    ArgumentError, Collection, Columns, Error, Filter, Gallery, OwnerSelection, Page, PartialImage,
    Parts, now, returning_ids,
};
use crate::auth::Caller;
use crate::db::{Signature, UnitOfWork};
use crate::entity::image;

/// Maximum number of images in [`MatchingFound::sample`].
pub const MAX_SAMPLE: usize = 10;

/// Which images to move to the trash.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Whose images.
    pub owner: OwnerSelection,
    /// Conditions that each image must meet; at least one.
    pub filter: Filter,
    /// Whether favourites stay.
    pub keeps_favorites: bool,
}

/// The images that were moved to the trash.
#[derive(Clone, Debug, Default)]
pub struct MatchingDeleted {
    /// How many images matched before; none if that was not asked for.
    pub count: Option<u64>,
    /// The images that were moved, the newest first.
    pub ids: Vec<Uuid>,
    /// Whether more images match.
    pub has_more: bool,
    /// The operation, for [`Gallery::undo`]; none if no image was moved.
    pub operation: Option<OperationId>,
}

/// The images that would be moved to the trash.
#[derive(Clone, Debug, Default)]
pub struct MatchingFound {
    /// How many images match.
    pub count: u64,
    /// The newest of them.
    pub sample: Vec<PartialImage>,
    /// Whether one call would leave some.
    pub has_more: bool,
}

impl Gallery {
    /// Moves at most 10,000 active images that hold the filter to the trash, as one operation, the newest first. A
    /// failure after the first commit ends the call and is not an error: the images so far are returned. An image that
    /// another transaction has locked is left for the next call.
    pub async fn soft_delete_matching(
        &self,
        caller: &Caller,
        matching: &Matching,
        is_counted: bool,
    ) -> Result<MatchingDeleted, Error> {
        let rows = self.matching(caller, matching)?;
        let mut deleted = MatchingDeleted::default();
        if is_counted {
            deleted.count = Some(self.count_rows(&rows).await?);
        }
        let operation = OperationId::new();
        let signature = Signature::for_operation(caller.actor(), operation.0);
        // The first batch is done in any case, so that repeated calls come to an end.
        let deadline = Instant::now() + self.sweep_time;
        let mut after = None;
        loop {
            let batch = match self.delete_batch(&signature, &rows, after).await {
                Ok(batch) => batch,
                Err(error) if deleted.ids.is_empty() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, images = deleted.ids.len(), "a soft delete by filter failed after its first transactions");
                    deleted.has_more = true;
                    return Ok(deleted);
                }
            };
            deleted.ids.extend(batch.ids);
            after = batch.last;
            if !deleted.ids.is_empty() {
                deleted.operation = Some(operation);
            }
            if after.is_none() || deleted.ids.len() >= MAX_IMAGES || Instant::now() >= deadline {
                break;
            }
        }
        deleted.has_more = match self.read_page(&rows, &newest(0), KEYS).await {
            Ok(rest) => rest.has_more,
            Err(error) if deleted.ids.is_empty() => return Err(error),
            Err(error) => {
                tracing::error!(%error, "could not read whether more images match");
                true
            }
        };
        Ok(deleted)
    }

    /// The images that [`Gallery::soft_delete_matching`] would move. Changes nothing.
    pub async fn find_matching(
        &self,
        caller: &Caller,
        matching: &Matching,
        columns: Columns,
    ) -> Result<MatchingFound, Error> {
        let rows = self.matching(caller, matching)?;
        let parts = Parts {
            columns,
            total_count: true,
            ..KEYS
        };
        let limit = u64::try_from(MAX_SAMPLE).unwrap_or(u64::MAX);
        let slice = self.read_page(&rows, &newest(limit), parts).await?;
        // None on an empty page.
        let count = slice.total_count.unwrap_or(0);
        Ok(MatchingFound {
            count,
            sample: slice.images,
            has_more: usize::try_from(count).map_or(true, |count| count > MAX_IMAGES),
        })
    }

    fn matching(&self, caller: &Caller, matching: &Matching) -> Result<Rows, Error> {
        let scope = matching.owner.scope(caller)?;
        let rows = self.rows_in(scope, Collection::Active, &matching.filter);
        if rows.has_no_condition() {
            return Err(ArgumentError::NoCondition.into());
        }
        Ok(if matching.keeps_favorites {
            rows.without_favorites()
        } else {
            rows
        })
    }

    async fn delete_batch(
        &self,
        signature: &Signature,
        rows: &Rows,
        after: Option<SortKey>,
    ) -> Result<Batch, Error> {
        let rows = rows.clone();
        self.database
            .write(signature.clone(), move |unit| {
                let rows = rows.clone();
                Box::pin(async move { delete_batch(unit, &rows, after).await })
            })
            .await
    }
}

/// Nothing but the ids of a page.
const KEYS: Parts = Parts {
    columns: Columns::KEY,
    total_count: false,
    has_before: false,
    has_behind: false,
};

fn newest(limit: u64) -> Page {
    Page {
        order: NEWEST_FIRST,
        after: None,
        before: None,
        limit,
        end: End::Front,
    }
}

struct Batch {
    ids: Vec<Uuid>,
    /// The last row, unless there were none.
    last: Option<SortKey>,
}

/// Moves the next rows behind a sort key, of those that are not locked. Does not begin at the newest each time, which
/// would read all that does not match again.
async fn delete_batch(
    unit: &UnitOfWork,
    rows: &Rows,
    after: Option<SortKey>,
) -> Result<Batch, Error> {
    let columns = Columns::of(&[NEWEST_FIRST.column()]);
    let found = unit
        .query_all_raw(rows.lock_newest(columns, after, BATCH))
        .await?;
    let found = found.iter().map(|row| columns.read(row));
    let found: Vec<PartialImage> = found.collect::<Result<_, _>>()?;
    let keys = found.iter().map(|row| NEWEST_FIRST.sort_key(row));
    let keys: Vec<SortKey> = keys.flatten().collect();
    let last = keys.last().copied();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.id).collect();
    if ids.is_empty() {
        return Ok(Batch { ids, last });
    }
    let now = now();
    let mut update = image::Entity::update_many()
        .col_expr(image::Column::DeletedAt, Some(now).into())
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now),
        )
        .filter(image::Column::ImageId.is_in(ids.clone()))
        .into_query();
    unit.query_all(update.returning(returning_ids(unit)))
        .await?;
    Ok(Batch { ids, last })
}
