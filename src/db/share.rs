//! One request's share of the connections. The fields of a query are resolved at once, and a query of many lists would
//! otherwise have every connection of the pool: everybody else, and its own later fields, would wait in vain.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many units of work one request has under way at a time.
const UNITS: usize = 2;

tokio::task_local! {
    static SHARE: Arc<Semaphore>;
}

/// Does the work of one request. Units of work that it asks for beyond its share wait for its earlier ones.
pub async fn within_share<T>(work: impl Future<Output = T>) -> T {
    SHARE.scope(Arc::new(Semaphore::new(UNITS)), work).await
}

/// Waits for a place in this request's share, to be held until the unit of work has been answered. `None` outside of
/// requests. A unit of work runs as a task of its own and asks for no other, so none waits for itself.
pub(super) async fn place() -> Option<OwnedSemaphorePermit> {
    let share = SHARE.try_with(Arc::clone).ok()?;
    // It is never closed.
    share.acquire_owned().await.ok()
}
