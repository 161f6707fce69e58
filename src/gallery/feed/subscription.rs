//! One subscriber of the feed.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Head, PAGE, Retry, SubscriberGuard, in_time, is_transient, reached};
use crate::auth::Scope;
use crate::gallery::Error;
use crate::gallery::cursor::TrailCursor;
use crate::gallery::events::EventBatch;
use crate::gallery::trail::{Event, EventFilter, events_between, is_in_scope};

/// A subscription to the trail.
#[derive(Debug)]
pub struct Subscription {
    scope: Scope,
    filter: EventFilter,
    /// Everything up to here was delivered, or is in `current`.
    position: i64,
    generation: u64,
    head: watch::Receiver<Head>,
    current: Option<Current>,
    guard: SubscriberGuard,
}

/// A page that is being delivered.
#[derive(Debug)]
struct Current {
    page: Arc<EventBatch>,
    /// Index of the next event.
    next: usize,
    /// Events up to this position were delivered before.
    after: i64,
}

impl Subscription {
    pub(super) fn new(
        scope: Scope,
        filter: EventFilter,
        after: TrailCursor,
        generation: u64,
        head: watch::Receiver<Head>,
        guard: SubscriberGuard,
    ) -> Self {
        Self {
            scope,
            filter,
            position: after.0,
            generation,
            head,
            current: None,
            guard,
        }
    }

    /// Waits for the next event; returns it with the page that it was read in, and `None` when the server stops.
    ///
    /// # Errors
    /// Fails with [`Error::CursorExpired`] where the subscriber was overtaken by retention. An error ends the subscription.
    pub async fn next(&mut self) -> Result<Option<(Arc<EventBatch>, Event)>, Error> {
        loop {
            if let Some(event) = self.next_of_page() {
                return Ok(Some(event));
            }
            let head = *self.head.borrow_and_update();
            if head.is_closed {
                return Ok(None);
            }
            if head.generation != self.generation {
                return Err(Error::CursorExpired);
            }
            if head.position > self.position {
                self.take_page(head.position).await?;
            } else if self.head.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn next_of_page(&mut self) -> Option<(Arc<EventBatch>, Event)> {
        let current = self.current.as_mut()?;
        while let Some(event) = current.page.events.get(current.next) {
            current.next += 1;
            if event.position > current.after
                && is_in_scope(&self.scope, event)
                && self.filter.matches(event)
            {
                return Some((Arc::clone(&current.page), event.clone()));
            }
        }
        self.current = None;
        None
    }

    /// Takes the next page up to the head.
    async fn take_page(&mut self, head: i64) -> Result<(), Error> {
        let after = self.position;
        let (page, until) = match self.guard.0.segment_behind(after) {
            Some(segment) => (segment.page, segment.until),
            // Boxed, so that a waiting subscriber stays small.
            None => Box::pin(self.read_page(head)).await?,
        };
        self.position = until;
        self.current = Some(Current {
            page,
            next: 0,
            after,
        });
        Ok(())
    }

    async fn read_page(&self, head: i64) -> Result<(Arc<EventBatch>, i64), Error> {
        let mut retry = Retry::default();
        loop {
            let events = events_between(
                &self.guard.0.database,
                &self.scope,
                &self.filter,
                self.position,
                head,
                PAGE,
            );
            match in_time(events).await {
                Ok(events) => {
                    let until = reached(&events, head);
                    return Ok((EventBatch::new(events), until));
                }
                Err(error) if is_transient(&error) && !self.head.borrow().is_closed => {
                    retry.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
