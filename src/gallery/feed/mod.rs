//! Live events: one reader of the database in this process, shared by any number of subscribers.
//!
//! 1. The reader wakes up when something may have changed (`db::changes`), reads the events behind the last one it knows,
//!    buffers the latest few thousand, and publishes the new head. It runs only while there are subscribers.
//! 2. Each subscriber has its own position in the trail. Behind the head it takes the next events from the buffer, or in
//!    pages from the database when the buffer no longer reaches back far enough; at the head it waits. A slow subscriber
//!    delays no other and has no queue of its own.
//! 3. While the database is unavailable both retry from their position, so no event is skipped.

mod subscription;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::cursor::TrailCursor;
use super::events::EventBatch;
use super::snapshot::FeedSnapshot;
use super::trail::{Event, EventFilter, check_kept, events_between};
use super::{Error, Gallery};
use crate::auth::{Caller, Scope};
use crate::db::{self, Bounds, Database};

pub use subscription::Subscription;

/// How many events the buffer holds.
const KEPT_EVENTS: usize = 4096;
/// How many events one query reads.
const PAGE: u64 = 100;
/// Timeout of one query.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The first and the longest pause between retries: subscribers receive events again within five seconds after the
/// database returns, the time to connect included.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Now,
    /// With the oldest event that is kept.
    Beginning,
    /// With the first event behind a cursor.
    After(TrailCursor),
}

/// A handle on the shared reader.
#[derive(Clone, Debug)]
pub(super) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Arc<Database>,
    max_subscribers: usize,
    state: Mutex<State>,
    head: watch::Sender<Head>,
}

#[derive(Debug, Default)]
struct State {
    subscribers: usize,
    is_reading: bool,
    /// When the trail was last read; none while there is no reader.
    looked_at: Option<Instant>,
    segments: VecDeque<Segment>,
}

/// All events between two positions, the later one included.
#[derive(Clone, Debug)]
struct Segment {
    after: i64,
    until: i64,
    page: Arc<EventBatch>,
}

/// The last event that the reader has read.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    position: i64,
    /// Counts up when the database was restored from an older copy: earlier positions are invalid then.
    generation: u64,
    is_closed: bool,
}

impl Feed {
    pub(super) fn new(database: Arc<Database>, max_subscribers: usize) -> Self {
        Self(Arc::new(Shared {
            database,
            max_subscribers,
            state: Mutex::default(),
            head: watch::Sender::new(Head::default()),
        }))
    }

    fn add_subscriber(&self) -> Result<SubscriberGuard, Error> {
        let mut state = self.0.state();
        if self.0.head.borrow().is_closed {
            return Err(db::Error::Unavailable("the server is stopping".to_owned()).into());
        }
        if state.subscribers >= self.0.max_subscribers {
            return Err(Error::TooManySubscribers);
        }
        state.subscribers += 1;
        if !state.is_reading {
            state.is_reading = true;
            tokio::spawn(Arc::clone(&self.0).run_reader());
        }
        Ok(SubscriberGuard(Arc::clone(&self.0)))
    }
}

impl Feed {
    /// How up to date the subscribers are; none without subscribers, or before the first read.
    pub(super) fn snapshot(&self) -> Option<FeedSnapshot> {
        let looked_at = self.0.state().looked_at?;
        Some(FeedSnapshot {
            position: self.0.head.borrow().position,
            looked_ago: looked_at.elapsed(),
        })
    }
}

impl Gallery {
    /// Subscribes to the trail: the events that it has from `start` on, then new ones.
    ///
    /// # Errors
    /// Fails with [`Error::TooManySubscribers`], and with [`Error::CursorExpired`] where events behind the cursor are gone.
    pub async fn subscribe(
        &self,
        caller: &Caller,
        filter: EventFilter,
        start: Start,
    ) -> Result<Subscription, Error> {
        let scope = caller.scope(filter.user_id.clone())?;
        let guard = self.feed.add_subscriber()?;
        let head = guard.0.head.subscribe();
        let generation = head.borrow().generation;
        let bounds = self.database.sequenced_trail().await?;
        let cursor = match start {
            Start::Now => TrailCursor(bounds.last),
            Start::Beginning => TrailCursor(bounds.pruned),
            Start::After(cursor) => cursor,
        };
        check_kept(cursor, bounds)?;
        Ok(Subscription::new(
            scope, filter, cursor, generation, head, guard,
        ))
    }

    /// How many subscribers there are now.
    pub fn subscriber_count(&self) -> usize {
        self.feed.0.state().subscribers
    }

    /// Ends every subscription and accepts no new one.
    pub fn close_feed(&self) {
        self.feed.0.head.send_modify(|head| head.is_closed = true);
    }
}

/// Counts a subscriber while it is held.
#[derive(Debug)]
struct SubscriberGuard(Arc<Shared>);

impl Drop for SubscriberGuard {
    fn drop(&mut self) {
        self.0.state().subscribers -= 1;
    }
}

/// The position that a query up to `end` has reached: that of its last event where there may be more.
fn reached(events: &[Event], end: i64) -> i64 {
    match events.last() {
        Some(last) if events.len() as u64 >= PAGE => last.position,
        _ => end,
    }
}

/// A query that takes too long counts as an unavailable database.
async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| db::Error::Unavailable("it does not answer".to_owned());
    timeout(READ_TIMEOUT, work).await.map_err(late)?
}

/// Whether a retry may succeed.
fn is_transient(error: &Error) -> bool {
    matches!(
        error,
        Error::Database(db::Error::Unavailable(_) | db::Error::Timeout)
    )
}

impl Shared {
    /// No holder of the lock panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until there is no subscriber. Restarts after a panic: every subscriber depends on it.
    async fn run_reader(self: Arc<Self>) {
        while AssertUnwindSafe(self.read()).catch_unwind().await.is_err() {
            tracing::error!("the reader of the trail panicked and restarts");
            let [_, pause] = RETRY_PAUSES;
            sleep(pause).await;
        }
    }

    /// Reads until there is no subscriber.
    async fn read(&self) {
        let mut listener = self.database.listen();
        let mut closed = self.head.subscribe();
        let mut has_begun = false;
        let mut retry = Retry::default();
        loop {
            match self.catch_up(has_begun).await {
                Ok(()) => {
                    has_begun = true;
                    self.state().looked_at = Some(Instant::now());
                    retry = Retry::default();
                }
                // Retention has overtaken the reader. Each subscriber finds out by itself.
                Err(Error::CursorExpired) => has_begun = false,
                Err(error) => {
                    if retry.is_first() {
                        tracing::warn!(%error, "the trail could not be read; subscribers wait");
                    }
                    retry.pause().await;
                }
            }
            if self.has_stopped_reading() {
                return;
            }
            if retry.is_first() && has_begun {
                tokio::select! {
                    () = listener.changed() => {}
                    _ = closed.wait_for(|head| head.is_closed) => {}
                }
            }
        }
    }

    /// Reads everything behind the published head, or starts at the end of the trail.
    async fn catch_up(&self, has_begun: bool) -> Result<(), Error> {
        let settled = async { Ok(self.database.sequenced_trail().await?) };
        let Bounds { last, .. } = in_time(settled).await?;
        let mut known = self.head.borrow().position;
        if !has_begun || known > last {
            self.begin(last);
            return Ok(());
        }
        let every_event =
            Scope::unchecked("read once for all subscribers; each applies its own scope");
        let everything = (every_event, EventFilter::default());
        while known < last {
            let (scope, filter) = &everything;
            let events = events_between(&self.database, scope, filter, known, last, PAGE);
            let events = in_time(events).await?;
            let until = reached(&events, last);
            self.push(Segment {
                after: known,
                until,
                page: EventBatch::new(events),
            });
            known = until;
        }
        Ok(())
    }

    fn begin(&self, last: i64) {
        self.state().segments.clear();
        self.head.send_modify(|head| {
            if last < head.position {
                head.generation += 1;
            }
            head.position = last;
        });
    }

    fn push(&self, segment: Segment) {
        let until = segment.until;
        let mut state = self.state();
        state.segments.push_back(segment);
        let mut kept: usize = state
            .segments
            .iter()
            .map(|segment| segment.page.events.len())
            .sum();
        while kept > KEPT_EVENTS
            && let Some(oldest) = state.segments.pop_front()
        {
            kept -= oldest.page.events.len();
        }
        drop(state);
        self.head.send_modify(|head| head.position = until);
    }

    /// The buffered segment behind a position; none where the buffer does not reach back to it.
    fn segment_behind(&self, position: i64) -> Option<Segment> {
        let state = self.state();
        let place = state
            .segments
            .partition_point(|segment| segment.until <= position);
        let segment = state.segments.get(place)?;
        (segment.after <= position).then(|| segment.clone())
    }

    fn has_stopped_reading(&self) -> bool {
        let mut state = self.state();
        for segment in &state.segments {
            segment.page.forget_stale_images();
        }
        let is_over = state.subscribers == 0 || self.head.borrow().is_closed;
        if is_over {
            state.is_reading = false;
            state.looked_at = None;
            state.segments.clear();
        }
        is_over
    }
}

/// Pauses that double up to a maximum.
#[derive(Debug, Default)]
struct Retry(u32);

impl Retry {
    fn is_first(&self) -> bool {
        self.0 == 0
    }

    async fn pause(&mut self) {
        sleep(self.next()).await;
    }

    fn next(&mut self) -> Duration {
        let [first, longest] = RETRY_PAUSES;
        let pause = first.saturating_mul(2_u32.saturating_pow(self.0));
        self.0 = self.0.saturating_add(1);
        pause.min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subscribers receive events within five seconds after the database returns, however long it was unavailable.
    #[test]
    fn no_pause_takes_most_of_five_seconds() {
        let mut retry = Retry::default();
        for _ in 0..100 {
            assert!(retry.next() < Duration::from_secs(3));
        }
        assert!(!retry.is_first());
    }
}
