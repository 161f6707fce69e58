//! Table `image_gallery_event`: the audit trail, one row for each change of an image.

use sea_orm::QueryResult;
use sea_orm::entity::prelude::*;

use super::Timestamp;

/// One change. Postgres keeps rows beside these that have no position yet; a query has to leave them out.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "image_gallery_event")]
pub struct Model {
    /// The dense place in the trail; it never changes.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// What happened.
    #[sea_orm(column_name = "type")]
    pub kind: Kind,
    /// The image, which may be gone.
    pub image_id: Uuid,
    /// Owner after the change.
    pub user_id: String,
    /// Cloudinary delivery URL after the change; of a purged image the last one.
    pub image_url: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who did it, where that is known.
    pub actor: Option<String>,
}

/// What happened to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// It was stored.
    #[sea_orm(string_value = "CREATED")]
    Created,
    /// A stored value changed; `updated_at` alone is none.
    #[sea_orm(string_value = "UPDATED")]
    Updated,
    /// It was put in the trash.
    #[sea_orm(string_value = "SOFT_DELETED")]
    SoftDeleted,
    /// It was taken out of the trash.
    #[sea_orm(string_value = "RESTORED")]
    Restored,
    /// It was deleted for good.
    #[sea_orm(string_value = "PURGED")]
    Purged,
}

/// The table stands alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads the columns of the table, in their order, from the column at `first` on; none where they are null. Reading them
    /// by name takes longer than the rest.
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
