//! The schema's state, and the commands that change it.

#![expect(clippy::disallowed_types, reason = "migrations are given a connection")]

use sea_orm::DatabaseConnection;

use super::{Database, Error};

impl Database {
    /// The database itself, without a transaction pooler in between and without limits of time.
    async fn direct(&self) -> Result<&DatabaseConnection, Error> {
        match &self.direct {
            Some(direct) => direct.connection().await,
            None => Err(Error::NoDirectConnection),
        }
    }

    /// Applies every pending migration and names each. Safe to run from two machines at once.
    pub async fn migrate_up(&self) -> Result<Vec<String>, Error> {
        Ok(migration::up(self.direct().await?).await?)
    }

    /// Takes away all that the project added, and names each migration taken back. `image_gallery` stays.
    pub async fn migrate_down(&self) -> Result<Vec<String>, Error> {
        Ok(migration::down(self.direct().await?).await?)
    }

    /// Every migration of this program, and whether it is applied. Newer ones in the database are not listed.
    pub async fn migration_status(&self) -> Result<Vec<(String, bool)>, Error> {
        self.read(|unit| Box::pin(async { Ok(migration::status(unit).await?) }))
            .await
    }

    pub(super) async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let status = self.migration_status().await?;
        Ok(status
            .into_iter()
            .filter_map(|(name, is_applied)| (!is_applied).then_some(name))
            .collect())
    }
}
