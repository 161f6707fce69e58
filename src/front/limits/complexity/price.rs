//! The price list: what a field costs by itself, and how many times what is selected within it.
//!
//! Connections, and lists that a field works through item by item, are known by the schema ([`Shape`]); only what is dear
//! for a reason that no schema tells has a line here.

use async_graphql::Name;
use async_graphql::parser::types::Field;

use super::given::{Given, Values};
use crate::contract::filter::PageArguments;
use crate::front::shape::{Paging, Shape};
use crate::gallery::{MAX_BATCH, MAX_DAYS};

/// A count of all rows that match.
const COUNT: usize = 50;
/// A full-text search.
const SEARCH: usize = 50;
/// A look into the metadata of each row, where no index serves.
const CONTAINMENT: usize = 50;
/// A page that is read for each object that it is selected of: up to three statements, where a field of a row is none.
const PAGE_OF_EACH: usize = 20;

/// Fields with a price of their own, by type and name.
const PRICES: [(&str, &str, usize); 3] = [
    // Counts over the whole gallery.
    ("Query", "galleryStats", 100),
    // Up to 10,000 images in one call.
    ("Mutation", "emptyTrash", 1000),
    ("Mutation", "restoreTrash", 1000),
];

/// Fields that give as many items as an argument says: the argument, its default, and the most.
const COUNTED: [(&str, &str, Counted); 1] = [(
    "GalleryStats",
    "createdPerDay",
    Counted {
        argument: "days",
        default: 30,
        most: MAX_DAYS,
    },
)];

#[derive(Clone, Copy, Debug)]
struct Counted {
    argument: &'static str,
    default: usize,
    most: u16,
}

/// How a field is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tariff {
    /// By itself.
    pub(super) own: usize,
    /// How often what is selected within is given.
    pub(super) times: usize,
}

/// The price of a field that is no part of a connection.
pub(super) fn tariff(
    shape: &Shape,
    values: Values<'_>,
    parent: Option<&Name>,
    field: &Field,
) -> Tariff {
    let name = &field.name.node;
    let is_page = shape.paging(shape.of_field(parent, name)) == Some(Paging::Connection);
    let own = own_price(shape, parent, name, is_page);
    Tariff {
        own: own.saturating_add(filter_price(values, field)),
        times: if is_page {
            page_size(values, field)
        } else {
            items(shape, values, parent, field)
        },
    }
}

fn own_price(shape: &Shape, parent: Option<&Name>, field: &Name, is_page: bool) -> usize {
    let parent_name = parent.map_or("", Name::as_str);
    let mut prices = PRICES.iter();
    if let Some((.., price)) = prices.find(|(of, name, _)| *of == parent_name && *name == *field) {
        return *price;
    }
    if shape.paging(parent) == Some(Paging::Connection) && *field == "totalCount" {
        return COUNT;
    }
    if is_page && parent_name != "Query" {
        return PAGE_OF_EACH;
    }
    1
}

/// A filter by a text that is not blank, and one by metadata.
fn filter_price(values: Values<'_>, field: &Field) -> usize {
    let Some(filter) = values.argument(field, "filter") else {
        return 0;
    };
    let text = values.entry(filter, "search").and_then(Given::text);
    let search = text.is_some_and(|text| !text.trim().is_empty());
    let containment = values.entry(filter, "metadataContains").is_some();
    (if search { SEARCH } else { 0 }) + (if containment { CONTAINMENT } else { 0 })
}

/// What `first` or `last` asks for. Out of range is refused by the field itself, and costs the nearest bound here.
fn page_size(values: Values<'_>, field: &Field) -> usize {
    let most = usize::from(PageArguments::MAX_LIMIT);
    let first = clamped(values, field, "first", most);
    let last = clamped(values, field, "last", most);
    first
        .max(last)
        .unwrap_or(usize::from(PageArguments::DEFAULT_LIMIT))
}

fn items(shape: &Shape, values: Values<'_>, parent: Option<&Name>, field: &Field) -> usize {
    let parent_name = parent.map_or("", Name::as_str);
    let name = &field.name.node;
    let mut counted = COUNTED.iter();
    if let Some((.., counted)) =
        counted.find(|(of, field, _)| *of == parent_name && *field == *name)
    {
        let given = clamped(values, field, counted.argument, usize::from(counted.most));
        return given.unwrap_or(counted.default);
    }
    // A list that is too long is refused as a whole, and nothing of it is done.
    let lists = shape.required_lists(parent, name).iter();
    let lengths = lists.filter_map(|list| values.argument(field, list));
    let longest = lengths.map(Given::items).max();
    longest.unwrap_or(1).clamp(1, MAX_BATCH)
}

fn clamped(values: Values<'_>, field: &Field, argument: &str, most: usize) -> Option<usize> {
    let number = values.argument(field, argument)?.number()?;
    let beyond = if number < 0 { 1 } else { most };
    Some(usize::try_from(number).unwrap_or(beyond).clamp(1, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_field_of_the_list() {
        let shape = Shape::of_schema(&crate::contract::types_sdl());
        let priced = PRICES.iter().map(|(of, field, _)| (of, field));
        for (of, field) in priced.chain(COUNTED.iter().map(|(of, field, _)| (of, field))) {
            let found = shape.of_field(Some(&Name::new(of)), &Name::new(field));
            assert!(found.is_some(), "{of}.{field}");
        }
    }
}
