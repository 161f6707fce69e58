//! The schema's state, and the commands that change it.

use super::{Database, Error};

impl Database {
    /// Applies every pending migration and names each. Safe to run from two machines at once.
    pub async fn migrate_up(&self) -> Result<Vec<String>, Error> {
        Ok(migration::up(&self.writer).await?)
    }

    /// Takes away all that the project added, and names each migration taken back. `image_gallery` stays.
    pub async fn migrate_down(&self) -> Result<Vec<String>, Error> {
        Ok(migration::down(&self.writer).await?)
    }

    /// Every migration of this program, and whether it is applied. Newer ones in the database are not listed.
    pub async fn migration_status(&self) -> Result<Vec<(String, bool)>, Error> {
        Ok(migration::status(&self.readers).await?)
    }

    pub(super) async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let status = self.migration_status().await?;
        Ok(status
            .into_iter()
            .filter_map(|(name, is_applied)| (!is_applied).then_some(name))
            .collect())
    }
}
