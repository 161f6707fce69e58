//! A schema and its prices, for tests.

use async_graphql::parser::parse_schema;

use super::{CostModel, FieldPrice, InputPrice, Prices, SizedList};
use crate::schema_index::SchemaIndex;

const SDL: &str = include_str!("sample.graphql");

static PRICES: Prices = Prices {
    fields: &[
        FieldPrice {
            parent: "Query",
            field: "galleryStats",
            cost: 100,
        },
        FieldPrice {
            parent: "Mutation",
            field: "emptyTrash",
            cost: 1000,
        },
        FieldPrice {
            parent: "Mutation",
            field: "restoreTrash",
            cost: 1000,
        },
    ],
    sized_lists: &[SizedList {
        parent: "GalleryStats",
        field: "createdPerDay",
        argument: "days",
        default: 30,
        max: 366,
    }],
    inputs: &[
        InputPrice {
            argument: "filter",
            field: "search",
            is_free_if_blank: true,
            cost: 50,
        },
        InputPrice {
            argument: "filter",
            field: "metadataContains",
            is_free_if_blank: false,
            cost: 50,
        },
    ],
    total_count: 50,
    nested_connection: 20,
    default_page: 20,
    max_page: 100,
    max_list: 100,
};

pub(crate) fn index() -> SchemaIndex {
    SchemaIndex::of_schema(&parse_schema(SDL).expect("a schema"))
}

pub(crate) fn model(index: &SchemaIndex) -> CostModel<'_> {
    CostModel {
        index,
        prices: &PRICES,
    }
}
