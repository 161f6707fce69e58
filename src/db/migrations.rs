//! The schema's state, and the commands that change it.

use super::{Database, Error};

impl Database {
    /// Applies every pending migration. Safe to run from two machines at once.
    pub async fn migrate_up(&self) -> Result<migration::Applied, Error> {
        let applied = migration::up(&self.writer).await?;
        for warning in &applied.warnings {
            tracing::warn!("{warning}");
        }
        Ok(applied)
    }

    /// Takes away all that the project added, and names each migration taken back. `image_gallery` stays.
    pub async fn migrate_down(&self) -> Result<Vec<String>, Error> {
        Ok(migration::down(&self.writer).await?)
    }

    /// How the database stands, and what migrating it would do. Changes nothing. Newer migrations in the database are not
    /// listed.
    pub async fn survey(&self) -> Result<migration::Survey, Error> {
        // Not the readers: of a copy that may lag behind, nothing is to be told here.
        Ok(migration::survey(&self.writer).await?)
    }

    pub(super) async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let status = migration::status(&self.readers).await?;
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
