//! The database's state for monitoring: pool usage, length of the trail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use sqlx::pool::Pool as Connections;

use super::pool::PgPool;
use super::replica::Replica;
use super::source::{Purpose, Source};
use super::{Database, Dialect, Error, UnitOfWork};

/// The state of a connection pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `primary` on Postgres, and `replica` where there is one; `readers` and `writer` on SQLite.
    pub name: &'static str,
    /// Connections held by units of work.
    pub in_use: usize,
    /// Idle connections.
    pub idle: usize,
    /// Maximum number of connections.
    pub maximum: usize,
    /// Units of work waiting for a connection.
    pub waiting: usize,
}

/// The state of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct TrailSnapshot {
    /// The last assigned position.
    pub last_position: i64,
    /// Committed events without a position, counted up to 10,001.
    pub waiting_events: i64,
}

/// Counts the units of work that wait for a connection: those that may write, and the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<[AtomicUsize; 2]>);

impl Waiting {
    /// Counts while it waits to begin.
    pub(super) async fn begin(
        &self,
        source: &Source,
        purpose: &Purpose,
    ) -> Result<UnitOfWork, Error> {
        let [writing, reading] = &*self.0;
        let count = if *purpose == Purpose::Read {
            reading
        } else {
            writing
        };
        count.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(count);
        source.begin(purpose).await
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Dialect {
    fn trail_snapshot(self) -> &'static str {
        match self {
            Self::Postgres => {
                "SELECT last_position, (SELECT count(*) FROM (SELECT FROM image_gallery_event \
                 WHERE position IS NULL LIMIT 10001) AS waiting) AS waiting_events FROM image_gallery_trail"
            }
            // Events get their position when they are written.
            Self::Sqlite => {
                "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'image_gallery_event'), 0) \
                 AS last_position, 0 AS waiting_events FROM image_gallery_trail"
            }
        }
    }
}

impl Database {
    /// The usage of the connection pools.
    pub fn pools(&self) -> Vec<Pool> {
        let [writing, reading] = &*self.waiting.0;
        let (writing, reading) = (
            writing.load(Ordering::Relaxed),
            reading.load(Ordering::Relaxed),
        );
        let mut pools = match &self.source {
            Source::Postgres { pool, .. } => {
                vec![look_postgres(pool, "primary", writing + reading)]
            }
            Source::Sqlite {
                readers, writer, ..
            } => vec![
                look(readers, "readers", reading),
                look(writer, "writer", writing),
            ],
        };
        if let Some(Source::Postgres { pool, .. }) = self.replica.as_ref().map(Replica::source) {
            // A request that would have to wait uses the primary.
            pools.push(look_postgres(pool, "replica", 0));
        }
        pools
    }
}

impl UnitOfWork {
    /// The state of the trail.
    pub async fn trail_snapshot(&self) -> Result<TrailSnapshot, Error> {
        let backend = self.get_database_backend();
        let statement = Statement::from_string(backend, self.dialect().trail_snapshot());
        let row = self.query_one_raw(statement).await?;
        let missing =
            || sea_orm::DbErr::RecordNotFound("image_gallery_trail has no row".to_owned());
        Ok(TrailSnapshot::from_query_result(
            &row.ok_or_else(missing)?,
            "",
        )?)
    }
}

fn look_postgres(pool: &PgPool, name: &'static str, waiting: usize) -> Pool {
    let status = pool.status();
    Pool {
        name,
        in_use: status.size.saturating_sub(status.available),
        idle: status.available,
        maximum: status.max_size,
        waiting,
    }
}

fn look<DB: sqlx::Database>(pool: &Connections<DB>, name: &'static str, waiting: usize) -> Pool {
    let size = usize::try_from(pool.size()).unwrap_or(usize::MAX);
    let idle = pool.num_idle();
    Pool {
        name,
        in_use: size.saturating_sub(idle),
        idle,
        maximum: usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX),
        waiting,
    }
}
