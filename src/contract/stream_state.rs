//! State shared by a subscription's resolver and its transport.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// State shared by a subscription's resolver and its transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamState(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Overrides the argument `after`: the last event that a reconnecting browser has received.
    resume_after: Option<String>,
    begun: Notify,
    /// Of the event that is being sent.
    cursor: Mutex<Option<String>>,
}

impl StreamState {
    pub(crate) fn resuming(resume_after: Option<String>) -> Self {
        Self(Arc::new(Inner {
            resume_after,
            ..Inner::default()
        }))
    }

    /// Where to resume; overrides the argument `after`.
    pub(crate) fn resume_after(&self) -> Option<&str> {
        self.0.resume_after.as_deref()
    }

    /// Signals that the subscription has its start position: it misses nothing from here on.
    pub(crate) fn begin(&self) {
        self.0.begun.notify_one();
    }

    /// Waits for [`StreamState::begin`].
    pub(crate) async fn begun(&self) {
        self.0.begun.notified().await;
    }

    /// Stores the cursor of the next event to send.
    pub(crate) fn arrive_at(&self, cursor: String) {
        *self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }

    pub(crate) fn take_cursor(&self) -> Option<String> {
        let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.take()
    }
}
