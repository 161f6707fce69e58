//! The schema's history: an ordered list of migrations, run under one lock on Postgres and on SQLite.
//!
//! SQL that differs between the two stands in files beside its migration. A migration is never edited after a
//! release. None drops the table `image_gallery` or a column that another application made.

#![expect(
    clippy::disallowed_types,
    reason = "a migration is given the connection that it runs on"
)]

mod m0001_image_gallery;
mod m0002_search;
mod m0003_trail;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{Migration, seaql_migrations};

/// Key of the advisory lock that one migrating process holds on Postgres; any number, but always this one.
const LOCK_KEY: i64 = 0x0069_6D67_5F67_616C;

/// The ordered list of migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_image_gallery::Migration),
            Box::new(m0002_search::Migration),
            Box::new(m0003_trail::Migration),
        ]
    }

    /// Those of a newer program are passed over: two versions serve one database while an upgrade rolls on. The
    /// library would refuse to go on.
    async fn get_migration_models<C>(connection: &C) -> Result<Vec<seaql_migrations::Model>, DbErr>
    where
        C: ConnectionTrait,
    {
        Self::install(connection).await?;
        let own: Vec<String> = names(&Self::get_migration_files());
        Ok(recorded(connection)
            .await?
            .into_iter()
            .filter(|model| own.contains(&model.version))
            .collect())
    }
}

/// Every migration that the database remembers, a newer program's too.
#[expect(clippy::disallowed_methods, reason = "it is no image")]
async fn recorded<C: ConnectionTrait>(
    connection: &C,
) -> Result<Vec<seaql_migrations::Model>, DbErr> {
    seaql_migrations::Entity::find().all(connection).await
}

/// Applies what is pending, all or nothing, and names what it applied. Safe to run twice at once.
pub async fn up(database: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let transaction = begin_locked(database).await?;
    let pending = names(&Migrator::get_pending_migrations(&transaction).await?);
    Migrator::up(&transaction, None).await?;
    transaction.commit().await?;
    Ok(pending)
}

/// Takes away everything that the project added, newest first, and names what it took back.
/// The table `image_gallery` stays, with its rows.
pub async fn down(database: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let transaction = begin_locked(database).await?;
    let mut applied = names(&Migrator::get_applied_migrations(&transaction).await?);
    if let Some(newer) =
        (recorded(&transaction).await?.into_iter()).find(|model| !applied.contains(&model.version))
    {
        return Err(DbErr::Migration(format!(
            "`{}` is a newer version's migration: take it back with that version first",
            newer.version
        )));
    }
    Migrator::down(&transaction, None).await?;
    transaction
        .execute_unprepared("DROP TABLE seaql_migrations")
        .await?;
    transaction.commit().await?;
    applied.reverse();
    Ok(applied)
}

/// Every migration of this program with whether it is applied. Changes nothing, and needs nothing of its connection.
pub async fn status<C: ConnectionTrait>(connection: &C) -> Result<Vec<(String, bool)>, DbErr> {
    let recorded = if is_installed(connection).await? {
        recorded(connection).await?
    } else {
        Vec::new()
    };
    let own = names(&Migrator::get_migration_files());
    let with_status = |name: String| {
        let is_applied = recorded.iter().any(|model| model.version == name);
        (name, is_applied)
    };
    Ok(own.into_iter().map(with_status).collect())
}

async fn is_installed<C: ConnectionTrait>(connection: &C) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
    };
    let found = connection
        .query_one_raw(Statement::from_string(backend, sql))
        .await?;
    Ok(found.is_some())
}

/// A transaction that no second migrating process can be in: by an advisory lock on Postgres, by being SQLite's one
/// writer there.
#[expect(
    clippy::disallowed_methods,
    reason = "a migration is its own unit of work"
)]
async fn begin_locked(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = database
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if database.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK_KEY})");
        transaction.execute_unprepared(&lock).await?;
    }
    Ok(transaction)
}

/// Runs one of a pair of scripts.
async fn run_script(
    manager: &SchemaManager<'_>,
    postgres: &str,
    sqlite: &str,
) -> Result<(), DbErr> {
    let script = match manager.get_database_backend() {
        DbBackend::Postgres => postgres,
        DbBackend::Sqlite => sqlite,
        other => return Err(DbErr::Migration(format!("no migrations for {other:?}"))),
    };
    manager.get_connection().execute_unprepared(script).await?;
    Ok(())
}

fn names(migrations: &[Migration]) -> Vec<String> {
    migrations
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}
