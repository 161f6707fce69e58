//! Keyset paging: orders, sort keys, and the condition that a sort key puts on the rows.
//!
//! Rows are ordered by an instant and, where that is equal, by id in the same direction. A sort key is such a pair, so a
//! page begins right behind a row whether or not the row is still there.

use sea_orm::Order as SqlOrder;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement, SimpleExpr};
use uuid::Uuid;

use crate::db::Dialect;
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

    /// Sorts a query in this order, or against it.
    pub fn sort(self, query: &mut SelectStatement, from: End) -> &mut SelectStatement {
        let is_ascending = (self.direction == Direction::Ascending) == (from == End::Front);
        let order = if is_ascending {
            SqlOrder::Asc
        } else {
            SqlOrder::Desc
        };
        query
            .order_by(self.column(), order.clone())
            .order_by(image::Column::ImageId, order)
    }

    /// The rows on one side of a sort key, as a comparison of row values: one range of the index.
    pub fn beyond(self, key: SortKey, side: Side, dialect: Dialect) -> SimpleExpr {
        let row = Expr::tuple([Expr::col(self.column()), Expr::col(image::Column::ImageId)]);
        let key = Expr::tuple([dialect.timestamp(key.instant), Expr::value(key.id)]);
        match (side, self.direction) {
            (Side::After, Direction::Ascending) | (Side::Before, Direction::Descending) => {
                row.gt(key)
            }
            (Side::After, Direction::Descending) | (Side::Before, Direction::Ascending) => {
                row.lt(key)
            }
            (Side::FromOn, Direction::Ascending) | (Side::UpTo, Direction::Descending) => {
                row.gte(key)
            }
            (Side::FromOn, Direction::Descending) | (Side::UpTo, Direction::Ascending) => {
                row.lte(key)
            }
        }
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
