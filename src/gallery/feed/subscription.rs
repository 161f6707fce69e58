//! The subscriber's side.

use std::sync::Arc;

use tokio::sync::watch;

use super::{End, PAGE, Retry, SubscriberGuard, in_time, is_passing, reached};
use crate::auth::Scope;
use crate::gallery::Error;
use crate::gallery::cursor::TrailCursor;
use crate::gallery::events::EventBatch;
use crate::gallery::trail::{Event, EventFilter, events_between, is_in_scope};

/// One who follows the trail.
#[derive(Debug)]
pub struct Subscription {
    scope: Scope,
    filter: EventFilter,
    /// Everything up to here has been given out, or is in `current`.
    position: i64,
    generation: u64,
    end: watch::Receiver<End>,
    current: Option<Current>,
    seat: SubscriberGuard,
}

/// A page that is being given out.
#[derive(Debug)]
struct Current {
    page: Arc<EventBatch>,
    /// Where in the page to go on.
    place: usize,
    /// What is not behind this was given out before.
    after: i64,
}

impl Subscription {
    pub(super) fn new(
        scope: Scope,
        filter: EventFilter,
        after: TrailCursor,
        generation: u64,
        end: watch::Receiver<End>,
        seat: SubscriberGuard,
    ) -> Self {
        Self {
            scope,
            filter,
            position: after.0,
            generation,
            end,
            current: None,
            seat,
        }
    }

    /// The next event, with the page that it was read in; waits for one. `None` when the server stops. After an error
    /// there is nothing more.
    pub async fn next(&mut self) -> Result<Option<(Arc<EventBatch>, Event)>, Error> {
        loop {
            if let Some(event) = self.next_of_page() {
                return Ok(Some(event));
            }
            let end = *self.end.borrow_and_update();
            if end.is_closed {
                return Ok(None);
            }
            if end.generation != self.generation {
                return Err(Error::CursorExpired);
            }
            if end.position > self.position {
                self.go_on(end.position).await?;
            } else if self.end.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn next_of_page(&mut self) -> Option<(Arc<EventBatch>, Event)> {
        let current = self.current.as_mut()?;
        while let Some(event) = current.page.events.get(current.place) {
            current.place += 1;
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

    /// Takes the next page, where there is one before the end.
    async fn go_on(&mut self, end: i64) -> Result<(), Error> {
        let after = self.position;
        let (page, until) = match self.seat.0.part_behind(after) {
            Some(segment) => (segment.page, segment.until),
            // Boxed: most of the time a subscriber only waits.
            None => Box::pin(self.read_page(end)).await?,
        };
        self.position = until;
        self.current = Some(Current {
            page,
            place: 0,
            after,
        });
        Ok(())
    }

    async fn read_page(&self, end: i64) -> Result<(Arc<EventBatch>, i64), Error> {
        let mut retry = Retry::default();
        loop {
            let events = events_between(
                &self.seat.0.database,
                &self.scope,
                &self.filter,
                self.position,
                end,
                PAGE,
            );
            match in_time(events).await {
                Ok(events) => {
                    let until = reached(&events, end);
                    return Ok((EventBatch::new(events), until));
                }
                Err(error) if is_passing(&error) && !self.end.borrow().is_closed => {
                    retry.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
