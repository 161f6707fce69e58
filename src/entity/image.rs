//! Table `image_gallery`: one row for each image, active or in the trash.

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
    /// What the person typed.
    pub original_prompt: Option<String>,
    /// What the model was given.
    pub refined_prompt: Option<String>,
    /// Label such as `generate`; another application may store it in any letter case, and none as `''`.
    pub intent: Option<String>,
    /// Free JSON object.
    pub metadata: Metadata,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed; always moves forward.
    pub updated_at: Timestamp,
    /// When it was put in the trash; none while it is active.
    pub deleted_at: Option<Timestamp>,
}

/// The table stands alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A row as far as it was read: columns that nobody asked for are [`ActiveValue::NotSet`].
pub type Partial = ActiveModel;

/// Which columns to read. The primary key is always among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns(u16);

impl Columns {
    /// The primary key alone.
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

    /// These and those of `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The columns, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Column> {
        Column::iter().filter(move |column| self.0 & (1 << *column as u16) != 0)
    }

    /// How many they are: where other values of a row begin.
    pub fn count(self) -> usize {
        self.iter().count()
    }

    /// Reads a row that begins with these columns, by their places: looking each up by its name takes longer than to read it.
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

/// A column that both databases' driver reads as it is. Its type is not compared with ours for each row again: the table's
/// shape was found to be right, and SQLite has no types.
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
