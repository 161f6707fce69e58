//! A schema and its prices, for tests.

use super::{CostModel, FieldPrice, InputPrice, Prices, SizedList};
use crate::front::schema_index::SchemaIndex;

const SDL: &str = "
scalar JSON
interface Node { id: ID! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
input ImageFilter { search: String metadataContains: JSON intents: [String!] }
input CreateImageInput { imageUrl: String! }
type Image implements Node {
  id: ID! userId: ID! imageUrl: String! originalPrompt: String refinedPrompt: String intent: String intentLabel: String
  metadata: JSON createdAt: String! updatedAt: String! deletedAt: String
  events(first: Int, last: Int, after: String): GalleryEventConnection!
}
type ImageEdge { cursor: String! node: Image! }
type ImageConnection { edges: [ImageEdge!]! nodes: [Image!]! pageInfo: PageInfo! totalCount: Int! }
type GalleryEvent implements Node { id: ID! type: String! cursor: String! image: Image }
type GalleryEventEdge { cursor: String! node: GalleryEvent! }
type GalleryEventConnection { edges: [GalleryEventEdge!]! nodes: [GalleryEvent!]! pageInfo: PageInfo! }
type DayCount { date: String! count: Int! }
type GalleryStats { activeCount: Int! createdPerDay(days: Int = 30): [DayCount!]! }
type UserError { code: String! }
type Created { image: Image created: Boolean! }
type Images { images: [Image!]! results: [Created!]! purgedIds: [ID!]! userErrors: [UserError!]! }
type RestoredImage { image: Image }
type Trash { purgedCount: Int! restoredIds: [ID!]! hasMore: Boolean! }
type Query {
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  image(id: ID!): Image
  images(first: Int, last: Int, after: String, filter: ImageFilter): ImageConnection!
  deletedImages(first: Int, last: Int, after: String, filter: ImageFilter): ImageConnection!
  galleryEvents(first: Int, last: Int, after: String, types: [String!]): GalleryEventConnection!
  galleryStats: GalleryStats!
  trailCursor: String!
}
type Mutation {
  createImages(input: [CreateImageInput!]!): Images!
  createImage(input: CreateImageInput!): RestoredImage!
  softDeleteImages(ids: [ID!]!): Images!
  purgeImages(ids: [ID!]!): Images!
  restoreImage(id: ID!): RestoredImage!
  emptyTrash: Trash!
  restoreTrash: Trash!
}
type Subscription { galleryEvents(types: [String!]): GalleryEvent! }
";

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

pub(in crate::front) fn index() -> SchemaIndex {
    SchemaIndex::of_schema(SDL)
}

pub(in crate::front) fn model(index: &SchemaIndex) -> CostModel<'_> {
    CostModel {
        index,
        prices: &PRICES,
    }
}
