//! The connection pool for Postgres.
//!
//! sqlx's pool pings the server before and after each unit of work: two additional round trips. This one pings only
//! connections that were idle for a moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, Status,
};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::is_transient;

/// How long a request waits for a connection before the database counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of the ping of an idle connection: less than a third of the acquire timeout, so that two dead connections
/// leave time for a new one.
const TEST_TIMEOUT: Duration = Duration::from_millis(900);
/// A connection used this recently is not pinged: under load that is all of them.
const TRUSTED_FOR: Duration = Duration::from_millis(1);
/// Connections idle for longer are closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// Maximum age of a connection: the server's memory for it grows.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Pause between two attempts to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PgPool {
    connections: managed::Pool<Connector>,
    /// Tracks connection holders: the pool is closed once there are none.
    users: TaskTracker,
    started: Instant,
    /// When idle connections were last checked, in milliseconds since `started`.
    last_sweep: Arc<AtomicU64>,
    acquire_timeout: Duration,
}

/// A connection, and when it was last returned.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
    released: Instant,
}

/// A connection that is returned to its pool when dropped.
#[derive(Debug)]
pub(super) struct PooledConnection {
    /// None once closed.
    connection: Option<Object<Connector>>,
    _user: TaskTrackerToken,
}

#[derive(Debug)]
pub(super) struct Connector {
    target: PgConnectOptions,
    /// SQL that configures a new session.
    setup: Option<String>,
    /// When a connection was last found dead: those that were idle at that moment are most likely dead too, and pinging
    /// each would take too long.
    last_death: Mutex<Option<Instant>>,
}

impl Connector {
    fn last_death(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_death
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn dead<E>(&self, error: RecycleError<E>) -> RecycleResult<E> {
        *self.last_death() = Some(Instant::now());
        Err(error)
    }
}

impl managed::Manager for Connector {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        // Boxed, as everything that is rare: a future of this size in each wait for a connection would be copied with it.
        let connection = Box::pin(async {
            let mut connection = self.target.connect().await?;
            if let Some(setup) = &self.setup {
                connection.execute(AssertSqlSafe(setup.clone())).await?;
            }
            Ok::<_, sqlx::Error>(connection)
        });
        let connection = connection.await?;
        Ok(Session {
            connection,
            released: Instant::now(),
        })
    }

    async fn recycle(
        &self,
        session: &mut Session,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_LIFETIME {
            return Err(RecycleError::message("it is old"));
        }
        if session.released.elapsed() < TRUSTED_FOR {
            return Ok(());
        }
        if self
            .last_death()
            .is_some_and(|death| session.released < death)
        {
            return Err(RecycleError::message(
                "others that were idle with it have died",
            ));
        }
        match timeout(TEST_TIMEOUT, Box::pin(session.connection.ping())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection of the pool has died");
                self.dead(RecycleError::Backend(error))
            }
            Err(_) => {
                tracing::debug!("a connection of the pool does not answer");
                self.dead(RecycleError::message("it does not answer"))
            }
        }
    }
}

impl PgPool {
    /// A pool that connects on demand.
    pub(super) fn new(
        target: PgConnectOptions,
        setup: Option<String>,
        max_connections: u32,
        acquire_timeout: Duration,
    ) -> Self {
        let max_connections = usize::try_from(max_connections).unwrap_or(usize::MAX);
        let connections = managed::Pool::builder(Connector {
            target,
            setup,
            last_death: Mutex::default(),
        })
        .max_size(max_connections)
        .runtime(Runtime::Tokio1)
        // The most recently used connection has a warm server process.
        .queue_mode(QueueMode::Lifo)
        .build()
        .expect("a pool without time-outs of its own needs nothing that could be missing");
        Self {
            connections,
            users: TaskTracker::new(),
            started: Instant::now(),
            last_sweep: Arc::default(),
            acquire_timeout,
        }
    }

    /// Waits for a connection. Retries temporary errors (the server is starting, or at its connection limit) until the
    /// timeout.
    pub(super) async fn acquire(&self) -> Result<PooledConnection, sqlx::Error> {
        self.close_idle();
        let deadline = Instant::now() + self.acquire_timeout;
        loop {
            let user = self.users.token();
            let error = match timeout_at(deadline, self.connections.get()).await {
                Ok(Ok(connection)) => {
                    return Ok(PooledConnection {
                        connection: Some(connection),
                        _user: user,
                    });
                }
                Ok(Err(PoolError::Backend(error))) => error,
                Ok(Err(PoolError::Closed)) => return Err(sqlx::Error::PoolClosed),
                Ok(Err(_)) | Err(_) => return Err(sqlx::Error::PoolTimedOut),
            };
            if !is_transient(&error) || Instant::now() + RETRY_PAUSE >= deadline {
                return Err(error);
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// At most once a minute.
    fn close_idle(&self) {
        const INTERVAL_MILLISECONDS: u64 = 60_000;
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last_sweep.load(Ordering::Relaxed);
        if now.saturating_sub(last) < INTERVAL_MILLISECONDS {
            return;
        }
        self.last_sweep.store(now, Ordering::Relaxed);
        self.connections
            .retain(|_, metrics| metrics.last_used() < IDLE_TIMEOUT);
    }

    /// The numbers of all and of idle connections.
    pub(super) fn status(&self) -> Status {
        self.connections.status()
    }

    /// Closes all connections, after those in use have been returned.
    pub(super) async fn close(&self) {
        self.users.close();
        self.users.wait().await;
        self.connections.close();
    }
}

impl PooledConnection {
    /// The connection, unless it was closed.
    pub(super) fn get(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection
            .as_deref_mut()
            .map(|session| &mut session.connection)
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// Closes it instead of returning it.
    pub(super) fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(session) = &mut self.connection {
            session.released = Instant::now();
        }
    }
}
