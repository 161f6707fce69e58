//! Retention: purges images that were in the trash long enough, and deletes old events.
//!
//! A pass is a series of small transactions, each over the rows that are due at that time: it may be interrupted anywhere,
//! and the next pass of any process continues from there. One process at a time runs a batch; the others wait.

use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::trash::delete_rows;
use super::{Error, Gallery, now, visible};
use crate::auth::{Caller, Scope};
use crate::db::{self, UnitOfWork};
use crate::entity::{Timestamp, image};

/// Images per transaction.
const BATCH: u64 = 500;
/// Pause before a retry while another process holds the lock.
const PAUSE: Duration = Duration::from_millis(100);
/// After this time without the lock the pass fails: the other process may be stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// Retention periods; none keeps rows for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Of images in the trash, from their soft delete.
    pub trash: Option<Duration>,
    /// Of events of the audit trail, from when they occurred.
    pub events: Option<Duration>,
}

/// Counts of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Images purged.
    pub images: u64,
    /// Events dropped.
    pub events: u64,
}

/// The kind of rows that a batch deletes.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Trash,
    Events,
}

impl Retention {
    /// Whether retention is off.
    pub fn is_off(self) -> bool {
        self == Self::default()
    }
}

impl Gallery {
    /// The retention periods.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// When retention may purge an image that was deleted at `deleted_at`; none while it is active, where retention of the
    /// trash is off, and where the time of the soft delete is unknown.
    pub fn purge_at(&self, deleted_at: Option<Timestamp>) -> Option<Timestamp> {
        let deleted_at = deleted_at?;
        let is_known = self.database.dialect().is_known(deleted_at);
        let age = self.retention.trash.filter(|_| is_known)?;
        Some(deleted_at.later_by(age))
    }

    /// Purges the images and deletes the events that are due, until none is left, and counts them in `expired`, also when a
    /// later batch fails. A locked image is left for the next pass. The actor in the trail is [`Caller::system`].
    pub async fn expire(&self, expired: &mut Expired) -> Result<(), Error> {
        if let Some(age) = self.retention.trash {
            let before = now().earlier_by(age);
            self.expire_all(Kept::Trash, before, &mut expired.images)
                .await?;
        }
        if let Some(age) = self.retention.events {
            // Events are deleted by position, and get a position when the trail is read, which may not have happened yet.
            self.database.sequenced_trail().await?;
            let before = now().earlier_by(age);
            self.expire_all(Kept::Events, before, &mut expired.events)
                .await?;
        }
        Ok(())
    }

    async fn expire_all(
        &self,
        kept: Kept,
        before: Timestamp,
        count: &mut u64,
    ) -> Result<(), Error> {
        let mut last_turn = Instant::now();
        loop {
            match self.expire_batch(kept, before).await? {
                Some(0) => return Ok(()),
                Some(expired) => {
                    *count += expired;
                    last_turn = Instant::now();
                }
                None if last_turn.elapsed() < PATIENCE => {
                    tracing::debug!("another process holds the retention lock");
                    sleep(PAUSE).await;
                }
                None => return Err(stuck().into()),
            }
        }
    }

    /// None where another process holds the lock.
    async fn expire_batch(&self, kept: Kept, before: Timestamp) -> Result<Option<u64>, Error> {
        match kept {
            Kept::Events => Ok(self.database.prune_trail(before).await?),
            Kept::Trash => {
                let system = Caller::system();
                let scope = system.scope_of_everybody()?;
                self.database
                    .maintain(system.actor(), move |unit| {
                        let scope = scope.clone();
                        Box::pin(async move { purge_batch(unit, &scope, before).await })
                    })
                    .await
            }
        }
    }
}

fn stuck() -> db::Error {
    let seconds = PATIENCE.as_secs();
    db::Error::Unavailable(format!(
        "another process has held the retention lock for {seconds} s"
    ))
}

/// Purges the next images that are not locked, and checks again under the lock that they are due.
async fn purge_batch(
    unit: &UnitOfWork,
    scope: &Scope,
    before: Timestamp,
) -> Result<Option<u64>, Error> {
    if !unit.try_retention_lock().await? {
        return Ok(None);
    }
    let ids: Vec<Uuid> = visible(scope)
        .select_only()
        .column(image::Column::ImageId)
        .filter(image::Column::DeletedAt.is_not_null())
        .filter(unit.dialect().is_deleted_by(before))
        .order_by_asc(image::Column::DeletedAt)
        .order_by_asc(image::Column::ImageId)
        .limit(BATCH)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_tuple()
        .all(unit)
        .await?;
    let count = ids.len();
    delete_rows(unit, ids).await?;
    Ok(Some(u64::try_from(count).unwrap_or(u64::MAX)))
}
