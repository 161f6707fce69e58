//! The state of the gallery for monitoring. Values that cannot be read are left out.

use std::time::Duration;

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tokio::time::timeout;

use super::{Error, Gallery, now, visible};
use crate::auth::Caller;
use crate::db::Pool;
use crate::entity::image;

/// Timeout of the query.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Rows are counted up to this number.
const MAX_COUNT: u64 = 10_001;

/// The state of the gallery.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The connection pools.
    pub pools: Vec<Pool>,
    /// Subscribers of this process.
    pub subscribers: usize,
    /// How up to date they are; none without subscribers.
    pub feed: Option<FeedSnapshot>,
    /// What the database reports; none where it does not answer.
    pub stored: Option<StoredSnapshot>,
}

/// How up to date the subscribers of this process are.
#[derive(Clone, Copy, Debug)]
pub struct FeedSnapshot {
    /// The last position of the trail that was delivered to them.
    pub position: i64,
    /// Time since the trail was last read.
    pub looked_ago: Duration,
}

/// What the database reports.
#[derive(Clone, Copy, Debug)]
pub struct StoredSnapshot {
    /// The last position of the trail.
    pub last_position: i64,
    /// Committed events without a position, counted up to 10,001.
    pub waiting_events: i64,
    /// Images in the trash that retention may purge, counted up to 10,001; none where retention is off.
    pub overdue_images: Option<u64>,
}

impl Gallery {
    /// Reads the state. Waits at most three seconds for the database.
    pub async fn snapshot(&self) -> Snapshot {
        let pools = self.database.pools();
        let stored = match timeout(READ_TIMEOUT, self.stored_snapshot()).await {
            Ok(Ok(stored)) => Some(stored),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the state of the database could not be read");
                None
            }
            Err(_late) => {
                tracing::warn!("the state of the database could not be read in time");
                None
            }
        };
        Snapshot {
            pools,
            subscribers: self.subscriber_count(),
            feed: self.feed.snapshot(),
            stored,
        }
    }

    async fn stored_snapshot(&self) -> Result<StoredSnapshot, Error> {
        let scope = Caller::system().scope_of_everybody()?;
        let before = self.retention().trash.map(|age| now().earlier_by(age));
        self.database
            .read_primary(move |unit| {
                let scope = scope.clone();
                Box::pin(async move {
                    let trail = unit.trail_snapshot().await?;
                    let overdue_images = match before {
                        Some(before) => {
                            let overdue = visible(&scope)
                                .select_only()
                                .column(image::Column::ImageId)
                                .filter(image::Column::DeletedAt.is_not_null())
                                .filter(unit.dialect().is_deleted_by(before))
                                .limit(MAX_COUNT);
                            Some(overdue.count(unit).await?)
                        }
                        None => None,
                    };
                    Ok(StoredSnapshot {
                        last_position: trail.last_position,
                        waiting_events: trail.waiting_events,
                        overdue_images,
                    })
                })
            })
            .await
    }
}
