//! Table `image_gallery_event`: the audit trail, one row per change of an image.

use sea_orm::QueryResult;
use sea_orm::entity::prelude::*;

use super::Timestamp;

/// One change. On Postgres the table also has rows without a position, which queries must exclude.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "image_gallery_event")]
pub struct Model {
    /// The dense position in the trail; never changes.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// What happened.
    #[sea_orm(column_name = "type")]
    pub kind: Kind,
    /// The image, which may have been purged.
    pub image_id: Uuid,
    /// Owner after the change.
    pub user_id: String,
    /// Cloudinary delivery URL after the change; for a purged image the last one.
    pub image_url: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who did it, if known.
    pub actor: Option<String>,
}

/// What happened to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// It was stored.
    #[sea_orm(string_value = "CREATED")]
    Created,
    /// A stored value changed, not `updated_at` alone.
    #[sea_orm(string_value = "UPDATED")]
    Updated,
    /// It was moved to the trash.
    #[sea_orm(string_value = "SOFT_DELETED")]
    SoftDeleted,
    /// It was restored from the trash.
    #[sea_orm(string_value = "RESTORED")]
    Restored,
    /// It was permanently deleted.
    #[sea_orm(string_value = "PURGED")]
    Purged,
}

/// The table has no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads the table's columns in order, starting with the column at `first`; None if they are null. Reading by name
    /// would dominate the time.
    pub fn read(row: &QueryResult, first: usize) -> Result<Option<Self>, DbErr> {
        let Some(position) = row.try_get_by_index(first)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            position,
            kind: row.try_get_by_index(first + 1)?,
            image_id: row.try_get_by_index(first + 2)?,
            user_id: row.try_get_by_index(first + 3)?,
            image_url: row.try_get_by_index(first + 4)?,
            occurred_at: row.try_get_by_index(first + 5)?,
            actor: row.try_get_by_index(first + 6)?,
        }))
    }
}
