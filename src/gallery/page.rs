//! Keyset paging: orders, sort keys, and the condition that a sort key puts on the rows.
//!
//! Rows are ordered by an instant and, where that is equal, by id in the same direction. A sort key is such a pair, so a
//! page begins right behind a row whether or not the row is still there.

use uuid::Uuid;

use crate::db::Sql;
use crate::entity::{Timestamp, image};

/// The instant by which images are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When it was created.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// When it was moved to the trash.
    DeletedAt,
}

/// The direction of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The instant.
    pub field: Field,
    /// The direction.
    pub direction: Direction,
}

impl Order {
    /// The column that holds the instant.
    pub fn column(self) -> image::Column {
        match self.field {
            Field::CreatedAt => image::Column::CreatedAt,
            Field::UpdatedAt => image::Column::UpdatedAt,
            Field::DeletedAt => image::Column::DeletedAt,
        }
    }

    /// The sort key of a row; none where its column was not read. A row that is not in the trash sorts before all that are.
    pub fn sort_key(self, row: &image::Partial) -> Option<SortKey> {
        let instant = match self.field {
            Field::CreatedAt => *row.created_at.try_as_ref()?,
            Field::UpdatedAt => *row.updated_at.try_as_ref()?,
            Field::DeletedAt => {
                (*row.deleted_at.try_as_ref()?).unwrap_or(Timestamp::NEGATIVE_INFINITY)
            }
        };
        Some(SortKey {
            instant,
            id: *row.image_id.try_as_ref()?,
        })
    }

    /// Appends `ORDER BY`: this order, or from the back its reverse.
    pub fn write(self, from: End, sql: &mut Sql) {
        let is_ascending = (self.direction == Direction::Ascending) == (from == End::Front);
        let direction = if is_ascending { " ASC" } else { " DESC" };
        sql.text(" ORDER BY ")
            .column(self.column())
            .text(direction)
            .text(", ")
            .column(image::Column::ImageId)
            .text(direction);
    }

    /// Appends the condition for the rows on one side of a sort key. It compares row values, so it is one range of the index.
    pub fn write_beyond(self, key: SortKey, side: Side, sql: &mut Sql) {
        let comparison = match (side, self.direction) {
            (Side::After, Direction::Ascending) | (Side::Before, Direction::Descending) => ") > (",
            (Side::After, Direction::Descending) | (Side::Before, Direction::Ascending) => ") < (",
            (Side::FromOn, Direction::Ascending) | (Side::UpTo, Direction::Descending) => ") >= (",
            (Side::FromOn, Direction::Descending) | (Side::UpTo, Direction::Ascending) => ") <= (",
        };
        sql.text("(")
            .column(self.column())
            .text(", ")
            .column(image::Column::ImageId)
            .text(comparison);
        let instant = sql.dialect().timestamp(key.instant);
        sql.expression(&instant).text(", ").value(key.id).text(")");
    }
}

/// What a row is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The instant by which the list is ordered.
    pub instant: Timestamp,
    /// Breaks ties.
    pub id: Uuid,
}

/// The rows on one side of a sort key, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rows after it.
    After,
    /// The rows before it.
    Before,
    /// The row of this key and the rows after it.
    FromOn,
    /// The rows before it and the row of this key.
    UpTo,
}

/// The end of the range at which a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// `first`.
    Front,
    /// `last`.
    Back,
}

/// A page of a list to read.
#[derive(Clone, Debug)]
pub struct Page {
    /// The list's order.
    pub order: Order,
    /// Rows after this.
    pub after: Option<SortKey>,
    /// Rows before this.
    pub before: Option<SortKey>,
    /// Maximum number of rows, 1 to 100.
    pub limit: u64,
    /// The end of the range at which the page lies.
    pub end: End,
}
