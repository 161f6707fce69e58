//! Tells that something may have changed. A hint, never the truth: whoever is woken looks into the database.
//!
//! 1. A commit of this process wakes its own listeners at once.
//! 2. On Postgres it is also announced by NOTIFY, after the commit and at most every few milliseconds: inside the writing
//!    transactions a NOTIFY would make all commits wait for each other.
//! 3. A connection that listens hears the announcements of other processes. It is asked now and then whether it still
//!    lives, because a connection may die without a word. Through a transaction pooler nobody hears anything.
//! 4. Other programs announce nothing: a listener is woken once a second in any case.

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
/// How long changes go unnoticed that nobody announced.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long an announcement waits for further changes behind the one before it.
const ANNOUNCEMENT_PAUSE: Duration = Duration::from_millis(20);
/// After so long without a word the listening connection has to show that it lives.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long connecting, listening and showing life may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lost connection is left alone, at first and at most.
const RECONNECT_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// The source of the hints.
#[derive(Debug)]
pub(super) struct Changes {
    committed: watch::Sender<()>,
    /// The server whose announcements are heard.
    announcements: Option<(PgConnectOptions, Sender)>,
}

/// Marks this process' own announcements.
#[derive(Clone, Debug)]
struct Sender(String);

/// Tells of a commit.
#[derive(Debug)]
pub(super) struct Signal(Option<watch::Sender<()>>);

impl Signal {
    /// For changes that concern nobody.
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
    /// For a database that other processes change without announcing it.
    pub(super) fn within_process() -> Self {
        Self {
            committed: watch::Sender::new(()),
            announcements: None,
        }
    }

    /// Announces this process' changes, and hears those of others on a connection of its own to `target`.
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

/// Waits for changes. While it lives, Postgres keeps a connection for it.
#[derive(Debug)]
pub struct Listener {
    committed: watch::Receiver<()>,
    announced: watch::Receiver<()>,
    hearing: Option<AbortHandle>,
}

impl Listener {
    /// Returns when something may have changed since the last call, at the latest after a second.
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

/// Ends with the last handle on the database.
async fn announce(source: Source, mut committed: watch::Receiver<()>, sender: Sender) {
    let sql = source.autocommit(&format!("NOTIFY {CHANNEL}, '{}'", sender.0));
    while committed.changed().await.is_ok() {
        if let Err(error) = announce_once(&source, &sql).await {
            tracing::debug!(%error, "a change could not be announced; other processes find it when they look");
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
        if let Err(error) = hear_until_lost(&target, &sender, &announced, &mut has_listened).await {
            tracing::debug!(%error, "the connection that listens for changes is lost");
        }
        pause = if has_listened {
            first_pause
        } else {
            longest_pause.min(pause * 2)
        };
        sleep(pause).await;
    }
}

async fn hear_until_lost(
    target: &PgConnectOptions,
    sender: &Sender,
    announced: &watch::Sender<()>,
    has_listened: &mut bool,
) -> Result<(), sqlx::Error> {
    // A pool for each connection: a dead one may keep its place for long.
    let pool = PoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PROBE_TIMEOUT)
        .connect_lazy_with(target.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    *has_listened = true;
    // For what was announced before anybody listened.
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
