//! Keyset paging: orders, cursors, and the condition that a cursor puts on the rows.
//!
//! Rows are ordered by an instant and, where that is equal, by id in the same direction. A cursor is such a pair, so a
//! page begins right behind a row whether or not the row is still there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::Order as SqlOrder;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement, SimpleExpr};
use uuid::Uuid;

use super::Dialect;
use crate::entity::{Timestamp, image};

/// By which instant images are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When it was stored.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was put in the trash.
    DeletedAt,
}

/// Which way.
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
    /// The instant that counts.
    pub field: Field,
    /// Which end comes first.
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

    /// Where a row stands in this order; none where its column was not read. A row that is not in the trash has no place
    /// among the deleted.
    pub fn position(self, row: &image::Partial) -> Option<Position> {
        let instant = match self.field {
            Field::CreatedAt => *row.created_at.try_as_ref()?,
            Field::UpdatedAt => *row.updated_at.try_as_ref()?,
            Field::DeletedAt => {
                (*row.deleted_at.try_as_ref()?).unwrap_or(Timestamp::NEGATIVE_INFINITY)
            }
        };
        Some(Position {
            instant,
            id: *row.image_id.try_as_ref()?,
        })
    }

    /// The cursor of a row in this order; none where its column was not read.
    pub fn cursor(self, row: &image::Partial) -> Option<Cursor> {
        Some(Cursor {
            order: self,
            position: self.position(row)?,
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

    /// The rows on one side of a position, as a comparison of row values: one range of the index.
    pub fn beyond(self, position: Position, side: Side, dialect: Dialect) -> SimpleExpr {
        let row = Expr::tuple([Expr::col(self.column()), Expr::col(image::Column::ImageId)]);
        let place = Expr::tuple([
            dialect.timestamp(position.instant),
            Expr::value(position.id),
        ]);
        match (side, self.direction) {
            (Side::After, Direction::Ascending) | (Side::Before, Direction::Descending) => {
                row.gt(place)
            }
            (Side::After, Direction::Descending) | (Side::Before, Direction::Ascending) => {
                row.lt(place)
            }
            (Side::FromOn, Direction::Ascending) | (Side::UpTo, Direction::Descending) => {
                row.gte(place)
            }
            (Side::FromOn, Direction::Descending) | (Side::UpTo, Direction::Ascending) => {
                row.lte(place)
            }
        }
    }
}

/// Where a row stands in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The instant by which the list is ordered.
    pub instant: Timestamp,
    /// Breaks ties.
    pub id: Uuid,
}

/// Which rows, as seen from a position, in the list's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that come later.
    After,
    /// Those that come earlier.
    Before,
    /// The position itself and those that come later.
    FromOn,
    /// Those that come earlier and the position itself.
    UpTo,
}

/// An opaque place in a list of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The order in which it was given out; it means nothing in another.
    pub order: Order,
    /// The row.
    pub position: Position,
}

/// Why a text is not a cursor of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not given out by this server.
    #[error("is not a cursor of this server")]
    Malformed,
    /// It was given out under another `orderBy`.
    #[error("belongs to another ordering")]
    OtherOrder,
}

const CURSOR_VERSION: u8 = 1;
const CURSOR_BYTES: usize = 27;

impl Cursor {
    /// As the API gives it out: base64url of version, order, microseconds and id.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend([
            CURSOR_VERSION,
            field_byte(self.order.field),
            u8::from(self.order.direction == Direction::Descending),
        ]);
        bytes.extend(self.position.instant.microseconds().to_be_bytes());
        bytes.extend(self.position.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of a list in `order`.
    pub fn decode(text: &str, order: Order) -> Result<Self, CursorError> {
        let cursor = Self::read(text).ok_or(CursorError::Malformed)?;
        if cursor.order != order {
            return Err(CursorError::OtherOrder);
        }
        Ok(cursor)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[version, field, direction], rest) = bytes.split_first_chunk()?;
        let (instant, id) = rest.split_first_chunk()?;
        if version != CURSOR_VERSION {
            return None;
        }
        let field = [Field::CreatedAt, Field::UpdatedAt, Field::DeletedAt]
            .into_iter()
            .find(|candidate| field_byte(*candidate) == field)?;
        let direction = match direction {
            0 => Direction::Ascending,
            1 => Direction::Descending,
            _ => return None,
        };
        let instant = Timestamp::from_microseconds(i64::from_be_bytes(*instant));
        if !instant.is_known_to_postgres() {
            return None;
        }
        Some(Self {
            order: Order { field, direction },
            position: Position {
                instant,
                id: Uuid::from_slice(id).ok()?,
            },
        })
    }
}

fn field_byte(field: Field) -> u8 {
    match field {
        Field::CreatedAt => b'c',
        Field::UpdatedAt => b'u',
        Field::DeletedAt => b'd',
    }
}

/// From which end a page is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// `first`.
    Front,
    /// `last`.
    Back,
}

/// The part of a list that is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// The list's order.
    pub order: Order,
    /// Only what comes after this.
    pub after: Option<Position>,
    /// Only what comes before this.
    pub before: Option<Position>,
    /// At most so many rows, 1 to 100.
    pub limit: u64,
    /// Taken from the front or from the back of what the cursors leave.
    pub end: End,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDER: Order = Order {
        field: Field::CreatedAt,
        direction: Direction::Descending,
    };

    #[test]
    fn a_cursor_of_another_ordering_is_refused() {
        let cursor = Cursor {
            order: ORDER,
            position: Position {
                instant: Timestamp::INFINITY,
                id: Uuid::nil(),
            },
        };
        for order in [
            Order {
                direction: Direction::Ascending,
                ..ORDER
            },
            Order {
                field: Field::UpdatedAt,
                ..ORDER
            },
        ] {
            let decoded = Cursor::decode(&cursor.encode(), order);
            assert_eq!(decoded, Err(CursorError::OtherOrder));
        }
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_given_out(instant in -210_866_803_200_000_000..=i64::MAX, id: u128) {
            let position = Position { instant: Timestamp::from_microseconds(instant), id: Uuid::from_u128(id) };
            let cursor = Cursor { order: ORDER, position };
            prop_assert_eq!(Cursor::decode(&cursor.encode(), ORDER), Ok(cursor));
        }

        #[test]
        fn an_instant_that_no_database_knows_is_malformed(instant in i64::MIN + 1..-210_866_803_200_000_000) {
            let position = Position { instant: Timestamp::from_microseconds(instant), id: Uuid::nil() };
            let cursor = Cursor { order: ORDER, position };
            prop_assert_eq!(Cursor::decode(&cursor.encode(), ORDER), Err(CursorError::Malformed));
        }

        #[test]
        fn no_text_breaks_the_reading(text: String) {
            if let Ok(cursor) = Cursor::decode(&text, ORDER) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn no_bytes_break_the_reading(bytes: Vec<u8>) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            if let Ok(cursor) = Cursor::decode(&text, ORDER) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
