//! The database: connections, and the only ways to run SQL: [`Database::read`], [`Database::write`] and their variants.
//!
//! A change runs in a task of its own: a caller that disconnects or times out stops waiting, but does not cancel it. A
//! read on Postgres is cancelled together with its connection. A unit with a serialization failure or deadlock is
//! rolled back and retried, so its work is a function that can be called more than once.

mod changes;
mod connect_diagnosis;
mod connection_quota;
mod containment;
mod dialect;
mod direct;
mod erasure;
mod error;
pub mod inspect;
mod lsn;
mod migrations;
pub mod options;
mod pool;
mod prompt;
mod replica;
pub mod search;
mod signature;
mod snapshot;
mod source;
mod sql;
mod sqlstate;
mod trail;
mod unit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::ConnectionTrait;

use crate::telemetry::in_current_request;

use changes::{Changes, Signal};
use direct::Direct;
use replica::Replica;
use source::{Purpose, Source};

pub use changes::Listener;
pub use dialect::Dialect;
pub use erasure::ErasedEvents;
pub use error::Error;
pub use lsn::{InvalidLsn, Lsn};
use options::{Options, Target};
pub use prompt::PromptKind;
pub use replica::ReadPreference;
pub use signature::Signature;
use snapshot::Waiting;
pub use snapshot::{Pool, TrailSnapshot};
pub use sql::Sql;
pub use trail::{Bounds, TrailRead};
pub use unit::UnitOfWork;

/// Pauses before each retry of a unit of work after a conflict. Postgres aborted it in favour of another one, which
/// proceeds meanwhile.
const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
];

/// The gallery's database. Nothing else holds connections.
#[derive(Debug)]
pub struct Database {
    source: Source,
    direct: Option<Direct>,
    replica: Option<Replica>,
    /// Whether the last check found no pending migration of this program.
    is_migrated: AtomicBool,
    /// Held while this process sequences events.
    sequencing: tokio::sync::Mutex<()>,
    changes: Changes,
    waiting: Waiting,
    /// How many connections one request may use at once.
    connection_quota: usize,
    prompt_metadata_key: Option<String>,
}

impl Database {
    /// Connects once, to report problems at startup. The pool reconnects by itself later.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let source = match &options.target {
            Target::Postgres(target) => {
                source::probe(target, options.connect_timeout).await?;
                Source::postgres(target, options)
            }
            Target::Sqlite(target) => Source::sqlite(target, options).await?,
        };
        let changes = match &source {
            Source::Postgres { .. } => {
                Changes::between_processes(direct::target(options), source.clone())
            }
            Source::Sqlite { .. } => Changes::within_process(),
        };
        let replica = match &options.replica {
            Some(Target::Postgres(target)) => Some(Replica::new(target, options)),
            _ => None,
        };
        Ok(Self {
            direct: Direct::new(options, &source),
            replica,
            source,
            is_migrated: AtomicBool::new(false),
            sequencing: tokio::sync::Mutex::new(()),
            changes,
            waiting: Waiting::default(),
            connection_quota: connection_quota::of_connections(options.max_connections.get()),
            prompt_metadata_key: options.prompt_metadata_key.clone(),
        })
    }

    /// Runs one request, which may use only a part of the connections at once.
    pub async fn for_one_request<T>(&self, work: impl Future<Output = T>) -> T {
        connection_quota::within(self.connection_quota, work).await
    }

    /// Listens for changes by any writer.
    pub fn listen(&self) -> Listener {
        self.changes.listen()
    }

    /// The key of the metadata whose text replaces a missing original prompt, and is searched like one.
    pub fn prompt_metadata_key(&self) -> Option<&str> {
        self.prompt_metadata_key.as_deref()
    }

    /// The database's SQL dialect.
    pub fn dialect(&self) -> Dialect {
        self.source.dialect()
    }

    /// Runs a read-only unit of work. Each statement sees what is committed when it starts.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut run = self.unit_for(Purpose::Read);
        let mut source = &self.source;
        if let (Some(replica), Some(reads)) = (&self.replica, ReadPreference::current())
            && let Some(standby) = Box::pin(replica.source_for(&reads)).await
        {
            source = standby;
            run.waiting = Waiting::default();
            run.served_by_replica = Some(reads);
        }
        run.run(source.clone(), work).await
    }

    /// Like [`Database::read`], but always on the primary: the trail is not read from a replica that may lag.
    pub async fn read_primary<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let run = self.unit_for(Purpose::Read);
        run.run(self.source.clone(), work).await
    }

    /// Runs a unit of work in one transaction, which is rolled back on an error. The trail records the signature.
    pub async fn write<T, E, F>(&self, signature: impl Into<Signature>, work: F) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let run = self.change(Purpose::Write);
        run.run(self.source.clone(), signed(signature.into(), work))
            .await
    }

    /// Like [`Database::write`], for work that changes one of `items` with a single statement. If possible, that
    /// statement signs its changes and commits on its own, without further statements; so it must return
    /// [`UnitOfWork::signature`] along with the changed rows.
    pub async fn write_items<T, E, F>(
        &self,
        items: usize,
        signature: impl Into<Signature>,
        work: F,
    ) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let signature = signature.into();
        let run = self.change(Purpose::Statement(signature.clone()));
        let is_one_statement =
            items == 1 && self.source.commits_at_once() && run.reports_lsn_to.is_none();
        if is_one_statement {
            return run.run(self.source.clone(), work).await;
        }
        self.write(signature, work).await
    }

    /// Like [`Database::write`], but for background work: statements time out after ten minutes, not with a request.
    pub async fn maintain<T, E, F>(&self, signature: impl Into<Signature>, work: F) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let run = self.change(Purpose::Maintain);
        run.run(self.source.clone(), signed(signature.into(), work))
            .await
    }

    /// Runs one statement without values in autocommit mode.
    async fn execute_alone(&self, sql: &str) -> Result<(), Error> {
        let sql = self.source.autocommit(sql);
        let run = self.unit_for(Purpose::Alone);
        run.run(self.source.clone(), move |unit| {
            let sql = sql.clone();
            Box::pin(async move {
                unit.execute_unprepared(&sql).await?;
                Ok(())
            })
        })
        .await
    }

    fn unit_for(&self, purpose: Purpose) -> Run {
        Run {
            purpose,
            waiting: self.waiting.clone(),
            committed: Signal::to_nobody(),
            served_by_replica: None,
            reports_lsn_to: None,
        }
    }

    /// A unit of work whose commit is signalled.
    fn change(&self, purpose: Purpose) -> Run {
        Run {
            committed: self.changes.committed(),
            // Only used with a replica.
            reports_lsn_to: self
                .replica
                .as_ref()
                .and_then(|_| ReadPreference::current()),
            ..self.unit_for(purpose)
        }
    }

    /// Fails unless the database responds and no migration of this program is pending.
    pub async fn require_ready(&self) -> Result<(), Error> {
        self.ping().await?;
        self.check_migrations().await
    }

    /// Fails while a migration of this program is pending. Queries the database only until none is, and again after
    /// [`Database::check_migrations`] has found one: another process may have reverted it.
    pub async fn require_migrated(&self) -> Result<(), Error> {
        if self.is_migrated.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.check_migrations().await
    }

    /// Queries whether a migration of this program is pending, and fails if so.
    pub async fn check_migrations(&self) -> Result<(), Error> {
        let pending = self.pending_migrations().await?;
        self.is_migrated
            .store(pending.is_empty(), Ordering::Relaxed);
        if pending.is_empty() {
            return Ok(());
        }
        Err(Error::MigrationsPending(pending))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.read_primary(|unit| Box::pin(unit.ping())).await
    }

    /// Closes all connections, after those in use have been returned.
    pub async fn close(&self) {
        self.source.close().await;
        if let Some(direct) = &self.direct {
            direct.close().await;
        }
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
    }
}

/// Work whose changes are signed.
fn signed<T, E, F>(
    signature: Signature,
    work: F,
) -> impl for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static
where
    F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let signed = std::sync::Arc::new((signature, work));
    move |unit| {
        let signed = std::sync::Arc::clone(&signed);
        Box::pin(async move {
            let (signature, work) = &*signed;
            unit.sign(signature).await?;
            let done = work(unit).await?;
            unit.clear_signature(signature).await?;
            Ok(done)
        })
    }
}

/// How a unit of work runs, and where its result is reported.
#[derive(Debug)]
struct Run {
    purpose: Purpose,
    waiting: Waiting,
    committed: Signal,
    /// The request that reads from the standby.
    served_by_replica: Option<ReadPreference>,
    /// The request that receives the log position after the commit.
    reports_lsn_to: Option<ReadPreference>,
}

impl Run {
    /// Runs work: reads on Postgres within the caller, all else in a task of its own, which goes on if the caller is dropped.
    async fn run<T, E, F>(self, source: Source, work: F) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // Held until the result is taken, which also bounds results that are read but not yet used.
        let _permit = connection_quota::permit().await;
        let is_torn_safely =
            self.purpose == Purpose::Read && matches!(source, Source::Postgres { .. });
        // Boxed, because it is large and would be copied into the waiting future.
        let work = Box::pin(async move {
            let mut has_failed = true;
            let outcome = self.until_no_conflict(&source, work, &mut has_failed).await;
            if outcome.is_ok() {
                self.committed.give();
            } else if let Some(reads) = &self.served_by_replica
                && has_failed
            {
                reads.fail();
            }
            outcome
        });
        // A cancelled read closes its connection and changes nothing.
        if is_torn_safely {
            return work.await;
        }
        detached(work).await
    }

    /// Also returns whether the database failed, as opposed to the work.
    async fn until_no_conflict<T, E, F>(
        &self,
        source: &Source,
        work: F,
        has_failed: &mut bool,
    ) -> Result<T, E>
    where
        F: for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<T, E>> + Send + Sync,
        E: From<Error>,
    {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            // Boxed like all that is larger than most of its callers' futures: each move of those would copy it.
            let unit = Box::pin(self.waiting.begin(source, &self.purpose)).await?;
            let mut outcome = work(&unit).await;
            if unit.is_transaction() {
                outcome = Box::pin(self.finish(&unit, outcome)).await;
            }
            match pauses.next() {
                // Postgres has reported that it rolled everything back.
                Some(pause) if outcome.is_err() && unit.has_conflict() => {
                    drop(unit);
                    tokio::time::sleep(*pause).await;
                }
                _ => {
                    *has_failed = unit.has_failed();
                    return outcome;
                }
            }
        }
    }

    /// Commits or rolls back.
    async fn finish<T, E: From<Error>>(
        &self,
        unit: &UnitOfWork,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        let outcome = match outcome {
            Ok(done) => self.commit(unit).await.map(|()| done).map_err(E::from),
            failed => failed,
        };
        if outcome.is_err() {
            unit.roll_back().await;
        }
        outcome
    }

    async fn commit(&self, unit: &UnitOfWork) -> Result<(), Error> {
        let Some(reads) = &self.reports_lsn_to else {
            return unit.commit().await;
        };
        if let Some(lsn) = unit.commit_returning_lsn().await? {
            reads.note_written(lsn);
        }
        Ok(())
    }
}

/// Runs work to its end even if the caller stops waiting.
async fn detached<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    match tokio::spawn(in_current_request(work)).await {
        Ok(result) => result,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Unavailable("the server is stopping".to_owned()).into()),
        },
    }
}
