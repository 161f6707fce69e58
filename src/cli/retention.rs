//! What `serve` does beside serving: dropping what has been kept long enough, on start and hourly.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::gallery::Gallery;

const INTERVAL: Duration = Duration::from_hours(1);

/// Prunes the trail until it is dropped; a pass that is under way is one transaction after another, and may end anywhere.
#[derive(Debug)]
pub(super) struct Retention(Option<JoinHandle<()>>);

impl Retention {
    /// Begins with the first pass. Without an age everything is kept for ever.
    pub(super) fn start(gallery: &Arc<Gallery>, age: Option<Duration>) -> Self {
        let gallery = Arc::clone(gallery);
        Self(age.map(|age| tokio::spawn(prune_hourly(gallery, age))))
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn prune_hourly(gallery: Arc<Gallery>, age: Duration) {
    let mut hours = interval(INTERVAL);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        match gallery.prune_trail(age).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "dropped old events of the audit trail"),
            Err(error) => {
                tracing::warn!(%error, "old events could not be dropped; the next try is in an hour");
            }
        }
    }
}
