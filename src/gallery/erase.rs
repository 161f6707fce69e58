//! Erasing an owner: the images are purged, and the trail keeps their events without owner, URL and actor, or drops them.
//! In small transactions: memory and lock times are bounded, and repeated calls continue where the last one ended.

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{DbErr, QueryOrder, QuerySelect};
use tokio::time::Instant;
use uuid::Uuid;

use super::sweep::{BATCH, MAX_IMAGES};
use super::trash::delete_rows;
use super::{Error, Gallery, visible};
use crate::auth::{Caller, Scope, UserId};
use crate::db::{Sql, UnitOfWork};
use crate::entity::image;

pub use crate::db::ErasedEvents;

/// What was erased, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Images, in the trash or not.
    pub images: u64,
    /// Events of the trail, with those of the purges.
    pub events: u64,
    /// Whether something may be left.
    pub has_more: bool,
}

/// In this order: a purge writes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Images,
    Keys,
    Events,
    Actor,
    DeletedWords,
}

impl Step {
    const ALL: [Self; 5] = [
        Self::Images,
        Self::Keys,
        Self::Events,
        Self::Actor,
        Self::DeletedWords,
    ];
}

impl Gallery {
    /// Erases an owner, at most 10,000 images in one call; for callers with access to everybody's images. A failure after
    /// the first commit ends the call and is not an error: what was erased so far is returned.
    pub async fn erase_user(&self, caller: &Caller, owner: &UserId) -> Result<Erasure, Error> {
        caller.require_access_to_everybody()?;
        let deadline = Instant::now() + self.sweep_time;
        let mut erased = Erasure {
            has_more: true,
            ..Erasure::default()
        };
        for step in Step::ALL {
            loop {
                let count = match self.erase_batch(caller, owner, step).await {
                    Ok(count) => count,
                    Err(error) if erased.is_nothing() => return Err(error),
                    Err(error) => {
                        tracing::error!(%error, "an erasure failed after its first transactions");
                        return Ok(erased);
                    }
                };
                erased.add(step, count);
                if count == 0 {
                    break;
                }
                if erased.is_at_its_bound() || Instant::now() >= deadline {
                    return Ok(erased);
                }
            }
        }
        erased.has_more = match self.find_erasable(caller, owner).await {
            Ok(left) => !left.is_nothing(),
            Err(error) => {
                tracing::error!(%error, "could not read whether something of the owner is left");
                true
            }
        };
        Ok(erased)
    }

    /// What [`Gallery::erase_user`] would erase, in as many calls as it takes. Changes nothing.
    pub async fn find_erasable(&self, caller: &Caller, owner: &UserId) -> Result<Erasure, Error> {
        caller.require_access_to_everybody()?;
        let owner = owner.as_str();
        let mut sql = Sql::new(
            self.database.dialect(),
            "SELECT (SELECT count(*) FROM image_gallery WHERE user_id = ",
        );
        sql.value(owner)
            .text("), (SELECT count(*) FROM image_gallery_event WHERE user_id = ")
            .value(owner)
            .text(") + (SELECT count(*) FROM image_gallery_event WHERE actor = ")
            .value(owner)
            .text(" AND user_id <> ")
            .value(owner)
            .text(")");
        let rows = self.all_rows(sql.into_statement()).await?;
        let row = rows.first();
        let number = |place| {
            let number = row
                .map(|row| row.try_get_by_index::<i64>(place))
                .transpose()?;
            Ok::<u64, DbErr>(number.map_or(0, i64::unsigned_abs))
        };
        let (images, events) = (number(0)?, number(1)?);
        Ok(Erasure {
            images,
            events,
            has_more: usize::try_from(images).map_or(true, |images| images > MAX_IMAGES),
        })
    }

    /// The number of rows; 0 once there is nothing left to do.
    async fn erase_batch(&self, caller: &Caller, owner: &UserId, step: Step) -> Result<u64, Error> {
        let scope = caller.scope(Some(owner.clone()))?;
        let (owner, erased_events) = (owner.clone(), self.erased_events);
        self.database
            .write(caller.actor(), move |unit| {
                let (scope, owner) = (scope.clone(), owner.clone());
                Box::pin(async move {
                    let owner = owner.as_str();
                    Ok(match step {
                        Step::Images => purge_batch(unit, &scope).await?,
                        Step::Keys => unit.erase_keys_of(owner).await?,
                        Step::Events => unit.erase_events_of(owner, erased_events).await?,
                        Step::Actor => unit.erase_actor(owner).await?,
                        Step::DeletedWords => unit.erase_deleted_words().await?.into(),
                    })
                })
            })
            .await
    }
}

impl Erasure {
    fn is_nothing(self) -> bool {
        self.images == 0 && self.events == 0
    }

    fn is_at_its_bound(self) -> bool {
        usize::try_from(self.images).map_or(true, |images| images >= MAX_IMAGES)
    }

    fn add(&mut self, step: Step, count: u64) {
        match step {
            Step::Images => self.images += count,
            Step::Events | Step::Actor => self.events += count,
            Step::Keys | Step::DeletedWords => {}
        }
    }
}

/// Purges the next images that are not locked.
async fn purge_batch(unit: &UnitOfWork, scope: &Scope) -> Result<u64, Error> {
    let ids: Vec<Uuid> = visible(scope)
        .select_only()
        .column(image::Column::ImageId)
        .order_by_asc(image::Column::ImageId)
        .limit(BATCH)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_tuple()
        .all(unit)
        .await?;
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    delete_rows(unit, ids).await?;
    Ok(count)
}
