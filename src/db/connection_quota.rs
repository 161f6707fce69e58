//! Limits the connections of one request. An operation resolves its fields concurrently: without a quota, thirty lists
//! in one request would block all other requests and its own other fields.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task_local;

task_local! {
    static QUOTA: Arc<Semaphore>;
}

/// The quota of one request, for a pool of this size.
pub(super) fn of_connections(connections: u32) -> usize {
    let quota = usize::try_from(connections / 3).unwrap_or(usize::MAX);
    quota.clamp(1, Semaphore::MAX_PERMITS)
}

/// Runs one request with a quota of this many connections.
pub(super) async fn within<T>(connections: usize, work: impl Future<Output = T>) -> T {
    QUOTA
        .scope(Arc::new(Semaphore::new(connections)), work)
        .await
}

/// Runs shared work without a quota, whichever request triggered it.
pub(super) async fn outside_quota<T>(work: impl Future<Output = T>) -> T {
    within(Semaphore::MAX_PERMITS, work).await
}

/// Waits until the current request may use another connection, which counts until the permit is dropped. None outside a
/// request, where there is no quota.
pub(super) async fn permit() -> Option<OwnedSemaphorePermit> {
    let quota = QUOTA.try_with(Arc::clone).ok()?;
    quota.acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_its_own_quota() {
        assert!(permit().await.is_none());
        within(2, async {
            let first = permit().await;
            let _second = permit().await;
            let third = tokio::time::timeout(std::time::Duration::ZERO, permit()).await;
            assert!(third.is_err());
            assert!(outside_quota(permit()).await.is_some());
            drop(first);
            assert!(permit().await.is_some());
        })
        .await;
    }

    #[test]
    fn the_quota_leaves_most_connections_to_others() {
        for (connections, quota) in [(1, 1), (2, 1), (3, 1), (10, 3), (100, 33)] {
            assert_eq!(of_connections(connections), quota);
        }
    }
}
