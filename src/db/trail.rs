//! The order of the audit trail: which events have a position, and which are still kept.
//!
//! On SQLite the one writer assigns each event's position when it writes it. On Postgres sequence values become visible
//! out of order, so positions are assigned after the commit, by one sequencer at a time:
//! `image_gallery_sequence_events` in migration `m0003_trail`. Readers use positions only, and sequence waiting events
//! before they read.

use sea_orm::sea_query::{Alias, Asterisk, Expr, JoinType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, StatementBuilder};
use uuid::Uuid;

use super::source::Purpose;
use super::{Database, Dialect, Error, Sql, UnitOfWork, connection_quota};
use crate::entity::Timestamp;
use crate::entity::gallery_event::Model as Event;

/// How many events get their positions in one transaction.
const SEQUENCED_AT_ONCE: i32 = 1000;
/// How many old events are deleted in one transaction.
const PRUNED_AT_ONCE: i32 = 1000;

/// The range of positions in the trail: greater than `pruned`, up to `last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The last assigned position; 0 before the first event.
    pub last: i64,
    /// The last position that was deleted; 0 if none was.
    pub pruned: i64,
}

/// Events, and the bounds of the trail at the time of the read.
#[derive(Clone, Debug, Default)]
pub struct TrailRead {
    /// The events, by position.
    pub events: Vec<Event>,
    /// The bounds.
    pub bounds: Bounds,
}

/// The state of the trail.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    bounds: Bounds,
    /// Whether a committed event has no position yet.
    is_waiting: bool,
}

/// The table with the single row of the trail's state.
const TRAIL: &str = "image_gallery_trail";

impl State {
    /// The columns of [`Dialect::trail_state`].
    const COLUMNS: usize = 3;

    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            bounds: Bounds {
                last: row.try_get_by_index(0)?,
                pruned: row.try_get_by_index(1)?,
            },
            is_waiting: row.try_get_by_index(2)?,
        })
    }
}

impl Dialect {
    /// The columns that [`State::read`] reads.
    fn trail_state(self) -> &'static str {
        match self {
            // The order makes Postgres use the partial index, regardless of statistics.
            Self::Postgres => {
                "last_position, pruned_position, \
                 (SELECT sequence FROM image_gallery_event WHERE position IS NULL ORDER BY sequence LIMIT 1) \
                 IS NOT NULL"
            }
            Self::Sqlite => {
                "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'image_gallery_event'), 0), \
                 pruned_position, false"
            }
        }
    }
}

impl Database {
    /// The bounds of the trail, after every event committed so far has been sequenced.
    pub async fn sequenced_trail(&self) -> Result<Bounds, Error> {
        let state = self.trail_state().await?;
        if !state.is_waiting {
            return Ok(state.bounds);
        }
        self.sequence_waiting().await
    }

    /// Sequences the waiting events, and returns the bounds after that.
    async fn sequence_waiting(&self) -> Result<Bounds, Error> {
        // One per process suffices: others would only hold connections while they wait.
        let _turn = self.sequencing.lock().await;
        // Other requests wait for this, so it must not wait for this request's quota.
        connection_quota::outside_quota(Box::pin(async {
            loop {
                let state = self.trail_state().await?;
                if !state.is_waiting {
                    return Ok(state.bounds);
                }
                // The lock of the trail's row is held only as long as the server needs.
                self.execute_alone(&format!(
                    "SELECT image_gallery_sequence_events({SEQUENCED_AT_ONCE})"
                ))
                .await?;
            }
        }))
        .await
    }

    /// Runs a query of events after every event committed so far has been sequenced. Usually this is one statement.
    pub async fn read_sequenced_trail(&self, events: &SelectStatement) -> Result<TrailRead, Error> {
        let (state, events_read) = self.read_state_and_events(events).await?;
        if !state.is_waiting {
            let bounds = state.bounds;
            return Ok(TrailRead {
                events: events_read,
                bounds,
            });
        }
        self.sequence_waiting().await?;
        self.read_trail(events).await
    }

    /// Runs a query of events in one statement with the bounds of the trail. Does not sequence waiting events.
    pub async fn read_trail(&self, events: &SelectStatement) -> Result<TrailRead, Error> {
        let (State { bounds, .. }, events) = self.read_state_and_events(events).await?;
        Ok(TrailRead { events, bounds })
    }

    /// The query must select the table's columns in order.
    async fn read_state_and_events(
        &self,
        events: &SelectStatement,
    ) -> Result<(State, Vec<Event>), Error> {
        let page = Alias::new("page");
        let mut query = Query::select();
        query
            .expr(Expr::cust(self.dialect().trail_state()))
            .column((page.clone(), Asterisk))
            .from(TRAIL)
            // The state is returned even without events.
            .join_subquery(
                JoinType::LeftJoin,
                events.clone(),
                page,
                Expr::cust("1 = 1"),
            );
        let statement = StatementBuilder::build(&query, &self.dialect().backend());
        self.read_primary(move |unit| {
            let statement = statement.clone();
            Box::pin(async move {
                let rows = unit.query_all_raw(statement).await?;
                let state = State::read(rows.first().ok_or_else(no_state)?)?;
                let events = rows.iter().map(|row| Event::read(row, State::COLUMNS));
                let events: Result<Vec<Event>, _> = events.filter_map(Result::transpose).collect();
                let mut events = events?;
                // Usually already in order, but a join does not guarantee it.
                events.sort_by_key(|event| event.position);
                Ok((state, events))
            })
        })
        .await
    }

    async fn trail_state(&self) -> Result<State, Error> {
        let sql = format!("SELECT {} FROM {TRAIL}", self.dialect().trail_state());
        self.read_primary(move |unit| {
            let statement = Statement::from_string(unit.get_database_backend(), sql.as_str());
            Box::pin(async move {
                let row = unit.query_one_raw(statement).await?;
                Ok(State::read(&row.ok_or_else(no_state)?)?)
            })
        })
        .await
    }

    /// Deletes the next events older than `before`, from the trail's start up to the first younger one, and returns
    /// their number. None while another process does so.
    pub async fn prune_trail(&self, before: Timestamp) -> Result<Option<u64>, Error> {
        self.unit_for(Purpose::Maintain)
            .run(self.source.clone(), move |unit| {
                Box::pin(prune(unit, before))
            })
            .await
    }
}

impl UnitOfWork {
    /// Acquires the lock of retention work; false while another transaction holds it.
    pub async fn try_retention_lock(&self) -> Result<bool, Error> {
        let Some(turn) = self.dialect().turn() else {
            return Ok(true);
        };
        let sql = format!("SELECT {turn} AS is_mine");
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let row = self.query_one_raw(statement).await?;
        let is_mine = row.map(|row| row.try_get("", "is_mine")).transpose()?;
        Ok(is_mine.unwrap_or(false))
    }

    /// Records an event for each of these images, of which something has changed that is not stored in their rows. This
    /// transaction has locked them, so that the events are in the order of the changes.
    pub async fn record_updates(&self, images: &[Uuid]) -> Result<(), DbErr> {
        let source = match self.dialect() {
            Dialect::Postgres => {
                "clock_timestamp(), nullif(current_setting('image_gallery.actor', true), '') \
                 FROM image_gallery AS image"
            }
            Dialect::Sqlite => {
                "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), trail.actor \
                 FROM image_gallery AS image CROSS JOIN image_gallery_trail AS trail"
            }
        };
        let mut sql = Sql::new(
            self.dialect(),
            "INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor) \
             SELECT 'UPDATED', image.image_id, image.user_id, image.image_url, ",
        );
        sql.text(source)
            .text(" WHERE image.image_id IN ")
            .values(images.iter().copied());
        self.execute_raw(sql.into_statement()).await?;
        Ok(())
    }
}

fn no_state() -> DbErr {
    DbErr::RecordNotFound(format!("{TRAIL} has no row"))
}

async fn prune(unit: &UnitOfWork, before: Timestamp) -> Result<Option<u64>, Error> {
    if !unit.try_retention_lock().await? {
        return Ok(None);
    }
    let dropped = match unit.dialect() {
        Dialect::Postgres => prune_postgres(unit, before).await,
        Dialect::Sqlite => prune_sqlite(unit, before).await,
    };
    dropped.map(Some)
}

async fn prune_postgres(unit: &UnitOfWork, before: Timestamp) -> Result<u64, Error> {
    let statement = Statement::from_sql_and_values(
        unit.get_database_backend(),
        "SELECT image_gallery_prune_events($1, $2) AS dropped",
        [before.into(), PRUNED_AT_ONCE.into()],
    );
    let row = unit.query_one_raw(statement).await?;
    let dropped: Option<i64> = row
        .map(|row| row.try_get("", "dropped"))
        .transpose()
        .map_err(Error::from)?;
    Ok(dropped
        .and_then(|dropped| u64::try_from(dropped).ok())
        .unwrap_or(0))
}

async fn prune_sqlite(unit: &UnitOfWork, before: Timestamp) -> Result<u64, Error> {
    let backend = unit.get_database_backend();
    let oldest = Statement::from_sql_and_values(
        backend,
        "WITH oldest AS (SELECT position, occurred_at FROM image_gallery_event ORDER BY position LIMIT ?) \
         UPDATE image_gallery_trail SET pruned_position = coalesce((SELECT max(position) FROM oldest WHERE position < \
         coalesce((SELECT min(position) FROM oldest WHERE occurred_at >= ?), 9223372036854775807)), pruned_position)",
        [PRUNED_AT_ONCE.into(), before.into()],
    );
    unit.execute_raw(oldest).await?;
    let delete = "DELETE FROM image_gallery_event \
                  WHERE position <= (SELECT pruned_position FROM image_gallery_trail)";
    let deleted = unit.execute_unprepared(delete).await?;
    Ok(deleted.rows_affected())
}
