//! Cursors and the ids of events, as the API gives them out: base64url of a version, what it is, and its content.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::page::{Direction, Field, Order, SortKey};
use super::tags::TagKey;
use crate::entity::gallery_event::Model as Event;
use crate::entity::{Timestamp, image};

const VERSION: u8 = 1;
const DESCENDING: u8 = 1;
const ASCENDING: u8 = 0;
const TRAIL_TAG: u8 = b't';
const EVENT_TAG: u8 = b'e';
const LABEL_TAG: u8 = b'l';

/// A place in a list of images of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The order in which it was given out; it means nothing in another.
    pub order: Order,
    /// The row.
    pub sort_key: SortKey,
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

/// A place in the trail, behind the event of this position; 0 is its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailCursor(pub(super) i64);

/// An event's identifier. Positions never change, so it is made of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId(pub(super) i64);

/// A place in the list of tags.
#[derive(Clone, Copy, Debug)]
pub struct TagCursor;

impl TagCursor {
    /// As the API gives it out.
    pub fn encode(key: &TagKey) -> String {
        let mut bytes = vec![VERSION, LABEL_TAG];
        bytes.extend(key.count.to_be_bytes());
        bytes.extend(key.folded.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`TagCursor::encode`] wrote; none where it is anything else, such as the cursor of another list.
    pub fn decode(text: &str) -> Option<TagKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let (count, folded) = rest.split_first_chunk()?;
        let folded = String::from_utf8(folded.to_vec()).ok()?;
        let is_of_a_tag = *head == [VERSION, LABEL_TAG] && !folded.contains('\0');
        is_of_a_tag.then(|| TagKey {
            count: i64::from_be_bytes(*count),
            folded,
        })
    }
}

impl ListCursor {
    const BYTES: usize = 27;

    /// The cursor of a row in this order; none where one of the columns that it is made of was not read.
    pub fn of(order: Order, row: &image::Partial) -> Option<Self> {
        let sort_key = order.sort_key(row)?;
        Some(Self { order, sort_key })
    }

    /// As the API gives it out.
    pub fn encode(&self) -> String {
        let direction = match self.order.direction {
            Direction::Ascending => ASCENDING,
            Direction::Descending => DESCENDING,
        };
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend([VERSION, tag(self.order.field), direction]);
        bytes.extend(self.sort_key.instant.microseconds().to_be_bytes());
        bytes.extend(self.sort_key.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of a list in `order`.
    ///
    /// # Errors
    /// Fails on what [`ListCursor::encode`] did not write, and on a cursor of another order.
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
        if version != VERSION {
            return None;
        }
        let field = [Field::CreatedAt, Field::UpdatedAt, Field::DeletedAt]
            .into_iter()
            .find(|candidate| tag(*candidate) == field)?;
        let direction = match direction {
            ASCENDING => Direction::Ascending,
            DESCENDING => Direction::Descending,
            _ => return None,
        };
        let instant = Timestamp::from_microseconds(i64::from_be_bytes(*instant));
        if !instant.is_known_to_postgres() {
            return None;
        }
        let id = Uuid::from_slice(id).ok()?;
        Some(Self {
            order: Order { field, direction },
            sort_key: SortKey { instant, id },
        })
    }
}

fn tag(field: Field) -> u8 {
    match field {
        Field::CreatedAt => b'c',
        Field::UpdatedAt => b'u',
        Field::DeletedAt => b'd',
    }
}

impl TrailCursor {
    /// The cursor of an event.
    pub fn of(event: &Event) -> Self {
        Self(event.position)
    }

    /// As the API gives it out.
    pub fn encode(self) -> String {
        encode_position(TRAIL_TAG, self.0)
    }

    /// Reads what [`TrailCursor::encode`] wrote; none where it is anything else, such as the cursor of another list.
    pub fn decode(text: &str) -> Option<Self> {
        decode_position(TRAIL_TAG, text).map(Self)
    }
}

impl EventId {
    /// The id of an event.
    pub fn of(event: &Event) -> Self {
        Self(event.position)
    }

    /// As the API gives it out.
    pub fn encode(self) -> String {
        encode_position(EVENT_TAG, self.0)
    }

    /// Reads what [`EventId::encode`] wrote; none where it is anything else.
    pub fn decode(text: &str) -> Option<Self> {
        decode_position(EVENT_TAG, text).map(Self)
    }
}

fn encode_position(tag: u8, position: i64) -> String {
    let mut bytes = vec![VERSION, tag];
    bytes.extend(position.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode_position(tag: u8, text: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (head, position) = bytes.split_first_chunk::<2>()?;
    let position = i64::from_be_bytes(position.try_into().ok()?);
    (*head == [VERSION, tag] && position >= 0).then_some(position)
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
        let cursor = ListCursor {
            order: ORDER,
            sort_key: SortKey {
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
            let decoded = ListCursor::decode(&cursor.encode(), order);
            assert_eq!(decoded, Err(CursorError::OtherOrder));
        }
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_given_out(instant in -210_866_803_200_000_000..=i64::MAX, id: u128) {
            let sort_key = SortKey { instant: Timestamp::from_microseconds(instant), id: Uuid::from_u128(id) };
            let cursor = ListCursor { order: ORDER, sort_key };
            prop_assert_eq!(ListCursor::decode(&cursor.encode(), ORDER), Ok(cursor));
        }

        #[test]
        fn an_instant_that_no_database_knows_is_malformed(instant in i64::MIN + 1..-210_866_803_200_000_000) {
            let sort_key = SortKey { instant: Timestamp::from_microseconds(instant), id: Uuid::nil() };
            let cursor = ListCursor { order: ORDER, sort_key };
            prop_assert_eq!(ListCursor::decode(&cursor.encode(), ORDER), Err(CursorError::Malformed));
        }

        #[test]
        fn no_text_breaks_the_reading(text: String) {
            if let Ok(cursor) = ListCursor::decode(&text, ORDER) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn no_bytes_break_the_reading(bytes: Vec<u8>) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            if let Ok(cursor) = ListCursor::decode(&text, ORDER) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn places_in_the_trail_and_ids_read_back_and_are_not_each_other(position in 0..=i64::MAX) {
            let cursor = TrailCursor(position).encode();
            let id = EventId(position).encode();
            prop_assert_eq!(TrailCursor::decode(&cursor), Some(TrailCursor(position)));
            prop_assert_eq!(EventId::decode(&id), Some(EventId(position)));
            prop_assert_eq!(TrailCursor::decode(&id), None);
            prop_assert_eq!(EventId::decode(&cursor), None);
        }

        #[test]
        fn places_in_the_list_of_tags_read_back(count: i64, folded in "[^\0]*") {
            let key = TagKey { count, folded };
            prop_assert_eq!(TagCursor::decode(&TagCursor::encode(&key)), Some(key));
        }

        #[test]
        fn no_bytes_break_the_reading_of_a_place_in_the_list_of_tags(bytes: Vec<u8>) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            if let Some(key) = TagCursor::decode(&text) {
                prop_assert_eq!(TagCursor::encode(&key), text);
            }
        }

        #[test]
        fn no_text_breaks_the_reading_of_a_place_in_the_trail(text: String) {
            if let Some(cursor) = TrailCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
