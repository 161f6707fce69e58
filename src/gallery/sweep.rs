//! Purging or restoring the whole trash in small transactions: memory and lock times are bounded, whatever its size.

use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::trash::delete_rows;
use super::{ArgumentError, Error, Gallery, now, visible};
use crate::auth::{Caller, Scope, UserId};
use crate::db::UnitOfWork;
use crate::entity::{Timestamp, image};

/// Maximum number of images per call.
pub(super) const MAX_IMAGES: usize = 10_000;
/// Images per transaction.
pub(super) const BATCH: u64 = 500;
/// Maximum time in which a call starts new transactions, whatever the request timeout.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The time in which a call starts new transactions: its result must be sent within the request timeout.
pub(super) fn time_within(request_time: Duration) -> Duration {
    MAX_TIME.min(request_time / 2)
}

/// Whose images a bulk call is about. It must be explicit: `all`, an owner's id, or the caller's own.
#[derive(Clone, Debug, Default)]
pub struct OwnerSelection {
    /// The owner.
    pub user_id: Option<UserId>,
    /// All owners.
    pub all: bool,
}

/// The owner and the part of the trash.
#[derive(Clone, Debug, Default)]
pub struct TrashSelection {
    /// Whose trash.
    pub owner: OwnerSelection,
    /// Only images that were deleted before this instant.
    pub deleted_before: Option<Timestamp>,
    /// Only images that were deleted at this instant or later.
    pub deleted_after: Option<Timestamp>,
}

/// The result of a call.
#[derive(Clone, Debug, Default)]
pub struct BulkOutcome {
    /// The images, longest in the trash first.
    pub ids: Vec<Uuid>,
    /// Whether more images match.
    pub has_more: bool,
}

#[derive(Clone, Copy, Debug)]
enum BulkAction {
    Purge,
    Restore,
}

impl Gallery {
    /// Purges at most 10,000 images from the trash. A failure after the first commit ends the call and is not an error: the
    /// images so far are returned.
    pub async fn empty_trash(
        &self,
        caller: &Caller,
        sweep: TrashSelection,
    ) -> Result<BulkOutcome, Error> {
        self.sweep(caller, sweep, BulkAction::Purge).await
    }

    /// The images that one call of [`Gallery::empty_trash`] would purge. Changes nothing.
    pub async fn find_purgeable(
        &self,
        caller: &Caller,
        sweep: &TrashSelection,
    ) -> Result<BulkOutcome, Error> {
        let scope = sweep.owner.scope(caller)?;
        let condition = sweep.condition();
        let limit = u64::try_from(MAX_IMAGES).unwrap_or(u64::MAX);
        let ids = self.database.read(move |unit| {
            let rows = oldest_first(&scope, condition.clone()).limit(limit.saturating_add(1));
            Box::pin(async move { Ok::<Vec<Uuid>, Error>(rows.into_tuple().all(unit).await?) })
        });
        let mut ids = ids.await?;
        let has_more = ids.len() > MAX_IMAGES;
        ids.truncate(MAX_IMAGES);
        Ok(BulkOutcome { ids, has_more })
    }

    /// Restores at most 10,000 images from the trash; like [`Gallery::empty_trash`].
    pub async fn restore_trash(
        &self,
        caller: &Caller,
        sweep: TrashSelection,
    ) -> Result<BulkOutcome, Error> {
        self.sweep(caller, sweep, BulkAction::Restore).await
    }

    async fn sweep(
        &self,
        caller: &Caller,
        sweep: TrashSelection,
        verb: BulkAction,
    ) -> Result<BulkOutcome, Error> {
        let scope = sweep.owner.scope(caller)?;
        let condition = sweep.condition();
        let deadline = Instant::now() + self.sweep_time;
        let mut swept = BulkOutcome::default();
        while swept.ids.len() < MAX_IMAGES && Instant::now() < deadline {
            let (scope, condition) = (scope.clone(), condition.clone());
            let batch = self
                .database
                .write(caller.actor(), move |unit| {
                    let (scope, condition) = (scope.clone(), condition.clone());
                    Box::pin(async move { sweep_batch(unit, &scope, condition, verb).await })
                })
                .await;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if swept.ids.is_empty() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, images = swept.ids.len(), "a bulk change of the trash failed after its first transactions");
                    swept.has_more = true;
                    return Ok(swept);
                }
            };
            if batch.is_empty() {
                break;
            }
            swept.ids.extend(batch);
        }
        swept.has_more = match self.has_some(scope, condition).await {
            Ok(has_more) => has_more,
            Err(error) if swept.ids.is_empty() => return Err(error),
            Err(error) => {
                tracing::error!(%error, "could not read whether the trash has more images");
                true
            }
        };
        Ok(swept)
    }

    async fn has_some(&self, scope: Scope, condition: Condition) -> Result<bool, Error> {
        self.database
            .read(move |unit| {
                let rows = visible(&scope).filter(condition.clone()).limit(1);
                Box::pin(async move { Ok(rows.one(unit).await?.is_some()) })
            })
            .await
    }
}

impl OwnerSelection {
    pub(super) fn scope(&self, caller: &Caller) -> Result<Scope, Error> {
        // Access is checked first: a caller without it learns nothing else.
        match self.user_id.clone() {
            Some(owner) => caller.require_access_to(owner)?,
            None => caller.require_access()?,
        }
        let own = || caller.own_id().cloned();
        match (self.user_id.clone(), self.all) {
            (Some(_), true) => Err(ArgumentError::OwnerAndEverybody.into()),
            (None, true) => Ok(caller.scope_of_everybody()?),
            (user_id, false) => user_id.or_else(own).map_or_else(
                || Err(ArgumentError::NoOwner.into()),
                |user_id| Ok(caller.scope(Some(user_id))?),
            ),
        }
    }
}

impl TrashSelection {
    fn condition(&self) -> Condition {
        let deleted_at = image::Column::DeletedAt;
        Condition::all()
            .add(deleted_at.is_not_null())
            .add_option(self.deleted_before.map(|instant| deleted_at.lt(instant)))
            .add_option(self.deleted_after.map(|instant| deleted_at.gte(instant)))
    }
}

/// The ids of the images of the trash, longest in the trash first.
fn oldest_first(scope: &Scope, condition: Condition) -> Select<image::Entity> {
    visible(scope)
        .select_only()
        .column(image::Column::ImageId)
        .filter(condition)
        .order_by_asc(image::Column::DeletedAt)
        .order_by_asc(image::Column::ImageId)
}

/// Locks the next rows that are not locked.
async fn sweep_batch(
    unit: &UnitOfWork,
    scope: &Scope,
    condition: Condition,
    verb: BulkAction,
) -> Result<Vec<Uuid>, Error> {
    let ids: Vec<Uuid> = oldest_first(scope, condition)
        .limit(BATCH)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_tuple()
        .all(unit)
        .await?;
    match verb {
        BulkAction::Purge => delete_rows(unit, ids.clone()).await?,
        BulkAction::Restore => restore_rows(unit, ids.clone()).await?,
    }
    Ok(ids)
}

async fn restore_rows(unit: &UnitOfWork, ids: Vec<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let update = image::Entity::update_many()
        .col_expr(image::Column::DeletedAt, Option::<Timestamp>::None.into())
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now()),
        )
        .filter(image::Column::ImageId.is_in(ids))
        .into_query();
    unit.execute(&update).await?;
    Ok(())
}
