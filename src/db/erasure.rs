//! Erasing an owner from the tables beside that of the images, a bounded number of rows in each statement.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{Dialect, Sql, UnitOfWork};

/// How many events are changed at once.
const EVENTS_AT_ONCE: i32 = 1000;
/// How many pages of SQLite's search index are written at once.
const PAGES_AT_ONCE: i32 = 500;

/// What becomes of the events of an erased owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasedEvents {
    /// They stay under their cursors, without owner, URL and actor.
    Tombstones,
    /// They are deleted.
    Dropped,
}

impl UnitOfWork {
    /// Erases the next events of an owner, and returns their number.
    pub async fn erase_events_of(&self, owner: &str, events: ErasedEvents) -> Result<u64, DbErr> {
        let mut sql = Sql::new(
            self.dialect(),
            match events {
                ErasedEvents::Tombstones => {
                    "UPDATE image_gallery_event SET user_id = '', image_url = '', actor = NULL WHERE user_id = "
                }
                ErasedEvents::Dropped => "DELETE FROM image_gallery_event WHERE user_id = ",
            },
        );
        sql.value(owner);
        self.erase(sql, "user_id", owner).await
    }

    /// Erases the next events of other owners' images that name the owner as their actor, and returns their number.
    pub async fn erase_actor(&self, owner: &str) -> Result<u64, DbErr> {
        let mut sql = Sql::new(
            self.dialect(),
            "UPDATE image_gallery_event SET actor = NULL WHERE actor = ",
        );
        sql.value(owner);
        self.erase(sql, "actor", owner).await
    }

    /// The condition is repeated in the list of keys: another erasure may have changed a row that this one waited for.
    async fn erase(&self, mut sql: Sql, column: &str, owner: &str) -> Result<u64, DbErr> {
        let key = self.dialect().order_of_events();
        sql.text(&format!(
            " AND {key} IN (SELECT {key} FROM image_gallery_event WHERE {column} = "
        ));
        sql.value(owner).text(&format!(" LIMIT {EVENTS_AT_ONCE})"));
        let erased = self.execute_raw(sql.into_statement()).await?;
        Ok(erased.rows_affected())
    }

    /// Deletes what the tables beside the images still have of an owner without images, and returns the number of rows:
    /// keys whose images another application has given to other owners.
    pub async fn erase_keys_of(&self, owner: &str) -> Result<u64, DbErr> {
        let mut sql = Sql::new(
            self.dialect(),
            "DELETE FROM image_gallery_once_key WHERE user_id = ",
        );
        sql.value(owner);
        let erased = self.execute_raw(sql.into_statement()).await?;
        Ok(erased.rows_affected())
    }

    /// Removes some words of deleted prompts from the search index, and returns whether there may be more. SQLite keeps
    /// them until it merges parts of the index; Postgres removes them with its own clean-up.
    pub async fn erase_deleted_words(&self) -> Result<bool, DbErr> {
        if self.dialect() == Dialect::Postgres {
            return Ok(false);
        }
        let before = self.total_changes().await?;
        // Negative: all parts take part, however few they are. https://www.sqlite.org/fts5.html#the_merge_command
        let merge = format!(
            "INSERT INTO image_gallery_search (image_gallery_search, rank) VALUES ('merge', -{PAGES_AT_ONCE})"
        );
        self.execute_unprepared(&merge).await?;
        // The statement itself counts as one.
        Ok(self.total_changes().await? - before > 1)
    }

    async fn total_changes(&self) -> Result<i64, DbErr> {
        let sql = "SELECT total_changes()";
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let row = self.query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| row.try_get_by_index(0))
    }
}
