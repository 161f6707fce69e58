//! The schema: the file, its descriptions, and the contract.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::{Program, TestApp, on_sqlite};

/// The contract, one line per member: `type.field(argument: type = default): type`, `input.field: type = default`,
/// `enum.VALUE`. Written by hand; the schema may have more, but must not change these.
const CONTRACT: &str = "
    Node.id: ID!
    Image.id: ID!
    Image.userId: String!
    Image.imageUrl(transform: ImageTransform): URL!
    Image.originalPrompt: String
    Image.refinedPrompt: String
    Image.intent: ImageIntent
    Image.intentLabel: String
    Image.metadata: JSON!
    Image.createdAt: DateTime!
    Image.updatedAt: DateTime!
    Image.deletedAt: DateTime
    Image.tags: [String!]!
    Image.isFavorite: Boolean!
    Image.events(first: Int, after: String, last: Int, before: String): GalleryEventConnection!
    ImageTransform.width: Int
    ImageTransform.height: Int
    ImageTransform.crop: ImageCrop = LIMIT
    ImageTransform.gravity: ImageGravity
    ImageTransform.quality: Int
    ImageTransform.format: ImageFormat = AUTO
    PageInfo.hasNextPage: Boolean!
    PageInfo.hasPreviousPage: Boolean!
    PageInfo.startCursor: String
    PageInfo.endCursor: String
    ImageEdge.cursor: String!
    ImageEdge.node: Image!
    ImageConnection.edges: [ImageEdge!]!
    ImageConnection.nodes: [Image!]!
    ImageConnection.pageInfo: PageInfo!
    ImageConnection.totalCount: Int!
    ImageOrder.field: ImageOrderField!
    ImageOrder.direction: OrderDirection!
    ImageFilter.intents: [ImageIntent!]
    ImageFilter.intentLabels: [String!]
    ImageFilter.createdAfter: DateTime
    ImageFilter.createdBefore: DateTime
    ImageFilter.search: String
    ImageFilter.metadataContains: JSON
    ImageFilter.metadataHasKeys: [String!]
    ImageFilter.metadataNumbers: [MetadataNumberRange!]
    ImageFilter.tagsAll: [String!]
    ImageFilter.tagsAny: [String!]
    ImageFilter.tagsNone: [String!]
    ImageFilter.hasTags: Boolean
    ImageFilter.isFavorite: Boolean
    MetadataNumberRange.key: String!
    MetadataNumberRange.min: Float
    MetadataNumberRange.max: Float
    Query.node(id: ID!): Node
    Query.nodes(ids: [ID!]!): [Node]!
    Query.image(id: ID!, includeDeleted: Boolean! = false): Image
    Query.images(userId: String, filter: ImageFilter, orderBy: ImageOrder, first: Int, after: String, last: Int, before: String): ImageConnection!
    Query.deletedImages(userId: String, filter: ImageFilter, orderBy: ImageOrder, first: Int, after: String, last: Int, before: String): ImageConnection!
    Query.galleryStats(userId: String, filter: ImageFilter): GalleryStats!
    Query.prompts(userId: String, kind: PromptKind! = REFINED, search: String, first: Int, after: String, last: Int, before: String): PromptConnection!
    Prompt.text: String!
    Prompt.imageCount: Int!
    Prompt.firstUsedAt: DateTime!
    Prompt.lastUsedAt: DateTime!
    Prompt.images(first: Int, after: String, last: Int, before: String): ImageConnection!
    PromptEdge.cursor: String!
    PromptEdge.node: Prompt!
    PromptConnection.edges: [PromptEdge!]!
    PromptConnection.nodes: [Prompt!]!
    PromptConnection.pageInfo: PageInfo!
    Query.tags(userId: String, startsWith: String, first: Int, after: String, last: Int, before: String): TagConnection!
    Query.galleryEvents(userId: String, imageId: ID, types: [GalleryEventType!], first: Int, after: String, last: Int, before: String): GalleryEventConnection!
    Query.trailCursor: String!
    GalleryEvent.id: ID!
    GalleryEvent.cursor: String!
    GalleryEvent.type: GalleryEventType!
    GalleryEvent.imageId: ID!
    GalleryEvent.userId: String!
    GalleryEvent.imageUrl: URL!
    GalleryEvent.image: Image
    GalleryEvent.occurredAt: DateTime!
    GalleryEvent.actor: String
    GalleryEventEdge.cursor: String!
    GalleryEventEdge.node: GalleryEvent!
    GalleryEventConnection.edges: [GalleryEventEdge!]!
    GalleryEventConnection.nodes: [GalleryEvent!]!
    GalleryEventConnection.pageInfo: PageInfo!
    GalleryStats.activeCount: Int!
    GalleryStats.deletedCount: Int!
    GalleryStats.byIntent: [IntentCount!]!
    GalleryStats.byTag(first: Int! = 20): [TagCount!]!
    TagCount.tag: String!
    TagCount.count: Int!
    TagEdge.cursor: String!
    TagEdge.node: TagCount!
    TagConnection.edges: [TagEdge!]!
    TagConnection.nodes: [TagCount!]!
    TagConnection.pageInfo: PageInfo!
    GalleryStats.byMetadata(key: String!, first: Int! = 20): [MetadataCount!]!
    GalleryStats.metadataSum(key: String!): MetadataSum!
    GalleryStats.byUser(first: Int! = 20): [UserCount!]!
    MetadataCount.value: JSON!
    MetadataCount.count: Int!
    MetadataSum.count: Int!
    MetadataSum.sum: Float
    MetadataSum.min: Float
    MetadataSum.max: Float
    MetadataSum.average: Float
    UserCount.userId: String!
    UserCount.count: Int!
    GalleryStats.createdPerDay(days: Int! = 30): [DayCount!]!
    IntentCount.intent: ImageIntent
    IntentCount.intentLabel: String
    IntentCount.count: Int!
    DayCount.date: Date!
    DayCount.count: Int!
    CreateImageInput.userId: String
    CreateImageInput.imageUrl: URL!
    CreateImageInput.originalPrompt: String
    CreateImageInput.refinedPrompt: String
    CreateImageInput.intent: ImageIntent
    CreateImageInput.intentLabel: String
    CreateImageInput.metadata: JSON
    CreateImageInput.tags: [String!]
    UpdateImageInput.id: ID!
    UpdateImageInput.imageUrl: URL
    UpdateImageInput.originalPrompt: String
    UpdateImageInput.refinedPrompt: String
    UpdateImageInput.intent: ImageIntent
    UpdateImageInput.intentLabel: String
    UpdateImageInput.metadata: JSON
    UpdateImageInput.metadataPatch: JSON
    UpdateImageInput.ifUpdatedAt: DateTime
    UserError.code: UserErrorCode!
    UserError.message: String!
    UserError.path: [String!]
    CreateImagePayload.image: Image
    CreateImagePayload.created: Boolean!
    CreateImagePayload.userErrors: [UserError!]!
    CreateImagesPayload.results: [CreateImagePayload!]!
    CreateImagesPayload.userErrors: [UserError!]!
    UpdateImagePayload.image: Image
    UpdateImagePayload.userErrors: [UserError!]!
    SoftDeleteImagePayload.image: Image
    SoftDeleteImagePayload.changed: Boolean!
    SoftDeleteImagePayload.operationId: ID
    SoftDeleteImagePayload.userErrors: [UserError!]!
    RestoreImagePayload.image: Image
    RestoreImagePayload.changed: Boolean!
    RestoreImagePayload.userErrors: [UserError!]!
    PurgeImagePayload.purgedId: ID
    PurgeImagePayload.changed: Boolean!
    PurgeImagePayload.userErrors: [UserError!]!
    SoftDeleteImagesPayload.images: [Image!]!
    SoftDeleteImagesPayload.operationId: ID
    SoftDeleteImagesPayload.userErrors: [UserError!]!
    RestoreImagesPayload.images: [Image!]!
    RestoreImagesPayload.userErrors: [UserError!]!
    PurgeImagesPayload.purgedIds: [ID!]!
    PurgeImagesPayload.userErrors: [UserError!]!
    EmptyTrashPayload.purgedCount: Int!
    EmptyTrashPayload.purgedIds: [ID!]!
    EmptyTrashPayload.hasMore: Boolean!
    RestoreTrashPayload.restoredCount: Int!
    RestoreTrashPayload.restoredIds: [ID!]!
    RestoreTrashPayload.hasMore: Boolean!
    SoftDeleteMatchingPayload.matchingCount: Int!
    SoftDeleteMatchingPayload.softDeletedIds: [ID!]!
    SoftDeleteMatchingPayload.sample: [Image!]!
    SoftDeleteMatchingPayload.hasMore: Boolean!
    SoftDeleteMatchingPayload.operationId: ID
    UndoPayload.restoredIds: [ID!]!
    UndoPayload.leftAloneIds: [ID!]!
    UndoPayload.userErrors: [UserError!]!
    TagImagesPayload.images: [Image!]!
    TagImagesPayload.userErrors: [UserError!]!
    SetFavoritePayload.images: [Image!]!
    SetFavoritePayload.userErrors: [UserError!]!
    RenameTagPayload.changedCount: Int!
    RenameTagPayload.userErrors: [UserError!]!
    Subscription.galleryEvents(userId: String, imageId: ID, types: [GalleryEventType!], after: String): GalleryEvent!
    Mutation.createImage(input: CreateImageInput!): CreateImagePayload!
    Mutation.createImages(input: [CreateImageInput!]!): CreateImagesPayload!
    Mutation.updateImage(input: UpdateImageInput!): UpdateImagePayload!
    Mutation.softDeleteImage(id: ID!): SoftDeleteImagePayload!
    Mutation.restoreImage(id: ID!): RestoreImagePayload!
    Mutation.purgeImage(id: ID!, force: Boolean! = false): PurgeImagePayload!
    Mutation.softDeleteImages(ids: [ID!]!): SoftDeleteImagesPayload!
    Mutation.restoreImages(ids: [ID!]!): RestoreImagesPayload!
    Mutation.purgeImages(ids: [ID!]!, force: Boolean! = false): PurgeImagesPayload!
    Mutation.emptyTrash(userId: String, all: Boolean! = false, deletedBefore: DateTime, dryRun: Boolean! = false): EmptyTrashPayload!
    Mutation.restoreTrash(userId: String, all: Boolean! = false, deletedAfter: DateTime): RestoreTrashPayload!
    Mutation.softDeleteMatching(userId: String, all: Boolean! = false, filter: ImageFilter!, keepFavorites: Boolean! = true, dryRun: Boolean! = false): SoftDeleteMatchingPayload!
    Mutation.undo(operationId: ID!): UndoPayload!
    Mutation.tagImages(ids: [ID!]!, add: [String!], remove: [String!]): TagImagesPayload!
    Mutation.setFavorite(ids: [ID!]!, isFavorite: Boolean!): SetFavoritePayload!
    EraseUserPayload.imageCount: Int!
    EraseUserPayload.eventCount: Int!
    EraseUserPayload.hasMore: Boolean!
    Mutation.eraseUser(userId: String!, dryRun: Boolean! = false): EraseUserPayload!
    Mutation.renameTag(userId: String, from: String!, to: String!): RenameTagPayload!
";

/// The values of enums.
const ENUMS: [(&str, &str); 9] = [
    (
        "GalleryEventType",
        "CREATED UPDATED SOFT_DELETED RESTORED PURGED",
    ),
    ("ImageIntent", "GENERATE EDIT ENHANCE OTHER"),
    ("ImageCrop", "FILL FIT LIMIT SCALE THUMB PAD"),
    ("ImageGravity", "AUTO CENTER FACE NORTH SOUTH EAST WEST"),
    ("ImageFormat", "AUTO JPG PNG WEBP AVIF"),
    ("ImageOrderField", "CREATED_AT UPDATED_AT DELETED_AT"),
    ("OrderDirection", "ASC DESC"),
    ("PromptKind", "ORIGINAL REFINED"),
    (
        "UserErrorCode",
        "INVALID_IMAGE_URL UUID_NOT_FOUND IMAGE_ID_TAKEN IMAGE_NOT_FOUND IMAGE_DELETED IMAGE_NOT_DELETED CONFLICT \
         INVALID_METADATA INVALID_TEXT INVALID_INTENT INVALID_USER_ID VALUE_TOO_LONG TOO_MANY_ITEMS OPERATION_NOT_FOUND INVALID_TAG",
    ),
];

const INTROSPECTION: &str = "{ __schema {
    queryType { name } mutationType { name }
    types { kind name description interfaces { name } possibleTypes { name }
        fields(includeDeprecated: true) { name description type { ...T } args { ...I } }
        inputFields { ...I } enumValues(includeDeprecated: true) { name description } }
    directives { name description args { ...I } }
} }
fragment I on __InputValue { name description defaultValue type { ...T } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

async fn schema(app: &TestApp) -> Value {
    app.run(INTROSPECTION, json!({})).await["__schema"].take()
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of[key].as_array().into_iter().flatten()
}

fn name(of: &Value) -> &str {
    of["name"].as_str().expect("a name")
}

/// A type reference in GraphQL syntax.
fn written(reference: &Value) -> String {
    match reference["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&reference["ofType"])),
        Some("LIST") => format!("[{}]", written(&reference["ofType"])),
        _ => name(reference).to_owned(),
    }
}

/// `name: type = default`.
fn input_value(value: &Value) -> String {
    let mut text = format!("{}: {}", name(value), written(&value["type"]));
    if let Some(default) = value["defaultValue"].as_str() {
        write!(text, " = {default}").expect("a string can be written to");
    }
    text
}

fn is_own(kind: &Value) -> bool {
    let builtin = ["Int", "Float", "String", "Boolean", "ID"];
    !name(kind).starts_with("__") && !builtin.contains(&name(kind))
}

#[tokio::test]
async fn the_file_is_the_schema_that_the_program_prints() {
    let printed = Program::new().run(&["schema"]).await.expect_success();
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql"));
    let is_same = file.expect("the file can be read") == printed;
    assert!(
        is_same,
        "schema.graphql is not what the code offers; write it anew: cargo run -- schema > schema.graphql"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_has_a_description() {
    on_sqlite(&[], async |app: TestApp| {
        let schema = schema(&app).await;
        let mut missing = Vec::new();
        let mut require = |of: &Value, place: String| {
            if of["description"]
                .as_str()
                .is_none_or(|text| text.trim().is_empty())
            {
                missing.push(place);
            }
        };
        for kind in list(&schema, "types").filter(|kind| is_own(kind)) {
            require(kind, name(kind).to_owned());
            for member in ["fields", "inputFields", "enumValues"] {
                for member in list(kind, member) {
                    let place = format!("{}.{}", name(kind), name(member));
                    for argument in list(member, "args") {
                        require(argument, format!("{place}({}:)", name(argument)));
                    }
                    require(member, place);
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_offered_by_its_names_types_and_defaults() {
    on_sqlite(&[], async |app: TestApp| {
        let schema = schema(&app).await;
        let mut offered = BTreeMap::new();
        for kind in list(&schema, "types") {
            for field in list(kind, "fields") {
                let arguments: Vec<String> = list(field, "args").map(input_value).collect();
                let arguments = if arguments.is_empty() {
                    String::new()
                } else {
                    format!("({})", arguments.join(", "))
                };
                let text = format!(
                    "{}.{}{arguments}: {}",
                    name(kind),
                    name(field),
                    written(&field["type"])
                );
                offered.insert(format!("{}.{}", name(kind), name(field)), text);
            }
            for field in list(kind, "inputFields") {
                let text = format!("{}.{}", name(kind), input_value(field));
                offered.insert(format!("{}.{}", name(kind), name(field)), text);
            }
        }
        for line in CONTRACT
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let key = line.split(['(', ':']).next().expect("a name");
            assert_eq!(offered.get(key).map(String::as_str), Some(line));
        }
        for (of, values) in ENUMS {
            let offered = list(&schema, "types")
                .find(|kind| name(kind) == of)
                .expect(of);
            let offered: Vec<&str> = list(offered, "enumValues").map(name).collect();
            assert_eq!(offered.join(" "), values, "{of}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_are_of_the_kinds_that_the_contract_says() {
    on_sqlite(&[], async |app: TestApp| {
        let schema = schema(&app).await;
        assert_eq!(schema["queryType"], json!({ "name": "Query" }));
        assert_eq!(schema["mutationType"], json!({ "name": "Mutation" }));
        let kind = |of: &str| {
            list(&schema, "types")
                .find(|kind| name(kind) == of)
                .expect("it is there")
        };
        for scalar in ["DateTime", "Date", "JSON", "URL"] {
            assert_eq!(kind(scalar)["kind"], "SCALAR", "{scalar}");
        }
        assert_eq!(kind("Node")["kind"], "INTERFACE");
        assert_eq!(kind("Image")["interfaces"], json!([{ "name": "Node" }]));
        for node in ["Image", "GalleryEvent"] {
            assert!(list(kind("Node"), "possibleTypes").any(|kind| name(kind) == node));
        }
        for input in [
            "ImageTransform",
            "ImageFilter",
            "ImageOrder",
            "CreateImageInput",
            "UpdateImageInput",
        ] {
            assert_eq!(kind(input)["kind"], "INPUT_OBJECT", "{input}");
        }
    })
    .await;
}
