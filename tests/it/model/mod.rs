//! Random sequences of operations, whose responses are compared with a model in memory.

mod changes;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::Dice;
use crate::harness::{TestApp, each_database};

const USERS: [&str; 3] = ["alice", "bob", "Čeněk 'c'"];
const IMAGE: &str = "id userId imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt";

/// The expected state: each image as the API returns it, by id.
struct Model {
    app: TestApp,
    dice: Dice,
    /// All ids in use: few, so that operations collide.
    ids: Vec<String>,
    images: BTreeMap<String, Value>,
    /// Ids that the trail shows as purged.
    purged: BTreeSet<String>,
    operations: undo::Operations,
}

fn code(of: &str) -> Value {
    json!([{ "code": of }])
}

fn text<'a>(image: &'a Value, field: &str) -> &'a str {
    image[field].as_str().unwrap_or_default()
}

fn is_deleted(image: &Value) -> bool {
    !image["deletedAt"].is_null()
}

impl Model {
    fn new(app: TestApp) -> Self {
        let mut ids: Vec<String> = (0..25).map(|_| Uuid::new_v4().to_string()).collect();
        ids.sort_unstable();
        Self {
            app,
            dice: Dice::new(),
            ids,
            images: BTreeMap::new(),
            purged: BTreeSet::new(),
            operations: undo::Operations::default(),
        }
    }

    async fn run(&self, query: &str, variables: Value) -> Value {
        self.app
            .run(&query.replace("IMAGE", IMAGE), variables)
            .await
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0..=3 => self.create().await,
            4..=6 => self.update().await,
            7..=9 => self.move_images(true).await,
            10..=11 => self.move_images(false).await,
            12 => self.purge().await,
            13 => self.sweep().await,
            14 => self.look().await,
            15..=17 => self.undo().await,
            18 => self.delete_matching().await,
            _ => self.list_all().await,
        }
    }

    /// The fields of an input, and their stored values.
    fn fields(&mut self) -> (Value, Value) {
        let (mut input, mut stored) = (json!({}), json!({}));
        for field in ["originalPrompt", "refinedPrompt"] {
            if self.dice.one_in(2) {
                let prompt = self.dice.pick(&[
                    json!(null),
                    json!(""),
                    json!("a 'cat'"),
                    json!("Ünï 🎉 \\ \"q\" $1 ?"),
                ]);
                input[field] = prompt.clone();
                stored[field] = prompt;
            }
        }
        if self.dice.one_in(2) {
            let (given, intent, label) = self.dice.pick(&[
                (json!({ "intent": "EDIT" }), json!("EDIT"), json!("edit")),
                (
                    json!({ "intentLabel": "Generate" }),
                    json!("GENERATE"),
                    json!("generate"),
                ),
                (
                    json!({ "intent": "OTHER", "intentLabel": "ÜPSCALE" }),
                    json!("OTHER"),
                    json!("üpscale"),
                ),
                (json!({ "intent": null }), json!(null), json!(null)),
            ]);
            merge(&mut input, &given);
            merge(
                &mut stored,
                &json!({ "intent": intent, "intentLabel": label }),
            );
        }
        if self.dice.one_in(2) {
            let metadata = self.dice.pick(&[
                json!(null),
                json!({}),
                json!({ "a": 1, "b": { "c": [null, 1.5] } }),
                json!({ "a": { "d": "x" }, "é": 9_007_199_254_740_993_i64 }),
            ]);
            input["metadata"] = metadata.clone();
            stored["metadata"] = if metadata.is_null() {
                json!({})
            } else {
                metadata
            };
        }
        (input, stored)
    }

    async fn look(&mut self) {
        let id = self.dice.pick(&self.ids);
        let query = "query($id: ID!) { image(id: $id) { IMAGE } any: image(id: $id, includeDeleted: true) { id } node(id: $id) { id ... on Image { updatedAt } } nodes(ids: [$id, \"x\", $id]) { id } }";
        let reply = self.run(query, json!({ "id": id })).await;
        let image = self.images.get(&id);
        let key = image.map(|image| json!({ "id": image["id"] }));
        assert_eq!(
            reply["image"],
            json!(image.filter(|image| !is_deleted(image)))
        );
        assert_eq!(reply["any"], json!(key));
        assert_eq!(
            reply["node"],
            json!(image.map(|image| json!({ "id": id, "updatedAt": image["updatedAt"] })))
        );
        assert_eq!(reply["nodes"], json!([key, null, key]));
    }

    async fn list_all(&mut self) {
        let user = self
            .dice
            .pick(&[None, Some(USERS[0]), Some(USERS[1]), Some(USERS[2])]);
        let field = self
            .dice
            .pick(&[("CREATED_AT", "createdAt"), ("UPDATED_AT", "updatedAt")]);
        let direction = self.dice.pick(&["ASC", "DESC"]);
        let query = "query($user: String, $order: ImageOrder) {
            images(userId: $user, orderBy: $order, first: 100) { nodes { IMAGE } totalCount }
            deletedImages(userId: $user, last: 100) { nodes { IMAGE } totalCount }
            galleryStats(userId: $user) { activeCount deletedCount byIntent { intentLabel count } }
        }";
        let reply = self
            .run(
                query,
                json!({ "user": user, "order": { "field": field.0, "direction": direction } }),
            )
            .await;
        let owned = |image: &&Value| user.is_none_or(|user| image["userId"] == user);
        let (mut trash, mut active): (Vec<&Value>, Vec<&Value>) = self
            .images
            .values()
            .filter(owned)
            .partition(|image| is_deleted(image));
        active.sort_by_key(|image| (text(image, field.1), text(image, "id")));
        if direction == "DESC" {
            active.reverse();
        }
        trash.sort_by_key(|image| std::cmp::Reverse((text(image, "deletedAt"), text(image, "id"))));
        assert_eq!(
            reply["images"],
            json!({ "nodes": active, "totalCount": active.len() })
        );
        assert_eq!(
            reply["deletedImages"],
            json!({ "nodes": trash, "totalCount": trash.len() })
        );
        let stats = &reply["galleryStats"];
        assert_eq!(
            (&stats["activeCount"], &stats["deletedCount"]),
            (&json!(active.len()), &json!(trash.len()))
        );
        let mut labels: BTreeMap<String, usize> = BTreeMap::new();
        for image in active {
            *labels.entry(image["intentLabel"].to_string()).or_default() += 1;
        }
        let counted = stats["byIntent"].as_array().expect("rows").iter();
        let counted: BTreeMap<String, usize> = counted
            .map(|row| {
                (
                    row["intentLabel"].to_string(),
                    row["count"]
                        .as_u64()
                        .and_then(|count| count.try_into().ok())
                        .expect("a count"),
                )
            })
            .collect();
        assert_eq!(counted, labels);
    }
}

fn merge(into: &mut Value, from: &Value) {
    let from = from.as_object().expect("an object").clone();
    into.as_object_mut().expect("an object").extend(from);
}

/// RFC 7396, literally.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().expect("an object");
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge_patch(members.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[apply(each_database!)]
async fn any_sequence_of_operations_matches_the_model(app: TestApp) {
    let mut model = Model::new(app);
    for _ in 0..300 * Dice::scale() {
        model.step().await;
    }
    model.list_all().await;
}
