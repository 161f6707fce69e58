//! The order of the audit trail: which events have a position, and which are still kept.
//!
//! On SQLite the one writer gives each event its position as it is written. On Postgres values of a sequence become
//! visible out of order, so positions are given after the commit, by one sequencer at a time:
//! `image_gallery_sequence_events` in migration `m0003_trail`. Readers look at positions only, and sequence what waits
//! before they look.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::source::Purpose;
use super::{Database, Dialect, Error, UnitOfWork, connection_quota};
use crate::entity::Timestamp;

/// How many events are given their positions in one transaction.
const SEQUENCED_AT_ONCE: i32 = 1000;
/// How many old events are dropped in one transaction.
const PRUNED_AT_ONCE: i32 = 1000;

/// Between which positions the trail lies: those greater than `pruned`, up to `last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The last position that was given; 0 when there has been no event yet.
    pub last: i64,
    /// The last position that is no longer kept; 0 while all are.
    pub pruned: i64,
}

#[derive(Debug, FromQueryResult)]
struct State {
    last_position: i64,
    pruned_position: i64,
    is_waiting: bool,
}

impl Dialect {
    fn trail_state(self) -> &'static str {
        match self {
            // The order makes it the partial index that is read, whatever the statistics say.
            Self::Postgres => {
                "SELECT last_position, pruned_position, \
                 (SELECT sequence FROM image_gallery_event WHERE position IS NULL ORDER BY sequence LIMIT 1) \
                 IS NOT NULL AS is_waiting FROM image_gallery_trail"
            }
            Self::Sqlite => {
                "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'image_gallery_event'), 0) \
                 AS last_position, pruned_position, false AS is_waiting FROM image_gallery_trail"
            }
        }
    }
}

impl Database {
    /// Where the trail begins and ends, once every event that is committed by now has its position.
    pub async fn settled_trail(&self) -> Result<Bounds, Error> {
        let state = self.trail_state().await?;
        if !state.is_waiting {
            return Ok(state.into());
        }
        // One of this process is enough: the others would only hold connections while they wait for it.
        let _turn = self.sequencing.lock().await;
        // Others wait for the turn: it does not wait for what else the request is at.
        connection_quota::outside_quota(Box::pin(async {
            loop {
                let state = self.trail_state().await?;
                if !state.is_waiting {
                    return Ok(state.into());
                }
                // The lock of the trail's row is held for no longer than the server needs.
                self.execute_alone(&format!(
                    "SELECT image_gallery_sequence_events({SEQUENCED_AT_ONCE})"
                ))
                .await?;
            }
        }))
        .await
    }

    async fn trail_state(&self) -> Result<State, Error> {
        self.read_primary(|unit| Box::pin(trail_state(unit))).await
    }

    /// Drops the next events that are older than an instant, from the trail's beginning up to the first younger one, and
    /// counts them. None while another process is at it.
    pub async fn prune_trail(&self, before: Timestamp) -> Result<Option<u64>, Error> {
        self.unit_for(Purpose::Maintain)
            .run(self.source.clone(), move |unit| {
                Box::pin(prune(unit, before))
            })
            .await
    }
}

impl UnitOfWork {
    /// Where the trail begins and ends now, for those who have looked at it already.
    pub async fn trail_bounds(&self) -> Result<Bounds, Error> {
        Ok(trail_state(self).await?.into())
    }

    /// Makes this transaction the only one that does retention's work; false while another one is.
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

    /// Says who makes the changes of this transaction.
    pub(super) async fn set_actor(&self, actor: &str) -> Result<(), Error> {
        let sql = match self.dialect() {
            Dialect::Postgres => "SELECT set_config('image_gallery.actor', $1, true)",
            Dialect::Sqlite => "UPDATE image_gallery_trail SET actor = ?",
        };
        let backend = self.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [actor.into()]);
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// On SQLite the signature is a row: other programs' changes must not find it.
    pub(super) async fn clear_actor(&self) -> Result<(), Error> {
        if self.dialect() == Dialect::Sqlite {
            self.execute_unprepared("UPDATE image_gallery_trail SET actor = NULL")
                .await?;
        }
        Ok(())
    }
}

impl From<State> for Bounds {
    fn from(state: State) -> Self {
        Self {
            last: state.last_position,
            pruned: state.pruned_position,
        }
    }
}

async fn trail_state(unit: &UnitOfWork) -> Result<State, Error> {
    let statement =
        Statement::from_string(unit.get_database_backend(), unit.dialect().trail_state());
    let row = unit.query_one_raw(statement).await?;
    let missing = || sea_orm::DbErr::RecordNotFound("image_gallery_trail has no row".to_owned());
    let row = row.ok_or_else(missing)?;
    Ok(State::from_query_result(&row, "")?)
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
