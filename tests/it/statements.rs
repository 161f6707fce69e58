//! The number of statements of a list: the same for a hundred items as for one, whatever is selected.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::collector::Collector;
use crate::harness::{Program, TestDatabase, each_database, image_url};

const SHORT: usize = 2;
const LONG: usize = 12;
const ATTEMPTS: usize = 8;

/// The fields of each object and interface, with the names of their types.
pub(crate) struct Fields(HashMap<String, Vec<(String, String)>>);

impl Fields {
    pub(crate) fn of_the_schema() -> Self {
        let sdl = include_str!("../../schema.graphql");
        // The library's parser does not support a schema's description.
        let (types, _) = sdl
            .rsplit_once("\n\n\"\"\"")
            .expect("the schema's definition is the last");
        let schema = parse_schema(types).expect("a schema");
        let objects = schema.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => return None,
            };
            let fields = fields.into_iter().map(|field| {
                let field = field.node;
                (field.name.node.to_string(), named(&field.ty.node))
            });
            Some((definition.node.name.node.to_string(), fields.collect()))
        });
        Self(objects.collect())
    }

    /// The leaf fields of a type.
    pub(crate) fn leaves(&self, of: &str) -> Vec<&str> {
        let fields = self.0[of].iter();
        let leaves = fields.filter(|(_, of)| !self.0.contains_key(of));
        leaves.map(|(name, _)| name.as_str()).collect()
    }

    /// A selection of everything in a type, with `objects` levels of nested objects.
    fn selection(&self, of: &str, objects: usize) -> String {
        let mut selection = String::new();
        for (name, of) in &self.0[of] {
            if !self.0.contains_key(of) {
                let _ = write!(selection, " {name}");
                continue;
            }
            // The wrappers of a page do not count as levels.
            let is_frame = of.ends_with("Connection") || of.ends_with("Edge") || of == "PageInfo";
            if is_frame || objects > 0 {
                let within = self.selection(of, objects - usize::from(!is_frame));
                let _ = write!(selection, " {name} {within}");
            }
        }
        format!("{{{selection} }}")
    }
}

fn named(of: &Type) -> String {
    match &of.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(item) => named(item),
    }
}

async fn send(url: &str, trace: u128, document: &str, variables: &Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client
        .expect("a client")
        .post(url)
        .header(
            "traceparent",
            format!("00-{trace:032x}-00f067aa0ba902b7-01"),
        )
        .json(&json!({ "query": document, "variables": variables }));
    let response = request.send().await.expect("the server answers");
    let reply: Value = response.json().await.expect("JSON");
    assert!(reply.get("errors").is_none(), "{document}: {reply}");
    reply
}

#[apply(each_database!)]
async fn a_list_costs_as_many_statements_however_long_it_is(database: TestDatabase) {
    let collector = Collector::start().await;
    let program = Program::new()
        .with("DATABASE_URL", &database.url())
        .with("AUTO_MIGRATE", "true")
        .with("GRAPHQL_MAX_COMPLEXITY", "1000000")
        .with("GRAPHQL_MAX_DEPTH", "20")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    let server = program.serve().await;
    let url = format!("http://{}/graphql", server.address());
    let mut ids = Vec::new();
    for number in 1..=24_u128 {
        let id = uuid::Uuid::from_u128(number << 64 | 0x4000_8000_0000_0000_0000).to_string();
        let input = json!({ "userId": "alice", "imageUrl": image_url(&id) });
        send(
            &url,
            1,
            "mutation($i: CreateImageInput!) { createImage(input: $i) { created } }",
            &json!({ "i": input }),
        )
        .await;
        ids.push(id);
    }
    let (active, deleted) = ids.split_at(12);
    let delete = "mutation($ids: [ID!]!) { softDeleteImages(ids: $ids) { images { id } } }";
    send(&url, 1, delete, &json!({ "ids": deleted })).await;

    let fields = Fields::of_the_schema();
    let image = fields.selection("Image", 2);
    let event = fields.selection("GalleryEvent", 2);
    let list = |field: &str, of: &str| {
        format!(
            "query($n: Int) {{ {field}(first: $n) {} }}",
            fields.selection(of, 3)
        )
    };
    let lists = [
        list("images", "ImageConnection"),
        list("deletedImages", "ImageConnection"),
        list("galleryEvents", "GalleryEventConnection"),
        list("tags", "TagConnection"),
        format!(
            "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ id ... on Image {image} ... on GalleryEvent {event} }} }}"
        ),
        format!(
            "mutation($ids: [ID!]!) {{ softDeleteImages(ids: $ids) {{ images {image} userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation($ids: [ID!]!) {{ restoreImages(ids: $ids) {{ images {image} userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation($ids: [ID!]!) {{ setFavorite(ids: $ids, isFavorite: true) {{ images {image} userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation($ids: [ID!]!) {{ tagImages(ids: $ids, add: [\"a\"]) {{ images {image} userErrors {{ code }} }} }}"
        ),
    ];
    let lengths = [SHORT, LONG];
    let requests: Vec<_> = lists
        .iter()
        .flat_map(|document| lengths.map(|length| (document, length)))
        .collect();
    let trace = |attempt: usize, place: usize| (2 + attempt * requests.len() + place) as u128;
    for attempt in 0..ATTEMPTS {
        for (place, (document, length)) in requests.iter().enumerate() {
            let variables = json!({ "n": length, "ids": active[..*length] });
            send(&url, trace(attempt, place), document, &variables).await;
        }
    }
    server.terminate();
    // Flushes pending spans.
    assert_eq!(server.output().await.code, Some(0));
    let mut statements: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for span in collector.spans() {
        if let Some(text) = span.attributes.get("db.query.text") {
            statements
                .entry(span.trace_id)
                .or_default()
                .push(text.clone());
        }
    }
    // The loader waits a millisecond for further keys: on a busy machine a batch may be split, but not every time.
    let fewest = |place: usize| {
        let sent = |attempt| {
            statements
                .get(&format!("{:032x}", trace(attempt, place)))
                .cloned()
                .unwrap_or_default()
        };
        (0..ATTEMPTS)
            .map(sent)
            .min_by_key(Vec::len)
            .unwrap_or_default()
    };
    for (place, document) in lists.iter().enumerate() {
        let (short, long) = (fewest(2 * place), fewest(2 * place + 1));
        assert!(!short.is_empty(), "{document}");
        let most = short.len() + (LONG - SHORT) / 2;
        assert!(
            long.len() < most,
            "{} and {}: {document}: {long:#?}",
            short.len(),
            long.len()
        );
    }
}
