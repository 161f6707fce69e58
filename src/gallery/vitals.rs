//! What an operator wants to know of the gallery at a moment. What cannot be read is left out.

use std::time::Duration;

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tokio::time::timeout;

use super::{Error, Gallery, now, visible};
use crate::auth::Caller;
use crate::db::Pool;
use crate::entity::image;

/// How long the database may take to answer.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Beyond that nobody counts.
const COUNTED_AT_MOST: u64 = 10_001;

/// The state of things.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// How busy the connections to the database are.
    pub pools: Vec<Pool>,
    /// Who follows the trail through this process.
    pub subscribers: usize,
    /// How up to date they are; none where nobody follows.
    pub feed: Option<FeedVitals>,
    /// What the database says; none where it does not.
    pub stored: Option<StoredVitals>,
}

/// How up to date the subscribers of this process are.
#[derive(Clone, Copy, Debug)]
pub struct FeedVitals {
    /// Up to which position of the trail they are told.
    pub position: i64,
    /// Since the trail was last looked at.
    pub looked_ago: Duration,
}

/// What the database says.
#[derive(Clone, Copy, Debug)]
pub struct StoredVitals {
    /// The last position that an event of the trail was given.
    pub last_position: i64,
    /// Committed events that have none yet, counted up to 10,001.
    pub waiting_events: i64,
    /// Images whose time in the trash is over, counted up to 10,001; none where retention is off.
    pub overdue_images: Option<u64>,
}

impl Gallery {
    /// Looks at everything. Never waits for the database for more than three seconds.
    pub async fn vitals(&self) -> Vitals {
        let pools = self.database.pools();
        let stored = match timeout(READ_TIMEOUT, self.stored_vitals()).await {
            Ok(Ok(stored)) => Some(stored),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database does not say how it is");
                None
            }
            Err(_late) => {
                tracing::warn!("the database does not say in time how it is");
                None
            }
        };
        Vitals {
            pools,
            subscribers: self.subscriber_count(),
            feed: self.feed.vitals(),
            stored,
        }
    }

    async fn stored_vitals(&self) -> Result<StoredVitals, Error> {
        let scope = Caller::system().scope_of_everybody()?;
        let before = self.retention().trash.map(|age| now().earlier_by(age));
        self.database
            .read_primary(move |unit| {
                let scope = scope.clone();
                Box::pin(async move {
                    let trail = unit.trail_vitals().await?;
                    let overdue_images = match before {
                        Some(before) => {
                            let overdue = visible(&scope)
                                .select_only()
                                .column(image::Column::ImageId)
                                .filter(image::Column::DeletedAt.is_not_null())
                                .filter(unit.dialect().is_deleted_by(before))
                                .limit(COUNTED_AT_MOST);
                            Some(overdue.count(unit).await?)
                        }
                        None => None,
                    };
                    Ok(StoredVitals {
                        last_position: trail.last_position,
                        waiting_events: trail.waiting_events,
                        overdue_images,
                    })
                })
            })
            .await
    }
}
