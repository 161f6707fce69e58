//! Background work of `serve`: a pass of retention at startup and hourly.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::db;
use crate::gallery::{self, Expired, Gallery};
use crate::metrics::{Metrics, Outcome};

const INTERVAL: Duration = Duration::from_hours(1);
/// Pause after a failed pass.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

/// Runs passes of retention until dropped; a pass in progress ends after its current transaction.
#[derive(Debug)]
pub(super) struct Passes(Option<JoinHandle<()>>);

impl Passes {
    /// Starts with a pass. Does nothing if retention is off.
    pub(super) fn start(gallery: &Arc<Gallery>, metrics: Arc<Metrics>) -> Self {
        let gallery = Arc::clone(gallery);
        let is_on = !gallery.retention().is_off();
        Self(is_on.then(|| tokio::spawn(expire_hourly(gallery, metrics))))
    }
}

impl Drop for Passes {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn expire_hourly(gallery: Arc<Gallery>, metrics: Arc<Metrics>) {
    loop {
        let pause = match pass(&gallery, &metrics).await {
            Ok(()) => INTERVAL,
            // Already logged at startup, and reported to requests.
            Err(gallery::Error::Database(db::Error::MigrationsPending(_))) => RETRY_INTERVAL,
            Err(error) => {
                let seconds = RETRY_INTERVAL.as_secs();
                tracing::warn!(%error, "a pass of retention failed; the next try is in {seconds} s");
                RETRY_INTERVAL
            }
        };
        sleep(pause).await;
    }
}

async fn pass(gallery: &Gallery, metrics: &Metrics) -> Result<(), gallery::Error> {
    gallery.database().require_migrated().await?;
    let mut expired = Expired::default();
    let outcome = gallery.expire(&mut expired).await;
    let Expired { images, events } = expired;
    let counted = match outcome {
        Ok(()) => Outcome::Succeeded,
        Err(_) => Outcome::Failed,
    };
    metrics.count_pass(counted, images, events);
    if expired != Expired::default() {
        tracing::info!(
            images,
            events,
            "purged images and deleted events that were due"
        );
    }
    outcome
}
