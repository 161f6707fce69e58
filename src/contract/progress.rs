//! What the root of a subscription and its transport tell each other.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What the root of a subscription and its transport tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<ProgressState>);

#[derive(Debug, Default)]
struct ProgressState {
    /// Goes before the argument `after`: by it a browser that reconnects says what it has seen.
    resume_after: Option<String>,
    begun: Notify,
    /// Of the event that is being answered.
    cursor: Mutex<Option<String>>,
}

impl Progress {
    pub(crate) fn resuming(resume_after: Option<String>) -> Self {
        Self(Arc::new(ProgressState {
            resume_after,
            ..ProgressState::default()
        }))
    }

    /// Where to go on, whatever the argument `after` says.
    pub(crate) fn resume_after(&self) -> Option<&str> {
        self.0.resume_after.as_deref()
    }

    /// The subscription has its place: from here on nothing is missed.
    pub(crate) fn begin(&self) {
        self.0.begun.notify_one();
    }

    /// Waits for [`Progress::begin`].
    pub(crate) async fn begun(&self) {
        self.0.begun.notified().await;
    }

    /// The event that is answered next has this cursor.
    pub(crate) fn arrive_at(&self, cursor: String) {
        *self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }

    pub(crate) fn take_cursor(&self) -> Option<String> {
        let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.take()
    }
}
