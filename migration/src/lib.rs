//! Database migrations: an ordered list, run under a lock on Postgres and on SQLite.
//!
//! SQL that differs between the two is in files beside the migration. A migration is never edited after a release. None
//! drops the table `image_gallery` or a column of another application.

#![expect(
    clippy::disallowed_types,
    reason = "a migration is given the connection that it runs on"
)]

mod doubled_indexes;
mod index;
mod lock;
mod m0001_image_gallery;
mod m0002_search;
mod m0003_trail;
mod m0004_once_keys;
mod m0005_trash_orders;
mod m0006_tags;
mod m0007_operations;
mod m0008_stored_urls;
mod m0009_prompts;
mod query;
mod rights;
mod session;
mod shape;
mod survey;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{Migration, seaql_migrations};

use index::Index;
use session::Session;

pub use doubled_indexes::DoubledIndex;
pub use m0002_search::{is_search_current, postgres_searched_prompt};
pub use m0009_prompts::{postgres_prompt, postgres_prompt_hash, sqlite_prompt, sqlite_prompt_hash};
pub use survey::{Survey, survey};

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
            Box::new(m0004_once_keys::Migration),
            Box::new(m0005_trash_orders::Migration),
            Box::new(m0006_tags::Migration),
            Box::new(m0007_operations::Migration),
            Box::new(m0008_stored_urls::Migration),
            Box::new(m0009_prompts::Migration),
        ]
    }

    /// Ignores migrations of a newer program: during a rolling upgrade two versions use one database. The library would
    /// fail.
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

/// All migrations recorded in the database, including those of a newer program.
#[expect(clippy::disallowed_methods, reason = "it is not an image")]
async fn recorded<C: ConnectionTrait>(
    connection: &C,
) -> Result<Vec<seaql_migrations::Model>, DbErr> {
    seaql_migrations::Entity::find().all(connection).await
}

/// All indexes of this project on `image_gallery`, on Postgres.
fn indexes(prompt_key: Option<&str>) -> Vec<Index> {
    let single = [
        m0001_image_gallery::METADATA_INDEX,
        m0002_search::index(prompt_key),
        m0008_stored_urls::INDEX,
    ];
    (m0001_image_gallery::INDEXES.into_iter())
        .chain(single)
        .chain(m0005_trash_orders::INDEXES)
        .chain(m0009_prompts::indexes())
        .collect()
}

/// Why a migration failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed; the reasons, one sentence each.
    #[error("nothing was changed: {}", .0.join("; "))]
    Stopped(Vec<String>),
    /// An error of the database.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The result of [`up`].
#[derive(Debug, Default)]
pub struct Applied {
    /// The names of the applied migrations, in order.
    pub migrations: Vec<String>,
    /// Indexes of earlier migrations that were missing or invalid and were built again.
    pub indexes: Vec<String>,
    /// Problems to review, one sentence each; nothing was changed about them.
    pub warnings: Vec<String>,
}

/// Applies pending migrations. Safe to run concurrently: the second run waits for the first.
///
/// On SQLite it is atomic. On Postgres the table may be in use: writers wait for at most half a second, and an
/// interrupted run is continued by the next one.
///
/// `prompt_key` is the key of the metadata whose text is searched in place of a missing original prompt: if the search
/// index was built for another one, it is built again.
pub async fn up(database: &DatabaseConnection, prompt_key: Option<&str>) -> Result<Applied, Error> {
    if database.get_database_backend() == DbBackend::Postgres {
        let session = Session::begin(database).await?;
        let work = up_on_postgres(&session.connection, prompt_key);
        let done = session.watched(database, work).await;
        return session.end(done).await;
    }
    let transaction = begin(database).await?;
    let pending = pending(&transaction).await?;
    refuse_differences(&transaction, &pending).await?;
    Migrator::up(&transaction, None).await?;
    let is_rebuilt = m0002_search::rebuild_on_sqlite(&transaction, prompt_key).await?;
    transaction.commit().await?;
    let rebuilt = is_rebuilt.then(|| m0002_search::index(prompt_key).name.to_owned());
    Ok(Applied {
        migrations: pending,
        indexes: rebuilt.into_iter().collect(),
        ..Applied::default()
    })
}

async fn up_on_postgres(
    connection: &DatabaseConnection,
    prompt_key: Option<&str>,
) -> Result<Applied, Error> {
    let pending = pending(connection).await?;
    refuse_differences(connection, &pending).await?;
    Migrator::up(connection, None).await?;
    m0002_search::drop_outdated_index(connection, prompt_key).await?;
    let mut rebuilt = Vec::new();
    for index in indexes(prompt_key) {
        if index::build(connection, &index).await? {
            rebuilt.push(index.name.to_owned());
        }
    }
    Ok(Applied {
        migrations: pending,
        indexes: rebuilt,
        warnings: rights::warnings(connection).await?,
    })
}

/// The names of pending migrations. Unlike the library's function, it creates no table.
async fn pending(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let status = status(connection).await?.into_iter();
    let pending = status.filter_map(|(name, is_applied)| (!is_applied).then_some(name));
    Ok(pending.collect())
}

/// Runs before any change.
async fn refuse_differences(
    connection: &impl ConnectionTrait,
    pending: &[String],
) -> Result<(), Error> {
    if pending.is_empty() {
        return Ok(());
    }
    let differences = shape::differences(connection).await?;
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Stopped(differences))
}

/// Reverts all migrations, newest first, and returns their names. The table `image_gallery` stays, with its rows and
/// everything that existed before.
pub async fn down(database: &DatabaseConnection) -> Result<Vec<String>, Error> {
    if database.get_database_backend() == DbBackend::Postgres {
        let session = Session::begin(database).await?;
        let work = take_back(&session.connection);
        let done = session.watched(database, work).await;
        return session.end(done).await;
    }
    let transaction = begin(database).await?;
    let taken_back = take_back(&transaction).await?;
    transaction.commit().await?;
    Ok(taken_back)
}

async fn take_back<'c, C>(connection: &'c C) -> Result<Vec<String>, Error>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    if !query::has_run(connection).await? {
        return Ok(Vec::new());
    }
    let mut applied = names(&Migrator::get_applied_migrations(connection).await?);
    if let Some(newer) =
        (recorded(connection).await?.into_iter()).find(|model| !applied.contains(&model.version))
    {
        return Err(Error::Stopped(vec![format!(
            "`{}` is a newer version's migration: revert it with that version first",
            newer.version
        )]));
    }
    Migrator::down(connection, None).await?;
    connection
        .execute_unprepared("DROP TABLE seaql_migrations")
        .await?;
    applied.reverse();
    Ok(applied)
}

/// All migrations of this program, and whether each is applied. Changes nothing, and works on any connection.
pub async fn status(connection: &impl ConnectionTrait) -> Result<Vec<(String, bool)>, DbErr> {
    let recorded = if query::has_run(connection).await? {
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

/// A transaction that excludes other processes, because SQLite has only one writer.
#[expect(
    clippy::disallowed_methods,
    reason = "a migration is its own unit of work"
)]
async fn begin(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    database.begin_with_options(immediate).await
}

fn names(migrations: &[Migration]) -> Vec<String> {
    migrations
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}
