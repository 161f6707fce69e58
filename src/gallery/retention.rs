//! Retention: what has lain in the trash long enough is purged, and events that are old enough are dropped.
//!
//! A pass is one small transaction after another, each of what is due at the moment: it may be torn anywhere, and the next
//! one, in whatever process, goes on from there. One process at a time does a batch; the others wait for their turn.

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

/// The images of one transaction.
const BATCH: u64 = 500;
/// How long a process that finds another one at work waits before it tries again.
const PAUSE: Duration = Duration::from_millis(100);
/// After so long without a turn the other process counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long things are kept: for ever where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Images in the trash, from when they were put there.
    pub trash: Option<Duration>,
    /// Events of the audit trail, from when they happened.
    pub events: Option<Duration>,
}

/// What a pass has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Images purged.
    pub images: u64,
    /// Events dropped.
    pub events: u64,
}

/// What is kept for a while.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Trash,
    Events,
}

impl Retention {
    /// Whether everything is kept for ever.
    pub fn is_off(self) -> bool {
        self == Self::default()
    }
}

impl Gallery {
    /// Bounds how long things are kept.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// How long things are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// From when on retention purges an image that was put in the trash at `deleted_at`: none while it is active, while the trash is kept for ever, or where it is
    /// not known since when the image has been there.
    pub fn purge_at(&self, deleted_at: Option<Timestamp>) -> Option<Timestamp> {
        let deleted_at = deleted_at?;
        let is_known = self.database.dialect().is_known(deleted_at);
        let age = self.retention.trash.filter(|_| is_known)?;
        Some(deleted_at.later_by(age))
    }

    /// Purges the images and drops the events whose time has come, until none is left, and counts them in `expired`: what
    /// was done is done, also when this fails halfway. An image that somebody holds at the moment is left for another
    /// pass. The trail names [`Caller::system`] as the one who did it.
    pub async fn expire(&self, expired: &mut Expired) -> Result<(), Error> {
        if let Some(age) = self.retention.trash {
            let before = now().earlier_by(age);
            self.expire_all(Kept::Trash, before, &mut expired.images)
                .await?;
        }
        if let Some(age) = self.retention.events {
            // Events are dropped by their positions, which they get when somebody looks: here it may be that nobody did.
            self.database.settled_trail().await?;
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
                    tracing::debug!("another process is at work on what is kept long enough");
                    sleep(PAUSE).await;
                }
                None => return Err(stuck().into()),
            }
        }
    }

    /// None when another process is at it.
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
        "another process has been at work on what is kept long enough for {seconds} s without an end"
    ))
}

/// Purges the next images that nobody holds. Whether their time has come is looked at once more when they are locked.
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
