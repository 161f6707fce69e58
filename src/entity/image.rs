//! Table `image_gallery`: one row per image, active or in the trash.

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, Iterable, QueryResult, TryGetable, Unchanged};
use sqlx::Row;

use super::{Metadata, Timestamp};

/// One stored image.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "image_gallery")]
pub struct Model {
    /// UUID taken from the Cloudinary URL.
    #[sea_orm(primary_key, auto_increment = false)]
    pub image_id: Uuid,
    /// Owner; at most 255 characters.
    pub user_id: String,
    /// Cloudinary delivery URL; at most 1024 characters.
    pub image_url: String,
    /// The prompt as the user typed it.
    pub original_prompt: Option<String>,
    /// The prompt that was sent to the model.
    pub refined_prompt: Option<String>,
    /// Label such as `generate`; another application may store it in any letter case, and `''` for none.
    pub intent: Option<String>,
    /// Free-form JSON object.
    pub metadata: Metadata,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed; always moves forward.
    pub updated_at: Timestamp,
    /// When it was moved to the trash; None while it is active.
    pub deleted_at: Option<Timestamp>,
}

/// The table has no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A partially read row: columns that were not requested are [`ActiveValue::NotSet`].
pub type Partial = ActiveModel;

/// A set of columns to read. Always includes the primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns(u16);

impl Columns {
    /// The primary key only.
    pub const KEY: Self = Self::of(&[Column::ImageId]);
    /// The whole row.
    pub const ALL: Self = Self(u16::MAX);

    /// The primary key and these.
    pub const fn of(columns: &[Column]) -> Self {
        let mut set = 1 << Column::ImageId as u16;
        let mut rest = columns;
        while let [column, others @ ..] = rest {
            set |= 1 << *column as u16;
            rest = others;
        }
        Self(set)
    }

    /// The union with `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The columns, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Column> {
        Column::iter().filter(move |column| self.0 & (1 << *column as u16) != 0)
    }

    /// The number of columns: where the row's other values start.
    pub fn count(self) -> usize {
        self.iter().count()
    }

    /// Reads a row that starts with these columns, by position: a lookup by name takes longer than the read.
    pub fn read(self, row: &QueryResult) -> Result<Partial, DbErr> {
        let mut image = <Partial as Default>::default();
        for (place, column) in self.iter().enumerate() {
            match column {
                Column::ImageId => read_plain(row, place, &mut image.image_id)?,
                Column::UserId => read_plain(row, place, &mut image.user_id)?,
                Column::ImageUrl => read_plain(row, place, &mut image.image_url)?,
                Column::OriginalPrompt => read_plain(row, place, &mut image.original_prompt)?,
                Column::RefinedPrompt => read_plain(row, place, &mut image.refined_prompt)?,
                Column::Intent => read_plain(row, place, &mut image.intent)?,
                Column::Metadata => read(row, place, &mut image.metadata)?,
                Column::CreatedAt => read(row, place, &mut image.created_at)?,
                Column::UpdatedAt => read(row, place, &mut image.updated_at)?,
                Column::DeletedAt => read(row, place, &mut image.deleted_at)?,
            }
        }
        Ok(image)
    }
}

fn read<T>(row: &QueryResult, place: usize, value: &mut ActiveValue<T>) -> Result<(), DbErr>
where
    T: TryGetable + Into<Value>,
{
    *value = Unchanged(row.try_get_by_index(place)?);
    Ok(())
}

/// Reads a column without conversion and without comparing types for each row: the table's shape was checked, and
/// SQLite has no types.
fn read_plain<T>(row: &QueryResult, place: usize, value: &mut ActiveValue<T>) -> Result<(), DbErr>
where
    T: TryGetable + Into<Value> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
{
    let Some(row) = row.try_as_pg_row() else {
        return read(row, place, value);
    };
    let unreadable = |error: sqlx::Error| DbErr::Type(error.to_string());
    *value = Unchanged(row.try_get_unchecked(place).map_err(unreadable)?);
    Ok(())
}
