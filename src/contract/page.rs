//! The arguments of a page: `orderBy`, `first`, `after`, `last`, `before`.

use async_graphql::{Enum, InputObject};

use super::error::{Failure, Result};
use crate::gallery::{
    Direction, End, Field, ListCursor, Order, Page, SortKey, TagCursor, TagKey, TagPage,
    TrailCursor, TrailPage,
};

/// The timestamp that images are ordered by.
#[expect(clippy::enum_variant_names, reason = "the names are the contract's")]
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Field")]
pub(super) enum ImageOrderField {
    /// When the image was stored.
    CreatedAt,
    /// When the image last changed.
    UpdatedAt,
    /// When the image was moved to the trash; only for `deletedImages`.
    DeletedAt,
}

/// The direction of the order.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Direction")]
pub(super) enum OrderDirection {
    /// Oldest first.
    #[graphql(name = "ASC")]
    Ascending,
    /// Newest first.
    #[graphql(name = "DESC")]
    Descending,
}

/// The order of a list; equal values are ordered by id, in the same direction.
#[derive(Clone, Copy, Debug, InputObject)]
pub(super) struct ImageOrder {
    /// The timestamp to order by.
    field: ImageOrderField,
    /// The direction.
    direction: OrderDirection,
}

impl From<ImageOrder> for Order {
    fn from(order: ImageOrder) -> Self {
        Self {
            field: order.field.into(),
            direction: order.direction.into(),
        }
    }
}

/// The arguments `first`, `after`, `last` and `before`.
#[derive(Debug)]
pub(crate) struct PageArguments {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i32>,
    pub(super) before: Option<String>,
}

impl PageArguments {
    pub(crate) const DEFAULT_LIMIT: u8 = 20;
    pub(crate) const MAX_LIMIT: u8 = 100;

    pub(super) fn page(&self, order: Order) -> Result<Page> {
        let (end, limit) = self.extent()?;
        Ok(Page {
            order,
            after: sort_key("after", self.after.as_deref(), order)?,
            before: sort_key("before", self.before.as_deref(), order)?,
            limit,
            end,
        })
    }

    pub(super) fn tag_page(&self) -> Result<TagPage> {
        let (end, limit) = self.extent()?;
        Ok(TagPage {
            after: tag_key("after", self.after.as_deref())?,
            before: tag_key("before", self.before.as_deref())?,
            limit,
            end,
        })
    }

    pub(super) fn trail_page(&self) -> Result<TrailPage> {
        let (end, limit) = self.extent()?;
        Ok(TrailPage {
            after: trail_cursor("after", self.after.as_deref())?,
            before: trail_cursor("before", self.before.as_deref())?,
            limit,
            end,
        })
    }

    /// The end to read from, and the number of items.
    fn extent(&self) -> Result<(End, u64)> {
        Ok(match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Failure::bad_input(
                    "first and last cannot be given together; send one of them",
                ));
            }
            (None, None) => (End::Front, u64::from(Self::DEFAULT_LIMIT)),
            (Some(first), None) => (End::Front, Self::limit("first", first)?),
            (None, Some(last)) => (End::Back, Self::limit("last", last)?),
        })
    }

    fn limit(argument: &str, given: i32) -> Result<u64> {
        u64::try_from(given)
            .ok()
            .filter(|limit| (1..=u64::from(Self::MAX_LIMIT)).contains(limit))
            .ok_or_else(|| {
                Failure::bad_input(format!(
                    "{argument}: {given} is not in 1 to {}",
                    Self::MAX_LIMIT
                ))
            })
    }
}

/// Decodes a cursor of a list; an empty one counts as absent.
fn sort_key(argument: &str, cursor: Option<&str>, order: Order) -> Result<Option<SortKey>> {
    cursor
        .filter(|text| !text.is_empty())
        .map(|text| ListCursor::decode(text, order).map(|cursor| cursor.sort_key))
        .transpose()
        .map_err(|error| {
            Failure::bad_input(format!(
                "{argument} {error}; take one from a page of the same list and orderBy"
            ))
        })
}

/// Decodes a cursor of the list of tags; an empty one counts as absent.
fn tag_key(argument: &str, cursor: Option<&str>) -> Result<Option<TagKey>> {
    cursor
        .filter(|text| !text.is_empty())
        .map(|text| {
            TagCursor::decode(text).ok_or_else(|| {
                Failure::bad_input(format!(
                    "{argument} is not a cursor of the list of tags; take one from a page of tags"
                ))
            })
        })
        .transpose()
}

/// Decodes a cursor of the trail; an empty one counts as absent.
pub(super) fn trail_cursor(argument: &str, cursor: Option<&str>) -> Result<Option<TrailCursor>> {
    cursor
        .filter(|text| !text.is_empty())
        .map(|text| {
            TrailCursor::decode(text).ok_or_else(|| {
                Failure::bad_input(format!(
                    "{argument} is not a cursor of the trail; take one from an event, a page of events or trailCursor"
                ))
            })
        })
        .transpose()
}
