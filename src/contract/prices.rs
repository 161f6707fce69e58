//! The price list of the complexity limit: costs that cannot be derived from the schema.

use graphql_front::limits::{FieldPrice, InputPrice, Prices, SizedList};

use super::page::PageArguments;
use crate::gallery::{MAX_BATCH, MAX_DAYS, MAX_ROWS, MAX_SAMPLE};

pub(crate) static PRICES: Prices = Prices {
    fields: &[
        // Counts over the whole gallery.
        FieldPrice {
            parent: "Query",
            field: "galleryStats",
            cost: 100,
        },
        // The metadata of up to 100,000 images.
        FieldPrice {
            parent: "GalleryStats",
            field: "byMetadata",
            cost: 100,
        },
        FieldPrice {
            parent: "GalleryStats",
            field: "metadataSum",
            cost: 100,
        },
        FieldPrice {
            parent: "GalleryStats",
            field: "byTag",
            cost: 100,
        },
        // Counts the images of each tag.
        FieldPrice {
            parent: "Query",
            field: "tags",
            cost: 100,
        },
        // Looks for newer images with the prompt of each image.
        FieldPrice {
            parent: "Query",
            field: "prompts",
            cost: 100,
        },
        FieldPrice {
            parent: "GalleryStats",
            field: "byUser",
            cost: 100,
        },
        // Up to 10,000 images in one call.
        FieldPrice {
            parent: "Mutation",
            field: "emptyTrash",
            cost: 1000,
        },
        FieldPrice {
            parent: "Mutation",
            field: "eraseUser",
            cost: 1000,
        },
        FieldPrice {
            parent: "Mutation",
            field: "renameTag",
            cost: 1000,
        },
        FieldPrice {
            parent: "Mutation",
            field: "restoreTrash",
            cost: 1000,
        },
        FieldPrice {
            parent: "Mutation",
            field: "softDeleteMatching",
            cost: 1000,
        },
        // Counts all matching rows.
        FieldPrice {
            parent: "SoftDeleteMatchingPayload",
            field: "matchingCount",
            cost: 50,
        },
        FieldPrice {
            parent: "Mutation",
            field: "undo",
            cost: 1000,
        },
    ],
    sized_lists: &[
        SizedList {
            parent: "GalleryStats",
            field: "createdPerDay",
            argument: "days",
            default: 30,
            max: MAX_DAYS as usize,
        },
        SizedList {
            parent: "GalleryStats",
            field: "byMetadata",
            argument: "first",
            default: 20,
            max: MAX_ROWS as usize,
        },
        SizedList {
            parent: "GalleryStats",
            field: "byTag",
            argument: "first",
            default: 20,
            max: MAX_ROWS as usize,
        },
        SizedList {
            parent: "GalleryStats",
            field: "byUser",
            argument: "first",
            default: 20,
            max: MAX_ROWS as usize,
        },
        // Has no argument.
        SizedList {
            parent: "SoftDeleteMatchingPayload",
            field: "sample",
            argument: "",
            default: MAX_SAMPLE,
            max: MAX_SAMPLE,
        },
    ],
    inputs: &[
        // A full-text search.
        InputPrice {
            argument: "filter",
            field: "search",
            is_free_if_blank: true,
            cost: 50,
        },
        // Reads the metadata of each row if no index applies.
        InputPrice {
            argument: "filter",
            field: "metadataContains",
            is_free_if_blank: false,
            cost: 50,
        },
        InputPrice {
            argument: "filter",
            field: "metadataHasKeys",
            is_free_if_blank: false,
            cost: 50,
        },
        InputPrice {
            argument: "filter",
            field: "metadataNumbers",
            is_free_if_blank: false,
            cost: 50,
        },
        // Reads an index of tags, or looks up the tags of each row.
        InputPrice {
            argument: "filter",
            field: "tagsAll",
            is_free_if_blank: false,
            cost: 20,
        },
        InputPrice {
            argument: "filter",
            field: "tagsAny",
            is_free_if_blank: false,
            cost: 20,
        },
        InputPrice {
            argument: "filter",
            field: "tagsNone",
            is_free_if_blank: false,
            cost: 20,
        },
    ],
    // Counts all matching rows.
    total_count: 50,
    // Up to three statements per object; other fields of a row need none.
    nested_connection: 20,
    default_page: PageArguments::DEFAULT_LIMIT as usize,
    max_page: PageArguments::MAX_LIMIT as usize,
    max_list: MAX_BATCH,
};

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use graphql_front::{Document, Front, Operation, Options};

    use super::*;
    use crate::contract::types_sdl;

    /// Fails where the list names a field that the schema does not have.
    fn front() -> Front {
        let options = Options {
            prices: &PRICES,
            ..Options::default()
        };
        Front::new(&types_sdl(), options).expect("a schema with every field of the list")
    }

    fn cost(text: &str) -> Option<usize> {
        let operation = Operation {
            document: Document::Text(text.to_owned()),
            operation_name: None,
            variables: Ok(Variables::default()),
        };
        let prepared = front().prepare(operation).expect("it is within the limits");
        prepared.cost().complexity()
    }

    #[test]
    fn expensive_fields_have_their_price() {
        for (text, expected) in [
            ("{ images { nodes { id } } }", 1 + 20),
            ("{ images(first: 1000) { nodes { id } } }", 1 + 100),
            ("{ images { totalCount } }", 1 + 50),
            (
                r#"{ images(first: 1, filter: { search: "a" }) { nodes { id } } }"#,
                2 + 50,
            ),
            (
                "{ images(first: 1, filter: { metadataContains: {} }) { nodes { id } } }",
                2 + 50,
            ),
            (r#"{ nodes(ids: ["a", "b"]) { id } }"#, 1 + 2),
            ("{ galleryStats { activeCount } }", 100 + 1),
            (
                "{ galleryStats { createdPerDay { date count } } }",
                100 + 1 + 30 * 2,
            ),
            (
                "{ galleryStats { createdPerDay(days: 100000) { count } } }",
                100 + 1 + 366,
            ),
            (
                r#"{ galleryStats { byMetadata(key: "model", first: 3) { value count } } }"#,
                100 + 100 + 3 * 2,
            ),
            (
                r#"{ galleryStats(filter: { metadataHasKeys: ["a"] }) { metadataSum(key: "a") { sum } byUser { count } } }"#,
                100 + 50 + 100 + 1 + 100 + 20,
            ),
            (
                "{ tags(first: 5) { nodes { tag count } pageInfo { endCursor } } }",
                100 + 5 * 2,
            ),
            (
                "{ galleryStats { byTag(first: 5) { tag } } }",
                100 + 100 + 5,
            ),
            (
                r#"{ images(first: 5, filter: { tagsAny: ["a"], tagsNone: ["b"], isFavorite: true }) { nodes { tags isFavorite } } }"#,
                1 + 2 * 20 + 5 * 2,
            ),
            ("mutation { emptyTrash { purgedCount } }", 1000 + 1),
            (
                r#"mutation { softDeleteMatching(filter: { search: "a" }, dryRun: true) { matchingCount sample { id intent } } }"#,
                1000 + 50 + 50 + 1 + 10 * 2,
            ),
            (
                r#"mutation { undo(operationId: "a") { restoredIds } }"#,
                1000 + 1,
            ),
            (
                "mutation { restoreTrash { restoredIds hasMore } }",
                1000 + 2,
            ),
            (
                "{ images(first: 100) { nodes { events(first: 2) { nodes { type } } } } }",
                1 + 100 * (20 + 2),
            ),
        ] {
            assert_eq!(cost(text), Some(expected), "{text}");
        }
    }
}
