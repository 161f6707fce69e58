//! The audit trail: pages of events, oldest first.
//!
//! One statement reads a page together with the state of the trail: whether events still wait for their positions, in which
//! case they get them and the page is read again, and whether retention has deleted events behind a cursor.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use uuid::Uuid;

use super::cursor::{EventId, TrailCursor};
use super::events::EventBatch;
use super::page::End;
use super::{Error, Gallery, ImageId};
use crate::auth::{Caller, Scope, UserId};
use crate::db::{Bounds, Database, UnitOfWork};
use crate::entity::gallery_event::{self, Column, Kind};

pub use gallery_event::Model as Event;

/// The conditions of a list of events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The owner at the time of the event.
    pub user_id: Option<UserId>,
    /// The image.
    pub image_id: Option<ImageId>,
    /// Any of these; an empty list is no condition.
    pub kinds: Vec<Kind>,
    /// The owner as it is stored, also where another application stored an identifier that is invalid here.
    pub owner: Option<String>,
}

impl EventFilter {
    pub(super) fn condition(&self) -> Condition {
        let kinds = (!self.kinds.is_empty()).then(|| Column::Kind.is_in(self.kinds.clone()));
        Condition::all()
            .add_option(self.image_id.map(|id| Column::ImageId.eq(id.0)))
            .add_option(self.owner.as_ref().map(|owner| Column::UserId.eq(owner)))
            .add_option(kinds)
    }

    /// Applies the same conditions to an event that has been read.
    pub(super) fn matches(&self, event: &Event) -> bool {
        self.image_id.is_none_or(|id| id.0 == event.image_id)
            && (self.owner.as_ref()).is_none_or(|owner| *owner == event.user_id)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

/// A page of the trail to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrailPage {
    /// Events after this.
    pub after: Option<TrailCursor>,
    /// Events before this.
    pub before: Option<TrailCursor>,
    /// Maximum number of events, 1 to 100.
    pub limit: u64,
    /// The end of the range at which the page lies.
    pub end: End,
}

/// A page of the trail; empty by default.
#[derive(Clone, Debug, Default)]
pub struct TrailSlice {
    /// All events that were read together.
    read: Arc<EventBatch>,
    /// The range of this page's events in it.
    places: Range<usize>,
    /// Whether an event was found beyond the far end of the page.
    pub has_more: bool,
}

impl TrailSlice {
    /// The events, oldest first.
    pub fn events(&self) -> &[Event] {
        self.read
            .events
            .get(self.places.clone())
            .unwrap_or_default()
    }

    /// The events that were read together with them.
    pub fn read_together(&self) -> &Arc<EventBatch> {
        &self.read
    }
}

/// An image and its owner: selects the events of this image under this owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedImage {
    /// The image.
    pub image_id: Uuid,
    /// The owner as it is stored.
    pub owner: String,
}

/// The events in a scope; every query of the trail starts here.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that selects events"
)]
pub(super) fn recorded(scope: &Scope) -> Select<gallery_event::Entity> {
    let everything = gallery_event::Entity::find();
    match scope.owner() {
        None => everything,
        Some(owner) => everything.filter(Column::UserId.eq(owner.as_str())),
    }
}

/// Applies the same scope to an event that has been read.
pub(super) fn is_in_scope(scope: &Scope, event: &Event) -> bool {
    scope.contains(&event.user_id)
}

impl Gallery {
    /// The end of the trail, for any caller with access.
    pub async fn trail_cursor(&self, caller: &Caller) -> Result<TrailCursor, Error> {
        caller.require_access()?;
        Ok(TrailCursor(self.database.sequenced_trail().await?.last))
    }

    /// Reads a page of the trail.
    ///
    /// # Errors
    /// Fails with [`Error::CursorExpired`] where retention has deleted events behind a cursor.
    pub async fn events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        page: TrailPage,
    ) -> Result<TrailSlice, Error> {
        let scope = caller.scope(filter.user_id.clone())?;
        let query = page.query(recorded(&scope).filter(filter.condition()));
        let read = self.database.read_sequenced_trail(&query).await?;
        page.check_kept(read.bounds)?;
        let mut events = read.events;
        let has_more = page.cut(&mut events);
        Ok(TrailSlice {
            places: 0..events.len(),
            read: EventBatch::new(events),
            has_more,
        })
    }

    /// Reads the same page of each of these images in one statement; an image without events is left out.
    pub async fn events_of_images(
        &self,
        caller: &Caller,
        images: Vec<OwnedImage>,
        page: TrailPage,
    ) -> Result<HashMap<OwnedImage, TrailSlice>, Error> {
        let scope = caller.scope(None)?;
        let query = page.query_of_each(&scope, &images);
        let read = self.database.read_sequenced_trail(&query).await?;
        page.check_kept(read.bounds)?;
        Ok(slices(read.events, page))
    }

    /// Whether the trail has a matching event after or before a cursor; with `inclusive`, the cursor's own event counts.
    pub async fn has_events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        cursor: TrailCursor,
        side: End,
        inclusive: bool,
    ) -> Result<bool, Error> {
        let scope = caller.scope(filter.user_id.clone())?;
        let (beyond, order) = match (side, inclusive) {
            (End::Back, false) => (Column::Position.gt(cursor.0), Order::Asc),
            (End::Back, true) => (Column::Position.gte(cursor.0), Order::Asc),
            (End::Front, false) => (Column::Position.lt(cursor.0), Order::Desc),
            (End::Front, true) => (Column::Position.lte(cursor.0), Order::Desc),
        };
        let query = recorded(&scope)
            .filter(filter.condition())
            .filter(beyond)
            .order_by(Column::Position, order)
            .limit(1);
        self.database
            .read_primary(move |unit| {
                let query = query.clone();
                Box::pin(async move { Ok(query.one(unit).await?.is_some()) })
            })
            .await
    }

    /// Reads the events of these ids, in their order; none in the place of each that does not exist or is not visible to
    /// the caller.
    pub async fn find_events(
        &self,
        caller: &Caller,
        ids: &[Option<EventId>],
    ) -> Result<(Arc<EventBatch>, Vec<Option<usize>>), Error> {
        let known: Vec<i64> = ids.iter().flatten().map(|id| id.0).collect();
        if known.is_empty() {
            return Ok((EventBatch::new(Vec::new()), vec![None; ids.len()]));
        }
        let scope = caller.scope(None)?;
        let events = self
            .database
            .read_primary(move |unit| {
                let query = recorded(&scope).filter(Column::Position.is_in(known.clone()));
                Box::pin(async move { Ok::<_, Error>(query.all(unit).await?) })
            })
            .await?;
        let place = |id: &EventId| events.iter().position(|event| event.position == id.0);
        let places = ids.iter().map(|id| id.as_ref().and_then(place)).collect();
        Ok((EventBatch::new(events), places))
    }
}

/// The events between two positions, the later one included, for subscriptions.
pub(super) async fn events_between(
    database: &Database,
    scope: &Scope,
    filter: &EventFilter,
    after: i64,
    until: i64,
    limit: u64,
) -> Result<Vec<Event>, Error> {
    let query = recorded(scope)
        .filter(filter.condition())
        .filter(Column::Position.gt(after))
        .filter(Column::Position.lte(until))
        .order_by_asc(Column::Position)
        .limit(limit);
    let read = database.read_trail(&query.into_query()).await?;
    check_kept(TrailCursor(after), read.bounds)?;
    Ok(read.events)
}

/// The ids of the images that were purged according to the trail in this scope, events without a position included.
pub(super) async fn purged_before(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
) -> Result<HashSet<Uuid>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let purged: Vec<Uuid> = recorded(scope)
        .select_only()
        .column(Column::ImageId)
        .distinct()
        .filter(Column::ImageId.is_in(ids))
        .filter(Column::Kind.eq(Kind::Purged))
        .into_tuple()
        .all(unit)
        .await?;
    Ok(purged.into_iter().collect())
}

impl TrailPage {
    fn condition(self) -> Condition {
        Condition::all()
            .add_option(self.after.map(|after| Column::Position.gt(after.0)))
            .add_option(self.before.map(|before| Column::Position.lt(before.0)))
    }

    /// Selects the page, and one event more to learn whether there is one.
    fn query(self, events: Select<gallery_event::Entity>) -> SelectStatement {
        let order = match self.end {
            End::Front => Order::Asc,
            End::Back => Order::Desc,
        };
        events
            // An event without a position is not in the trail yet.
            .filter(Column::Position.is_not_null())
            .filter(self.condition())
            .order_by(Column::Position, order)
            .limit(self.limit.saturating_add(1))
            .into_query()
    }

    /// Selects the page of each image, and of each image one event more.
    fn query_of_each(self, scope: &Scope, images: &[OwnedImage]) -> SelectStatement {
        let direction = match self.end {
            End::Front => "ASC",
            End::Back => "DESC",
        };
        let owned = images.iter().map(|image| {
            Column::ImageId
                .eq(image.image_id)
                .and(Column::UserId.eq(image.owner.as_str()))
        });
        let owned = owned.fold(Condition::any(), Condition::add);
        // An event without a position is not in the trail yet.
        let numbered = recorded(scope)
            .filter(owned)
            .filter(Column::Position.is_not_null())
            .filter(self.condition())
            .expr_as(
                Expr::cust(format!(
                    "ROW_NUMBER() OVER (PARTITION BY image_id, user_id ORDER BY position {direction})"
                )),
                "place",
            )
            .into_query();
        let mut query = Query::select();
        query
            .column(Asterisk)
            .from_subquery(numbered, "numbered")
            .and_where(Expr::col("place").lte(self.limit.saturating_add(1)));
        query
    }

    fn check_kept(self, bounds: Bounds) -> Result<(), Error> {
        for cursor in [self.after, self.before].into_iter().flatten() {
            check_kept(cursor, bounds)?;
        }
        Ok(())
    }

    /// Cuts events, oldest first, at the page's limit; true where there was one more.
    fn cut(self, events: &mut Vec<Event>) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let excess = events.len().saturating_sub(limit);
        match self.end {
            End::Front => events.truncate(limit),
            End::Back => drop(events.drain(..excess)),
        }
        excess > 0
    }
}

/// A cursor is valid while every event behind it is kept. One beyond the end of the trail was given out before the database
/// was restored from an older copy. In both cases events would be skipped silently.
pub(super) fn check_kept(cursor: TrailCursor, bounds: Bounds) -> Result<(), Error> {
    if (bounds.pruned..=bounds.last).contains(&cursor.0) {
        return Ok(());
    }
    Err(Error::CursorExpired)
}

/// Splits the events into pages by image, and cuts each page at its limit.
fn slices(mut events: Vec<Event>, page: TrailPage) -> HashMap<OwnedImage, TrailSlice> {
    // Stable: the events of an image stay in the order of the trail.
    events
        .sort_by(|one, other| (one.image_id, &one.user_id).cmp(&(other.image_id, &other.user_id)));
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let read = EventBatch::new(events);
    let mut slices = HashMap::new();
    let mut start = 0;
    let is_of_one =
        |one: &Event, next: &Event| (one.image_id, &one.user_id) == (next.image_id, &next.user_id);
    for events in read.events.chunk_by(is_of_one) {
        let Some(first) = events.first() else {
            continue;
        };
        let image = OwnedImage {
            image_id: first.image_id,
            owner: first.user_id.clone(),
        };
        let end = start + events.len();
        let has_more = events.len() > limit;
        let places = match page.end {
            _ if !has_more => start..end,
            End::Front => start..start + limit,
            End::Back => end - limit..end,
        };
        let read = Arc::clone(&read);
        slices.insert(
            image,
            TrailSlice {
                read,
                places,
                has_more,
            },
        );
        start = end;
    }
    slices
}
