//! Tests isolation across the whole schema: nothing that one owner sends shows or changes another owner's data.
//!
//! 1. The schema is read by introspection. Each root field, each argument and each input field must be in the tables
//!    below; the test fails if the schema has more.
//! 2. Alice sends every call, with all fields selected. Her responses contain nothing of Bob's.
//! 3. Bob's images are purged, and she sends the calls again: the responses are the same, including counts.
//! 4. Before that she sends every mutation for his images, and they stay unchanged.

mod schema;
mod tables;

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, User, each_database, image_url};
use schema::Schema;
use tables::{MUTATIONS, NESTED, OF_EVERYBODY, QUERIES, SUBSCRIPTIONS, TRAIL_CURSOR};

/// The known values of the owners' images.
struct Known(Vec<(&'static str, String)>);

impl Known {
    /// The call with its placeholders replaced by known values.
    fn fill(&self, call: &str) -> String {
        let put = |text: String, (name, value): &(&str, String)| {
            text.replace(&format!("\"{name}\""), &format!("\"{value}\""))
        };
        self.0.iter().fold(call.to_owned(), put)
    }

    /// Values that only Bob and services may read.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_bob = |name: &str| name.starts_with("BOB_") && !name.ends_with("_AT");
        let known = self
            .0
            .iter()
            .filter(move |(name, _)| of_bob(name))
            .map(|(_, value)| value.as_str());
        known.chain(["bobsecret", "boblabel", "bob"])
    }
}

/// An active and a trashed image, and the operation that moved it to the trash.
async fn make_images(owner: &User, label: &str) -> [Value; 3] {
    let name = &owner.id;
    let input = json!({
        "originalPrompt": format!("{name}secret"), "refinedPrompt": format!("a cat, {name}secret"),
        "intentLabel": label, "metadata": { "owner": name },
    });
    let mut keyed = input.clone();
    if name == "bob" {
        keyed["onceKey"] = json!("bobkey");
    }
    let (active, trashed) = (owner.create(keyed).await, owner.create(input).await);
    let tag = "mutation($ids: [ID!]!, $tag: String!) { tagImages(ids: $ids, add: [$tag]) { userErrors { code } }
        setFavorite(ids: $ids, isFavorite: true) { userErrors { code } } }";
    let variables = json!({ "ids": [active["id"], trashed["id"]], "tag": format!("{name}tag") });
    owner.run(tag, variables).await;
    let delete = "mutation($id: ID!) { softDeleteImage(id: $id) { operationId } }";
    let mut deleted = owner.run(delete, json!({ "id": trashed["id"] })).await;
    let operation = deleted["softDeleteImage"]["operationId"].take();
    [active, trashed, operation]
}

async fn make_both(app: &TestApp) -> Known {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let [older, ..] = make_images(&alice, "alicelabel").await;
    let [active, trashed, operation] = make_images(&bob, "boblabel").await;
    make_images(&alice, "alicelabel").await;
    let cursors = bob
        .run(
            "{ created: images { pageInfo { endCursor } }
               updated: images(orderBy: { field: UPDATED_AT, direction: ASC }) { pageInfo { endCursor } }
               trash: deletedImages { pageInfo { endCursor } }
               tags { pageInfo { endCursor } }
               galleryEvents(first: 1) { nodes { id cursor } } }",
            json!({}),
        )
        .await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let event = &cursors["galleryEvents"]["nodes"][0];
    let cursor = |list: &str| text(&cursors[list]["pageInfo"]["endCursor"]);
    Known(vec![
        ("ALICE_ACTIVE", text(&older["id"])),
        (
            "ALICE_URL",
            image_url("5f0d2a3c-0000-4000-8000-00000000a11c"),
        ),
        ("BOB_ACTIVE", text(&active["id"])),
        ("BOB_TRASHED", text(&trashed["id"])),
        ("BOB_OPERATION", text(&operation)),
        ("BOB_URL", text(&active["imageUrl"])),
        ("BOB_TRASHED_URL", text(&trashed["imageUrl"])),
        ("BOB_CURSOR", cursor("created")),
        ("BOB_UPDATED_CURSOR", cursor("updated")),
        ("BOB_TRASH_CURSOR", cursor("trash")),
        ("BOB_TAG_CURSOR", cursor("tags")),
        ("BOB_EVENT", text(&event["id"])),
        ("BOB_EVENT_CURSOR", text(&event["cursor"])),
        ("BOB_CREATED_AT", text(&active["createdAt"])),
    ])
}

/// All texts in a response, except error messages, which may repeat the request.
fn read_texts(answer: &Value) -> Vec<&str> {
    match answer {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(read_texts).collect(),
        Value::Object(object) => {
            let fields = object.iter().filter(|(name, _)| *name != "message");
            fields.flat_map(|(_, value)| read_texts(value)).collect()
        }
        _ => Vec::new(),
    }
}

#[track_caller]
fn assert_nothing_of_bob(known: &Known, call: &str, answer: &Value) {
    let texts = read_texts(answer);
    for secret in known.secrets() {
        let leak = texts.iter().find(|text| text.contains(secret));
        assert_eq!(leak, None, "{call} shows {secret}: {answer}");
    }
    let text = answer.to_string();
    assert!(
        !text.contains("bobsecret") && !text.contains("boblabel"),
        "{call}: {answer}"
    );
}

/// All queries of the table, ready to send.
fn queries(schema: &Schema, known: &Known) -> Vec<(&'static str, String)> {
    let nested = NESTED.iter().map(|(field, calls)| {
        let calls = if *field == OF_EVERYBODY { &[] } else { *calls };
        (*field, calls)
    });
    let nested: Vec<_> = nested.collect();
    let of_everybody = "{ galleryStats { byUser(first: 9) { userId count } } }".to_owned();
    let calls = QUERIES.iter().flat_map(|(field, calls)| {
        let selection = schema.selection_of("Query", field, &nested);
        calls
            .iter()
            .map(move |call| (*field, format!("{{ {field}{call} {selection} }}")))
    });
    calls
        .map(|(field, query)| (field, known.fill(&query)))
        .chain([("galleryStats", of_everybody)])
        .collect()
}

async fn answers(caller: &User, queries: &[(&'static str, String)]) -> Vec<Value> {
    let mut answers = Vec::new();
    for (_, query) in queries {
        let body = caller.graphql(query, json!({})).await.body;
        let code = body["errors"][0]["extensions"]["code"].as_str();
        let is_valid = !matches!(
            code,
            Some("GRAPHQL_VALIDATION_FAILED" | "GRAPHQL_PARSE_FAILED" | "QUERY_TOO_COMPLEX")
        );
        assert!(is_valid, "{query}: {body}");
        answers.push(body);
    }
    answers
}

/// Bob's images, as a caller with full access sees them.
async fn bobs_images(app: &TestApp) -> Value {
    let all = "id userId imageUrl originalPrompt refinedPrompt intentLabel metadata createdAt updatedAt deletedAt tags isFavorite";
    let query = format!(
        "{{ images(userId: \"bob\") {{ nodes {{ {all} }} }} deletedImages(userId: \"bob\") {{ nodes {{ {all} }} }} }}"
    );
    app.worker().run(&query, json!({})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_and_argument_of_the_schema_is_in_the_tables() {
    crate::harness::on_sqlite(&[], async |app: TestApp| {
        let schema = Schema::read(&app).await;
        let texts = |calls: &[&str]| calls.concat();
        let queries = QUERIES
            .iter()
            .map(|(field, calls)| (*field, texts(calls)))
            .collect();
        schema.require_fields("Query", &queries);
        let only_calls = |calls: &[(&'static str, &str)]| {
            calls.iter().map(|(call, _)| *call).collect::<String>()
        };
        let mutations = MUTATIONS
            .iter()
            .map(|(field, calls)| (*field, only_calls(calls)))
            .collect();
        schema.require_fields("Mutation", &mutations);
        let nested = NESTED
            .iter()
            .map(|(field, calls)| (*field, texts(calls)))
            .collect();
        schema.require_nested(&nested);
        let subscriptions = SUBSCRIPTIONS
            .iter()
            .map(|(field, arguments)| (*field, (*arguments).to_owned()))
            .collect();
        schema.require_fields("Subscription", &subscriptions);
    })
    .await;
}

#[apply(each_database!)]
#[settings(
    "--auth-mode=supabase",
    "--graphql-max-aliases=1000",
    "--graphql-max-tokens=100000",
    "--graphql-max-depth=50",
    "--graphql-max-complexity=1000000000"
)]
async fn no_query_shows_other_owners_images(app: TestApp) {
    let schema = Schema::read(&app).await;
    let known = make_both(&app).await;
    let queries = queries(&schema, &known);
    let (alice, worker) = (app.user("alice"), app.worker());
    let before = answers(&alice, &queries).await;
    let all_before = answers(&worker, &queries).await;
    for ((_, query), answer) in queries.iter().zip(&before) {
        assert_nothing_of_bob(&known, query, answer);
    }
    let purge = "mutation($ids: [ID!]!) { purgeImages(ids: $ids, force: true) { purgedIds } }";
    let ids = ["BOB_ACTIVE", "BOB_TRASHED"]
        .map(|name| known.fill(&format!("\"{name}\"")).replace('"', ""));
    let purged = worker.run(purge, json!({ "ids": ids })).await;
    assert_eq!(
        purged["purgeImages"]["purgedIds"].as_array().map(Vec::len),
        Some(2)
    );
    let after = answers(&alice, &queries).await;
    for ((field, query), (before, after)) in queries.iter().zip(before.iter().zip(&after)) {
        assert!(
            *field == TRAIL_CURSOR || before == after,
            "{query}: {before} {after}"
        );
    }
    // Proves that the test can detect a difference.
    let all_after = answers(&worker, &queries).await;
    for (field, _) in QUERIES {
        let is_felt = queries
            .iter()
            .zip(all_before.iter().zip(&all_after))
            .any(|((of, _), (before, after))| of == field && before != after);
        assert!(is_felt, "{field}");
    }
    assert!(
        before[0].to_string().contains("null")
            && before
                .iter()
                .any(|answer| answer.to_string().contains("alicesecret"))
    );
}

#[apply(each_database!)]
#[settings(
    "--auth-mode=supabase",
    "--graphql-max-aliases=1000",
    "--graphql-max-tokens=100000",
    "--graphql-max-depth=50",
    "--graphql-max-complexity=1000000000"
)]
async fn no_mutation_changes_other_owners_images(app: TestApp) {
    let schema = Schema::read(&app).await;
    let known = make_both(&app).await;
    let alice = app.user("alice");
    let bobs = bobs_images(&app).await;
    assert!(bobs.to_string().contains("bobsecret"));
    for (field, calls) in MUTATIONS {
        let selection = schema.selection_of("Mutation", field, NESTED);
        for (call, expected) in *calls {
            let mutation = known.fill(&format!("mutation {{ {field}{call} {selection} }}"));
            let answer = alice.graphql(&mutation, json!({})).await.body;
            let texts = read_texts(&answer);
            if expected.is_empty() {
                assert_eq!(answer.get("errors"), None, "{mutation}: {answer}");
            } else {
                assert!(texts.contains(expected), "{mutation}: {answer}");
            }
            assert_nothing_of_bob(&known, &mutation, &answer);
            assert_eq!(bobs_images(&app).await, bobs, "{mutation}");
        }
    }
}
