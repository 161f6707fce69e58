//! Live events: one reader of the database in this process, and any number of subscribers that follow it.
//!
//! 1. The reader is woken when something may have changed (`db::changes`), reads what the trail has behind the last event
//!    it knows, keeps the latest few thousand events, and announces the new end. Without subscribers there is no reader.
//! 2. A subscriber has a place of its own in the trail. While it is behind the end it takes what comes next from the
//!    events that are kept, or from the database, in pages, when it has fallen back further than that; at the end it
//!    waits. So a slow one holds up nobody, and nothing is stored for it.
//! 3. While the database is away both try again: from their place, so nothing is skipped.

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
use super::trail::{Event, EventFilter, check_kept, events_between};
use super::vitals::FeedVitals;
use super::{Error, Gallery};
use crate::auth::{Caller, Scope};
use crate::db::{self, Bounds, Database};

pub use subscription::Subscription;

/// How many events are kept in memory for those who follow closely.
const KEPT_EVENTS: usize = 4096;
/// How many events are read at once.
const PAGE: u64 = 100;
/// How long a look at the database may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the database is left alone when it is away, at first and at most: five seconds after its return subscribers
/// have to hear again, the connecting included.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// With everything that is kept.
    Beginning,
    /// With everything since a cursor.
    After(TrailCursor),
}

/// The reader's side.
#[derive(Clone, Debug)]
pub(super) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Arc<Database>,
    max_subscribers: usize,
    state: Mutex<State>,
    end: watch::Sender<End>,
}

#[derive(Debug, Default)]
struct State {
    subscribers: usize,
    is_reading: bool,
    /// When the trail was last looked at, while somebody reads.
    looked_at: Option<Instant>,
    segments: VecDeque<Segment>,
}

/// The whole of the trail between two positions, the later one included.
#[derive(Clone, Debug)]
struct Segment {
    after: i64,
    until: i64,
    page: Arc<EventBatch>,
}

/// How far the reader has come.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    position: i64,
    /// Counts up when the trail goes on from an older copy of the database: older places mean nothing in it.
    generation: u64,
    is_closed: bool,
}

impl Feed {
    pub(super) fn new(database: Arc<Database>, max_subscribers: usize) -> Self {
        Self(Arc::new(Shared {
            database,
            max_subscribers,
            state: Mutex::default(),
            end: watch::Sender::new(End::default()),
        }))
    }

    fn take_seat(&self) -> Result<SubscriberGuard, Error> {
        let mut state = self.0.state();
        if self.0.end.borrow().is_closed {
            return Err(db::Error::Unavailable("the server is stopping".to_owned()).into());
        }
        if state.subscribers >= self.0.max_subscribers {
            return Err(Error::TooManySubscribers);
        }
        state.subscribers += 1;
        if !state.is_reading {
            state.is_reading = true;
            tokio::spawn(Arc::clone(&self.0).read_whatever_comes());
        }
        Ok(SubscriberGuard(Arc::clone(&self.0)))
    }
}

impl Feed {
    /// How up to date the subscribers are; none where there are none, or none is told anything yet.
    pub(super) fn vitals(&self) -> Option<FeedVitals> {
        let looked_at = self.0.state().looked_at?;
        Some(FeedVitals {
            position: self.0.end.borrow().position,
            looked_ago: looked_at.elapsed(),
        })
    }
}

impl Gallery {
    /// Follows the trail: what it has from the start on, then what happens.
    pub async fn subscribe(
        &self,
        caller: &Caller,
        filter: EventFilter,
        start: Start,
    ) -> Result<Subscription, Error> {
        let scope = caller.scope(filter.user_id.clone())?;
        let seat = self.feed.take_seat()?;
        let end = seat.0.end.subscribe();
        let generation = end.borrow().generation;
        let bounds = self.database.settled_trail().await?;
        let cursor = match start {
            Start::Now => TrailCursor(bounds.last),
            Start::Beginning => TrailCursor(bounds.pruned),
            Start::After(cursor) => cursor,
        };
        check_kept(cursor, bounds)?;
        Ok(Subscription::new(
            scope, filter, cursor, generation, end, seat,
        ))
    }

    /// How many follow the trail at this moment.
    pub fn subscriber_count(&self) -> usize {
        self.feed.0.state().subscribers
    }

    /// Ends every subscription, and takes no more.
    pub fn close_feed(&self) {
        self.feed.0.end.send_modify(|end| end.is_closed = true);
    }
}

/// Counts a subscriber as long as it is there.
#[derive(Debug)]
struct SubscriberGuard(Arc<Shared>);

impl Drop for SubscriberGuard {
    fn drop(&mut self) {
        self.0.state().subscribers -= 1;
    }
}

/// How far a look up to `end` has come: no further than its last event where there may be more.
fn reached(events: &[Event], end: i64) -> i64 {
    match events.last() {
        Some(last) if events.len() as u64 >= PAGE => last.position,
        _ => end,
    }
}

/// A database that does not answer counts as away.
async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| db::Error::Unavailable("it does not answer".to_owned());
    timeout(READ_TIMEOUT, work).await.map_err(late)?
}

/// Whether it is worth another try.
fn is_passing(error: &Error) -> bool {
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

    /// Subscribers hang on the reader: it does not end while there are any.
    async fn read_whatever_comes(self: Arc<Self>) {
        while AssertUnwindSafe(self.read()).catch_unwind().await.is_err() {
            tracing::error!("the reader of the trail panicked, and begins anew");
            let [_, pause] = RETRY_PAUSES;
            sleep(pause).await;
        }
    }

    /// Reads until nobody follows any more.
    async fn read(&self) {
        let mut listener = self.database.listen();
        let mut closed = self.end.subscribe();
        let mut has_begun = false;
        let mut retry = Retry::default();
        loop {
            match self.catch_up(has_begun).await {
                Ok(()) => {
                    has_begun = true;
                    self.state().looked_at = Some(Instant::now());
                    retry = Retry::default();
                }
                // The reader itself has fallen behind what is kept: its subscribers find out for themselves.
                Err(Error::CursorExpired) => has_begun = false,
                Err(error) => {
                    if retry.is_first() {
                        tracing::warn!(%error, "the trail could not be read; subscribers wait until it can");
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
                    _ = closed.wait_for(|end| end.is_closed) => {}
                }
            }
        }
    }

    /// Reads everything behind the end that was announced last, or begins at the trail's own.
    async fn catch_up(&self, has_begun: bool) -> Result<(), Error> {
        let settled = async { Ok(self.database.settled_trail().await?) };
        let Bounds { last, .. } = in_time(settled).await?;
        let mut known = self.end.borrow().position;
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
        self.end.send_modify(|end| {
            if last < end.position {
                end.generation += 1;
            }
            end.position = last;
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
        self.end.send_modify(|end| end.position = until);
    }

    /// What is kept of the trail behind a position; none where that is not all of it.
    fn part_behind(&self, position: i64) -> Option<Segment> {
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
        let is_over = state.subscribers == 0 || self.end.borrow().is_closed;
        if is_over {
            state.is_reading = false;
            state.looked_at = None;
            state.segments.clear();
        }
        is_over
    }
}

/// Pauses that become longer.
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

    /// However long the database was away, what happens after its return is told within five seconds.
    #[test]
    fn the_database_is_never_left_alone_for_most_of_five_seconds() {
        let mut retry = Retry::default();
        for _ in 0..100 {
            assert!(retry.next() < Duration::from_secs(3));
        }
        assert!(!retry.is_first());
    }
}
