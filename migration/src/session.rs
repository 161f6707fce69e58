//! The connection that migrates on Postgres, and the lock that excludes other migrating processes.
//!
//! It is a session lock, because indexes are built outside transactions. It is polled: a waiting statement holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` waits for all older snapshots, so the two would deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm_migration::sea_orm::sqlx::{self, ConnectOptions, Row};
use sea_orm_migration::sea_orm::{DatabaseConnection, RuntimeErr, SqlxPostgresConnector};

use crate::{Error, lock, query};

/// Key of the advisory lock; an arbitrary constant.
const LOCK_KEY: i64 = 0x0069_6D67_5F67_616C;
/// Polling interval of the lock.
const POLL: Duration = Duration::from_millis(200);
/// How often two connections are asked for their session.
const ROUNDS: usize = 4;
/// Why migrations do not run through a transaction pooler.
const SHARED: &str = "the connection goes through a pooler in transaction mode, which does not support session locks; \
                      migrations need the database itself or a pooler in session mode (Supabase: port 5432): set it \
                      as DATABASE_DIRECT_URL, in addition to DATABASE_POOLER=transaction";
/// Interval of log lines about what a migration waits for.
const WATCH: Duration = Duration::from_secs(10);

/// A connection that holds the lock until it is closed.
pub(crate) struct Session {
    pub(crate) connection: DatabaseConnection,
    process: i32,
}

impl Session {
    /// Opens a new connection to the database, and waits until no other process migrates it.
    pub(crate) async fn begin(database: &DatabaseConnection) -> Result<Self, Error> {
        let connection = connect(database);
        match locked_alone(&connection, database).await {
            Ok(process) => Ok(Self {
                connection,
                process,
            }),
            Err(error) => {
                // The first error says more than an error while closing.
                let _ = connection.close().await;
                Err(error)
            }
        }
    }

    /// Runs work on the connection, and logs which sessions it waits for.
    pub(crate) async fn watched<T>(
        &self,
        database: &DatabaseConnection,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::select! {
            done = work => done,
            never = self.watch(database) => match never {},
        }
    }

    /// Releases the lock, and returns the result of the work.
    pub(crate) async fn end<T>(self, done: Result<T, Error>) -> Result<T, Error> {
        let closed = self.connection.close().await;
        let done = done?;
        closed?;
        Ok(done)
    }

    async fn watch(&self, database: &DatabaseConnection) -> std::convert::Infallible {
        let waited_for = format!(
            "(SELECT string_agg({}, '; ') FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids({})))",
            lock::SESSION,
            self.process
        );
        loop {
            tokio::time::sleep(WATCH).await;
            // For the log only: the work reports errors itself.
            if let Ok(Some(sessions)) = query::value::<Option<String>>(database, &waited_for).await
            {
                tracing::info!("waiting for the transaction of {sessions}");
            }
        }
    }
}

/// A pool with one connection that is never replaced, because the lock would be lost.
fn connect(database: &DatabaseConnection) -> DatabaseConnection {
    let options = database.get_postgres_connection_pool().connect_options();
    let options = options.as_ref().clone().disable_statement_logging();
    let is_connected = Arc::new(AtomicBool::new(false));
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(3))
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |_, _| {
            let is_second = is_connected.swap(true, Ordering::Relaxed);
            Box::pin(async move {
                if is_second {
                    return Err(sqlx::Error::Protocol(
                        "the connection that held the migrations' lock was lost".to_owned(),
                    ));
                }
                Ok(())
            })
        })
        .connect_lazy_with(options);
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

async fn locked_alone(
    connection: &DatabaseConnection,
    database: &DatabaseConnection,
) -> Result<i32, Error> {
    if shares_session(connection, database).await? {
        return Err(Error::Stopped(vec![SHARED.to_owned()]));
    }
    Ok(locked(connection).await?)
}

/// Whether the connection shares its session or changes it, because of a transaction pooler. The lock would stay with
/// the pooler and block all migrations.
async fn shares_session(
    connection: &DatabaseConnection,
    database: &DatabaseConnection,
) -> Result<bool, DbErr> {
    let mut own = None;
    for _ in 0..ROUNDS {
        let found = process(connection).await?;
        let is_changed = own.is_some_and(|own| own != found);
        if is_changed || process(database).await? == found {
            return Ok(true);
        }
        own = Some(found);
    }
    Ok(false)
}

/// The server process of a connection at the moment. The statement is unnamed, because another client may use the name.
async fn process(connection: &DatabaseConnection) -> Result<i32, DbErr> {
    let pool = connection.get_postgres_connection_pool();
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(pool);
    let process = row.await.and_then(|row| row.try_get(0));
    process.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
}

async fn locked(connection: &DatabaseConnection) -> Result<i32, DbErr> {
    // A role or a database may have its own timeouts, e.g. on Supabase.
    connection
        .execute_unprepared(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET client_min_messages = warning",
        )
        .await?;
    // Statements then end when the program is killed. Not supported on every system.
    let _ = connection
        .execute_unprepared("SET client_connection_check_interval = '2s'")
        .await;
    let lock = format!("pg_try_advisory_lock({LOCK_KEY})");
    let mut is_reported = false;
    while !query::yes(connection, &lock).await? {
        if !is_reported {
            tracing::info!("another process migrates this database: waiting until it has ended");
            is_reported = true;
        }
        tokio::time::sleep(POLL).await;
    }
    query::value(connection, "pg_backend_pid()").await
}
