//! The connection that bypasses a transaction pooler, for migrations (locks across statements) and LISTEN (a session of
//! its own).

#![expect(clippy::disallowed_types, reason = "migrations are given a connection")]

use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;

use super::Error;
use super::options::{Options, Pooler, Target};
use super::source::{ACQUIRE_TIMEOUT, Source, probe, with_statement_log};

/// A migration may need a second connection besides the one that holds a lock.
const MAX_CONNECTIONS: u32 = 3;
/// These connections are rarely needed and count against the server's limit.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// A connection directly to the database.
#[derive(Debug)]
pub(super) struct Direct {
    connection: DatabaseConnection,
    /// Probed before the first use, for a better error; None once that succeeded.
    probed: Option<Target>,
    connect_timeout: Duration,
}

impl Direct {
    /// None if only a transaction pooler is known. Statements have no timeout.
    pub(super) fn new(options: &Options, source: &Source) -> Option<Self> {
        if let Source::Sqlite { writer, .. } = source {
            return Some(Self {
                connection: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer.clone()),
                probed: None,
                connect_timeout: options.connect_timeout,
            });
        }
        let target = target(options)?;
        let pool = PoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT.max(options.connect_timeout))
            .idle_timeout(IDLE_TIMEOUT)
            .connect_lazy_with(with_statement_log(target, options.slow_query));
        Some(Self {
            connection: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            probed: options.direct.clone(),
            connect_timeout: options.connect_timeout,
        })
    }

    /// A connection on which session locks and settings persist.
    pub(super) async fn connection(&self) -> Result<&DatabaseConnection, Error> {
        if let Some(target @ Target::Postgres(server)) = &self.probed {
            probe(server, self.connect_timeout)
                .await
                .map_err(|error| at(target, error))?;
        }
        Ok(&self.connection)
    }

    pub(super) async fn close(&self) {
        // Errors while closing are ignored: the process is about to exit.
        let _ = self.connection.clone().close().await;
    }
}

/// The server itself; None if only its transaction pooler is known.
pub(super) fn target(options: &Options) -> Option<PgConnectOptions> {
    let own = (options.pooler == Pooler::Session).then_some(&options.target);
    match options.direct.as_ref().or(own)? {
        Target::Postgres(server) => Some(PgConnectOptions::clone(server)),
        Target::Sqlite(_) => None,
    }
}

/// Names the connection that an error is about.
fn at(target: &Target, error: Error) -> Error {
    let with_target = |reason| format!("DATABASE_DIRECT_URL, {target}: {reason}");
    match error {
        Error::Unavailable(reason) => Error::Unavailable(with_target(reason)),
        Error::Refused(reason) => Error::Refused(with_target(reason)),
        other => other,
    }
}
