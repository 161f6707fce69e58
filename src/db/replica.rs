//! Reads from a streaming standby, for requests that ask for it.
//!
//! 1. A request has a `ReadPreference`, and all its reads run in its scope.
//! 2. Its first read decides for all: the standby, if it responds, is a standby, and has replayed the position that the
//!    request requires; else the primary.
//! 3. If the standby fails later, the query fails and must be executed again on the primary, which also serves the
//!    rest of the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use super::lsn::Lsn;
use super::options::Options;
use super::source::{Purpose, Source};
use super::{Error, UnitOfWork};

/// How long a request waits for the standby before it uses the primary.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a standby that did not respond is not tried again.
const PAUSE: Duration = Duration::from_secs(2);

tokio::task_local! {
    static READS: ReadPreference;
}

/// The read preference of a request, and its state. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ReadPreference(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wants_replica: bool,
    after: Option<Lsn>,
    /// Whether the standby serves the request; decided by the first read.
    is_replica: OnceCell<bool>,
    has_failed: AtomicBool,
    has_changed: AtomicBool,
    written: AtomicU64,
}

impl ReadPreference {
    /// Reads from the primary.
    pub fn primary() -> Self {
        Self::default()
    }

    /// Reads from a standby that has replayed everything up to an LSN, if there is one.
    pub fn replica(after: Option<Lsn>) -> Self {
        Self(Arc::new(Shared {
            wants_replica: true,
            after,
            ..Shared::default()
        }))
    }

    /// Runs a request in this scope. Tasks that it spawns are not part of it.
    pub async fn scope<T>(&self, request: impl Future<Output = T>) -> T {
        // Boxed, because the future is large and would be stored twice.
        READS.scope(self.clone(), Box::pin(request)).await
    }

    /// The preference of the current request.
    pub fn current() -> Option<Self> {
        READS.try_with(Self::clone).ok()
    }

    /// Whether the standby may still be used.
    pub fn may_use_replica(&self) -> bool {
        let is_over = self.has_failed() || self.0.has_changed.load(Ordering::Relaxed);
        self.0.wants_replica && !is_over
    }

    /// The request changes something: its later reads have to see that.
    pub fn use_primary(&self) {
        self.0.has_changed.store(true, Ordering::Relaxed);
    }

    /// Whether the standby failed during a query, so that it must be executed again on the primary.
    pub fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Relaxed)
    }

    /// The LSN that a standby must have replayed to show the request's own changes; None without changes or without a
    /// standby.
    pub fn written(&self) -> Option<Lsn> {
        Lsn::from_number(self.0.written.load(Ordering::Relaxed))
    }

    pub(super) fn fail(&self) {
        self.0.has_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_written(&self, lsn: Lsn) {
        self.0.written.fetch_max(lsn.number(), Ordering::Relaxed);
    }
}

/// The standby.
#[derive(Debug)]
pub(super) struct Replica {
    source: Source,
    /// Not tried before this many milliseconds since `started`.
    away_until: AtomicU64,
    started: Instant,
}

impl Replica {
    /// The standby need not respond: the primary is the fallback.
    pub(super) fn new(target: &PgConnectOptions, options: &Options) -> Self {
        Self {
            source: Source::postgres(target, options),
            away_until: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The standby's connections, if the request prefers them and may use them.
    pub(super) async fn source_for(&self, reads: &ReadPreference) -> Option<&Source> {
        if !reads.may_use_replica() {
            return None;
        }
        let decide = || self.serves(reads.0.after);
        let is_replica = *reads.0.is_replica.get_or_init(decide).await;
        is_replica.then_some(&self.source)
    }

    async fn serves(&self, after: Option<Lsn>) -> bool {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.away_until.load(Ordering::Relaxed) {
            return false;
        }
        let replayed = match timeout(PATIENCE, self.replayed()).await {
            Ok(Ok(replayed)) => replayed,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the replica cannot be asked, and the primary serves the request instead");
                self.rest(now);
                return false;
            }
            Err(_) => {
                tracing::warn!(
                    "the replica does not answer, and the primary serves the request instead"
                );
                self.rest(now);
                return false;
            }
        };
        replayed.is_some_and(|replayed| after.is_none_or(|after| after <= replayed))
    }

    fn rest(&self, now: u64) {
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(0);
        self.away_until
            .store(now.saturating_add(pause), Ordering::Relaxed);
    }

    /// The LSN that the standby has replayed; None if it is not a standby.
    async fn replayed(&self) -> Result<Option<Lsn>, Error> {
        let source = self.source.clone();
        super::detached(async move {
            let unit = source.begin(&Purpose::Read).await?;
            let replayed = replayed(&unit).await?;
            unit.commit().await?;
            Ok(replayed)
        })
        .await
    }

    pub(super) async fn close(&self) {
        self.source.close().await;
    }
}

async fn replayed(unit: &UnitOfWork) -> Result<Option<Lsn>, Error> {
    let sql = "SELECT pg_last_wal_replay_lsn()::text WHERE pg_is_in_recovery()";
    let statement = Statement::from_string(unit.get_database_backend(), sql);
    let Some(row) = unit.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let text: Option<String> = row.try_get_by_index(0).map_err(Error::from)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
