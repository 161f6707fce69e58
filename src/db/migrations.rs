//! The state of the schema, and the commands that change it.

#![expect(clippy::disallowed_types, reason = "migrations are given a connection")]

use sea_orm::DatabaseConnection;

use super::{Database, Error};

impl Database {
    /// The database itself, bypassing a transaction pooler and without timeouts.
    async fn direct(&self) -> Result<&DatabaseConnection, Error> {
        match &self.direct {
            Some(direct) => direct.connection().await,
            None => Err(Error::NoDirectConnection),
        }
    }

    /// Applies every pending migration. Safe to run concurrently.
    pub async fn migrate_up(&self) -> Result<migration::Applied, Error> {
        let applied = migration::up(self.direct().await?, self.prompt_metadata_key()).await?;
        for warning in &applied.warnings {
            tracing::warn!("{warning}");
        }
        Ok(applied)
    }

    /// Reverts all migrations and returns their names. `image_gallery` stays.
    pub async fn migrate_down(&self) -> Result<Vec<String>, Error> {
        Ok(migration::down(self.direct().await?).await?)
    }

    /// Reports the state of the database and what a migration would do. Changes nothing. Newer migrations in the
    /// database are not listed.
    pub async fn survey(&self) -> Result<migration::Survey, Error> {
        let key = self.prompt_metadata_key().map(str::to_owned);
        self.read_primary(move |unit| {
            let key = key.clone();
            Box::pin(async move { Ok(migration::survey(unit, key.as_deref()).await?) })
        })
        .await
    }

    /// Whether the search index follows the setting of the prompt's key. If not, searches are slow on Postgres, and miss
    /// images on SQLite, until the next migration.
    pub async fn is_search_current(&self) -> Result<bool, Error> {
        let key = self.prompt_metadata_key().map(str::to_owned);
        self.read_primary(move |unit| {
            let key = key.clone();
            Box::pin(async move { Ok(migration::is_search_current(unit, key.as_deref()).await?) })
        })
        .await
    }

    pub(super) async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        // Not from a replica requested by the caller: it may not have replayed them yet.
        let status = self
            .read_primary(|unit| Box::pin(async { Ok::<_, Error>(migration::status(unit).await?) }))
            .await?;
        Ok(status
            .into_iter()
            .filter_map(|(name, is_applied)| (!is_applied).then_some(name))
            .collect())
    }
}

impl From<migration::Error> for Error {
    fn from(error: migration::Error) -> Self {
        match error {
            migration::Error::Stopped(reasons) => Self::MigrationStopped(reasons),
            migration::Error::Database(error) => error.into(),
        }
    }
}
