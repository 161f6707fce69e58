//! Notifies that something may have changed. This is only a hint: listeners read the database.
//!
//! 1. A commit in this process wakes the listeners of this process immediately.
//! 2. On Postgres it is also announced with NOTIFY, after the commit and at most every few milliseconds: a NOTIFY
//!    inside writing transactions would serialise their commits.
//! 3. A listening connection receives the notifications of other processes. It is probed regularly, because a
//!    connection may die silently. LISTEN does not work through a transaction pooler.
//! 4. Other programs do not notify, so listeners also wake up once a second.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sqlx::Executor;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgListener};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Error;
use super::source::{Purpose, Source};

const CHANNEL: &str = "image_gallery_events";
/// Latency of changes without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum time between two notifications; changes in between are coalesced.
const ANNOUNCEMENT_PAUSE: Duration = Duration::from_millis(20);
/// The listening connection is probed after this long without a notification.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// Timeout of connecting, LISTEN and probing.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses before reconnecting: the first and the longest.
const RECONNECT_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// Creates listeners and signals.
#[derive(Debug)]
pub(super) struct Changes {
    committed: watch::Sender<()>,
    /// The server to listen on.
    announcements: Option<(PgConnectOptions, Sender)>,
}

/// Identifies this process' own notifications.
#[derive(Clone, Debug)]
struct Sender(String);

/// Signals a commit.
#[derive(Debug)]
pub(super) struct Signal(Option<watch::Sender<()>>);

impl Signal {
    /// For changes that no listener needs.
    pub(super) fn to_nobody() -> Self {
        Self(None)
    }

    pub(super) fn give(&self) {
        if let Some(committed) = &self.0 {
            committed.send_replace(());
        }
    }
}

impl Changes {
    /// For a database without notifications by other processes.
    pub(super) fn within_process() -> Self {
        Self {
            committed: watch::Sender::new(()),
            announcements: None,
        }
    }

    /// Announces this process' changes, and listens for those of others on a dedicated connection to `target`.
    pub(super) fn between_processes(target: Option<PgConnectOptions>, source: Source) -> Self {
        let committed = watch::Sender::new(());
        let sender = Sender(Uuid::new_v4().to_string());
        tokio::spawn(announce(source, committed.subscribe(), sender.clone()));
        Self {
            committed,
            announcements: target.map(|target| (target, sender)),
        }
    }

    pub(super) fn committed(&self) -> Signal {
        Signal(Some(self.committed.clone()))
    }

    pub(super) fn listen(&self) -> Listener {
        let announced = watch::Sender::new(());
        let heard = announced.subscribe();
        let hearing = self.announcements.clone().map(|(target, sender)| {
            tokio::spawn(receive(target, sender, announced)).abort_handle()
        });
        Listener {
            committed: self.committed.subscribe(),
            announced: heard,
            hearing,
        }
    }
}

/// Waits for changes. On Postgres it keeps one connection open while it exists.
#[derive(Debug)]
pub struct Listener {
    committed: watch::Receiver<()>,
    announced: watch::Receiver<()>,
    hearing: Option<AbortHandle>,
}

impl Listener {
    /// Returns when something may have changed since the last call, after at most a second.
    pub async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.committed.changed() => {}
            Ok(()) = self.announced.changed() => {}
            () = sleep(POLL_INTERVAL) => {}
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(hearing) = &self.hearing {
            hearing.abort();
        }
    }
}

/// Ends when the last handle on the database is dropped.
async fn announce(source: Source, mut committed: watch::Receiver<()>, sender: Sender) {
    let sql = source.autocommit(&format!("NOTIFY {CHANNEL}, '{}'", sender.0));
    while committed.changed().await.is_ok() {
        if let Err(error) = announce_once(&source, &sql).await {
            tracing::debug!(%error, "other processes could not be notified of a change; they find it by polling");
        }
        sleep(ANNOUNCEMENT_PAUSE).await;
    }
}

async fn announce_once(source: &Source, sql: &str) -> Result<(), Error> {
    let unit = source.begin(&Purpose::Alone).await?;
    unit.execute_unprepared(sql).await?;
    Ok(())
}

async fn receive(target: PgConnectOptions, sender: Sender, announced: watch::Sender<()>) {
    let [first_pause, longest_pause] = RECONNECT_PAUSES;
    let mut pause = first_pause;
    loop {
        let mut has_listened = false;
        if let Err(error) = listen_until_lost(&target, &sender, &announced, &mut has_listened).await
        {
            tracing::debug!(%error, "lost the connection that listens for changes");
        }
        pause = if has_listened {
            first_pause
        } else {
            longest_pause.min(pause * 2)
        };
        sleep(pause).await;
    }
}

async fn listen_until_lost(
    target: &PgConnectOptions,
    sender: &Sender,
    announced: &watch::Sender<()>,
    has_listened: &mut bool,
) -> Result<(), sqlx::Error> {
    // A new pool for each connection: a dead one may occupy its slot for long.
    let pool = PoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PROBE_TIMEOUT)
        .connect_lazy_with(target.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    *has_listened = true;
    // For notifications that were sent before LISTEN.
    announced.send_replace(());
    loop {
        match timeout(PROBE_INTERVAL, listener.try_recv()).await {
            Ok(Ok(Some(notification))) if notification.payload() == sender.0 => {}
            Ok(Ok(Some(_))) => announced.send_replace(()),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                in_time(listener.execute("SELECT 1")).await?;
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(PROBE_TIMEOUT, work)
        .await
        .map_err(|_| sqlx::Error::PoolTimedOut)?
}
