//! Undo: restores what one soft delete moved to the trash.
//!
//! The trail knows which images those are: each event of a soft delete has the operation of its call. For a batch of
//! them, in one transaction:
//!
//! 1. The rows are locked, so that nobody changes them any more.
//! 2. The last event of each image says what has become of it. If it is the operation's soft delete, nobody has touched
//!    the image since, and it is restored. If it is the operation's restore, an earlier call has restored it. With any
//!    other event it is left alone.
//!
//! The events of the restore have the same operation, so a call whose answer was lost, or that was interrupted between
//! two batches, can be repeated.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::trail::recorded;
use super::{Error, Gallery, Refusal, hyphenated, is_in_scope, now, returning_ids, visible};
use crate::auth::{Caller, Scope};
use crate::db::{Signature, UnitOfWork};
use crate::entity::gallery_event::{self, Kind};
use crate::entity::{Timestamp, image};

/// Images per transaction.
const BATCH: u64 = 500;

/// One call that moved images to the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationId(pub Uuid);

impl OperationId {
    /// A new one.
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// Parses the hyphenated form, in any letter case; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hyphenated(text).map(Self)
    }
}

/// The result of [`Gallery::undo`], by image id.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// Restored by this call or an earlier one.
    pub restored: Vec<Uuid>,
    /// Restored otherwise, changed or purged since.
    pub left_alone: Vec<Uuid>,
}

impl Gallery {
    /// Restores the images that the operation moved to the trash, of those that the caller may see, unless they have
    /// changed since. None is not an id.
    ///
    /// # Errors
    /// After an error some of the images may have been restored; a repeat continues.
    pub async fn undo(
        &self,
        caller: &Caller,
        operation: Option<OperationId>,
    ) -> Result<Result<Undone, Refusal>, Error> {
        let scope = caller.scope(None)?;
        let Some(OperationId(operation)) = operation else {
            return Ok(Err(Refusal::OperationNotFound));
        };
        let mut undone = Undone::default();
        let mut after = None;
        loop {
            let scope = scope.clone();
            let signature = Signature::for_operation(caller.actor(), operation);
            let batch = self
                .database
                .write(signature, move |unit| {
                    let scope = scope.clone();
                    Box::pin(async move { undo_batch(unit, &scope, operation, after).await })
                })
                .await?;
            undone.restored.extend(batch.undone.restored);
            undone.left_alone.extend(batch.undone.left_alone);
            if batch.next.is_none() {
                break;
            }
            after = batch.next;
        }
        if undone.restored.is_empty() && undone.left_alone.is_empty() {
            return Ok(Err(Refusal::OperationNotFound));
        }
        Ok(Ok(undone))
    }
}

struct Batch {
    undone: Undone,
    /// The last image of the batch, if there may be more.
    next: Option<Uuid>,
}

async fn undo_batch(
    unit: &UnitOfWork,
    scope: &Scope,
    operation: Uuid,
    after: Option<Uuid>,
) -> Result<Batch, Error> {
    let ids = next_of_operation(unit, scope, operation, after).await?;
    let is_full = u64::try_from(ids.len()).is_ok_and(|length| length >= BATCH);
    let next = ids.last().copied().filter(|_| is_full);
    let mut undone = Undone::default();
    if ids.is_empty() {
        return Ok(Batch { undone, next });
    }
    lock(unit, scope, ids.clone()).await?;
    let last = last_events(unit, ids.clone()).await?;
    let is_last = |id: &Uuid, kind| last.get(id) == Some(&(kind, Some(operation)));
    let untouched = ids.iter().filter(|id| is_last(id, Kind::SoftDeleted));
    let restored = restore_rows(unit, scope, untouched.copied().collect()).await?;
    for id in ids {
        if restored.contains(&id) || is_last(&id, Kind::Restored) {
            undone.restored.push(id);
        } else {
            undone.left_alone.push(id);
        }
    }
    Ok(Batch { undone, next })
}

/// The column of the trail.
fn operation_column() -> SimpleExpr {
    Expr::col((gallery_event::Entity, "operation"))
}

/// The next images that an operation moved to the trash, events without a position included.
async fn next_of_operation(
    unit: &UnitOfWork,
    scope: &Scope,
    operation: Uuid,
    after: Option<Uuid>,
) -> Result<Vec<Uuid>, Error> {
    let column = gallery_event::Column::ImageId;
    let mut moved = recorded(scope)
        .select_only()
        .column(column)
        .filter(operation_column().eq(operation))
        .filter(gallery_event::Column::Kind.eq(Kind::SoftDeleted))
        .order_by_asc(column)
        .limit(BATCH);
    if let Some(after) = after {
        moved = moved.filter(column.gt(after));
    }
    Ok(moved.into_tuple().all(unit).await?)
}

/// The kind and the operation of the last event of each image, events without a position included.
async fn last_events(
    unit: &UnitOfWork,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, (Kind, Option<Uuid>)>, Error> {
    // Of all owners: an image may have been purged, and stored anew by another owner.
    let every_event = Scope::unchecked("whether anybody has changed an image since");
    let order = unit.dialect().order_of_events();
    let numbered = recorded(&every_event)
        .select_only()
        .column(gallery_event::Column::ImageId)
        .column(gallery_event::Column::Kind)
        .expr_as(operation_column(), "operation")
        .expr_as(
            Expr::cust(format!(
                "ROW_NUMBER() OVER (PARTITION BY image_id ORDER BY {order} DESC)"
            )),
            "place",
        )
        .filter(gallery_event::Column::ImageId.is_in(ids))
        .into_query();
    let mut last = Query::select();
    last.column(Asterisk)
        .from_subquery(numbered, "numbered")
        .and_where(Expr::col(("numbered", "place")).eq(1));
    let rows = unit.query_all(&last).await?;
    let rows = rows.iter().map(|row| {
        let event = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        Ok((row.try_get_by_index(0)?, event))
    });
    rows.collect()
}

/// Locks the rows of these images until the transaction ends.
async fn lock(unit: &UnitOfWork, scope: &Scope, ids: Vec<Uuid>) -> Result<(), Error> {
    let rows = visible(scope)
        .select_only()
        .column(image::Column::ImageId)
        .filter(image::Column::ImageId.is_in(ids))
        .order_by_asc(image::Column::ImageId)
        .lock_exclusive();
    rows.into_tuple::<Uuid>().all(unit).await?;
    Ok(())
}

/// Restores locked rows, and returns the ids of those that were in the trash.
async fn restore_rows(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
) -> Result<HashSet<Uuid>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let mut update = image::Entity::update_many()
        .col_expr(image::Column::DeletedAt, Option::<Timestamp>::None.into())
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now()),
        )
        .filter(is_in_scope(scope))
        .filter(image::Column::ImageId.is_in(ids))
        .filter(image::Column::DeletedAt.is_not_null())
        .into_query();
    let rows = unit
        .query_all(update.returning(returning_ids(unit)))
        .await?;
    let ids = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(ids.collect::<Result<_, _>>()?)
}
