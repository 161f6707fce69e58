//! Cursors and event ids: every accepted text is exactly one that the server issues.
#![no_main]

use image_gallery::gallery::{Direction, EventId, Field, ListCursor, Order, TrailCursor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for field in [Field::CreatedAt, Field::UpdatedAt, Field::DeletedAt] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let order = Order { field, direction };
            if let Ok(cursor) = ListCursor::decode(text, order) {
                assert_eq!(cursor.order, order);
                assert_eq!(cursor.encode(), text);
            }
        }
    }
    if let Some(cursor) = TrailCursor::decode(text) {
        assert_eq!(cursor.encode(), text);
        assert!(EventId::decode(text).is_none(), "a cursor is no id");
    }
    if let Some(id) = EventId::decode(text) {
        assert_eq!(id.encode(), text);
    }
});
