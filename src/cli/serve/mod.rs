//! `image-gallery serve`: connects, migrates if configured, and serves until it is stopped.

mod retention;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::auth::Authenticator;
use crate::config::Settings;
use crate::db::{self, Database};
use crate::execution::{Executor, InstrumentedExecutor};
use crate::gallery::Gallery;
use crate::metrics::Metrics;
use crate::server::Server;
use retention::Passes;

/// Serves until SIGINT or SIGTERM, then completes the requests in flight.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    // Before the server reports that it is up, so that an early signal stops it gracefully too.
    let mut stop = pin!(stop_signal()?);
    let server = tokio::select! {
        server = start(settings) => server?,
        stopped = &mut stop => return stopped,
    };
    stop.await?;
    tracing::info!("stopping: completing requests in flight");
    server.stop().await
}

/// A server that runs in the background.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    gallery: Arc<Gallery>,
    retention: Passes,
}

/// Starts a server, which accepts requests when this returns.
pub async fn start(settings: Settings) -> anyhow::Result<RunningServer> {
    let listen_address = settings.listen_address()?;
    let access = settings.access.options()?;
    let authenticator =
        Authenticator::new(access).context("cannot set up TLS for the key server")?;
    let limits = settings.limits.of_operations();
    let policy = settings.documents.policy(&limits)?;
    let options = settings.database()?;
    let target = &options.target;
    let database = Database::connect(&options)
        .await
        .with_context(|| format!("cannot connect to {target}"))?;
    prepare_schema(&database, settings.database.auto_migrate(target))
        .await
        .with_context(|| format!("cannot migrate {target}"))?;
    let gallery = Arc::new(Gallery::new(database, settings.gallery()));
    let executor = Executor::new(
        Arc::clone(&gallery),
        policy,
        limits,
        settings.limits.graphql_max_answer_bytes,
        settings.limits.request_timeout,
    );
    let metrics = Arc::new(Metrics::new().context("cannot set up the metrics")?);
    let server = Server::bind(
        listen_address,
        InstrumentedExecutor::new(executor.clone(), Arc::clone(&metrics)),
        Arc::clone(&metrics),
        authenticator,
        Arc::clone(&gallery),
        settings.server(),
    )
    .await
    .with_context(|| format!("cannot listen on {listen_address} (HOST, PORT)"))?;
    let address = server.address();
    // Not earlier: a failed start prints only its one-line error.
    executor.validate_all_trusted().await;
    for warning in settings.access.warnings() {
        tracing::warn!("{warning}");
    }
    tracing::info!("listening on http://{address}/graphql, with {target}");
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.run(async {
        // Dropping the handle stops the server too.
        let _ = stopped.await;
    }));
    Ok(RunningServer {
        address,
        stop,
        serving,
        retention: Passes::start(&gallery, metrics),
        gallery,
    })
}

impl RunningServer {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Rejects new requests, ends the subscriptions, completes the requests in flight, and closes the database.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.retention);
        self.gallery.close_feed();
        // Fails only if the server has already ended; its error is returned next.
        let _ = self.stop.send(());
        self.serving.await.context("the server's task failed")??;
        self.gallery.database().close().await;
        Ok(())
    }
}

/// Runs pending migrations, or logs how to run them. The server starts with an outdated schema too, because the
/// operator may be migrating it right now.
async fn prepare_schema(database: &Database, auto_migrate: bool) -> Result<(), db::Error> {
    if auto_migrate {
        for name in database.migrate_up().await?.migrations {
            tracing::info!("applied migration {name}");
        }
    }
    match database.require_migrated().await {
        Ok(()) => {
            if !database.is_search_current().await? {
                tracing::warn!(
                    "the search index does not follow PROMPT_METADATA_KEY as it is set: run `image-gallery migrate up`"
                );
            }
            Ok(())
        }
        Err(error @ db::Error::MigrationsPending(_)) => {
            tracing::warn!("{error}; until then requests fail with SERVICE_UNAVAILABLE");
            Ok(())
        }
        other => other,
    }
}

#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    Ok(async { Ok(tokio::signal::ctrl_c().await?) })
}
