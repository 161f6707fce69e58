//! The model's expectation for each mutation.

use serde_json::{Value, json};

use super::{Model, USERS, code, is_deleted, merge, merge_patch, text};
use crate::harness::image_url;

impl Model {
    pub(super) async fn create(&mut self) {
        let (mut input, fields) = self.fields();
        let id = self.dice.pick(&self.ids);
        let user = self.dice.pick(&USERS);
        merge(
            &mut input,
            &json!({ "userId": user, "imageUrl": image_url(&id) }),
        );
        let query = "mutation($input: CreateImageInput!) { createImage(input: $input) { image { IMAGE } created userErrors { code } } }";
        let reply = self.run(query, json!({ "input": input })).await["createImage"].take();
        let Some(stored) = self.images.get(&id) else {
            let image = reply["image"].clone();
            let mut expected = json!({
                "id": id, "userId": user, "imageUrl": image_url(&id), "originalPrompt": null, "refinedPrompt": null, "intent": null,
                "intentLabel": null, "metadata": {}, "createdAt": image["createdAt"], "updatedAt": image["createdAt"], "deletedAt": null,
            });
            merge(&mut expected, &fields);
            assert_eq!(
                reply,
                json!({ "image": expected, "created": true, "userErrors": [] })
            );
            self.images.insert(id, image);
            return;
        };
        let (image, errors) = if stored["userId"] == user {
            (stored.clone(), json!([]))
        } else {
            (Value::Null, code("IMAGE_ID_TAKEN"))
        };
        assert_eq!(
            reply,
            json!({ "image": image, "created": false, "userErrors": errors }),
            "{input}"
        );
    }

    pub(super) async fn update(&mut self) {
        let (mut input, mut fields) = self.fields();
        let id = self.dice.pick(&self.ids);
        let stored = self.images.get(&id).cloned();
        input["id"] = json!(id.to_uppercase());
        if input.get("metadata").is_none() && self.dice.one_in(2) {
            let patch = self.dice.pick(&[
                json!({}),
                json!({ "a": null }),
                json!({ "b": { "c": 1, "e": {} } }),
                json!({ "new": [1] }),
            ]);
            input["metadataPatch"] = patch.clone();
            if let Some(stored) = &stored {
                let mut patched = stored["metadata"].clone();
                merge_patch(&mut patched, &patch);
                fields["metadata"] = patched;
            }
        }
        let is_stale = self.dice.one_in(6);
        if let Some(stored) = stored.as_ref().filter(|_| is_stale || self.dice.one_in(3)) {
            input["ifUpdatedAt"] = if is_stale {
                json!("2020-01-01T00:00:00Z")
            } else {
                stored["updatedAt"].clone()
            };
        }
        let query = "mutation($input: UpdateImageInput!) { updateImage(input: $input) { image { IMAGE } userErrors { code } } }";
        let reply = self.run(query, json!({ "input": input })).await["updateImage"].take();
        let Some(stored) = stored else {
            assert_eq!(
                reply,
                json!({ "image": null, "userErrors": code("IMAGE_NOT_FOUND") })
            );
            return;
        };
        let refusal = if is_deleted(&stored) {
            Some("IMAGE_DELETED")
        } else {
            is_stale.then_some("CONFLICT")
        };
        if let Some(refusal) = refusal {
            assert_eq!(
                reply,
                json!({ "image": stored, "userErrors": code(refusal) }),
                "{input}"
            );
            return;
        }
        let mut expected = stored.clone();
        merge(&mut expected, &fields);
        if expected != stored {
            let moved = reply["image"]["updatedAt"].clone();
            assert!(
                moved.as_str() > stored["updatedAt"].as_str(),
                "{stored} {reply}"
            );
            expected["updatedAt"] = moved;
            self.operations.touch(&id);
        }
        assert_eq!(
            reply,
            json!({ "image": expected, "userErrors": [] }),
            "{input} on {stored}"
        );
        self.images.insert(id, expected);
    }

    /// One or several ids, some of which may not exist.
    fn some_ids(&mut self) -> Vec<String> {
        let count = 1 + self.dice.roll(5);
        let mut ids: Vec<String> = (0..count).map(|_| self.dice.pick(&self.ids)).collect();
        ids.sort_unstable();
        ids.dedup();
        let turns = count % ids.len();
        ids.rotate_left(turns);
        ids
    }

    /// Checks a moved image and stores it in the model.
    pub(super) fn moved(&mut self, before: &Value, after: &Value, to_trash: bool) {
        let mut expected = before.clone();
        if is_deleted(before) != to_trash {
            assert!(
                text(after, "updatedAt") > text(before, "updatedAt"),
                "{before} {after}"
            );
            expected["updatedAt"] = after["updatedAt"].clone();
            expected["deletedAt"] = if to_trash {
                after["deletedAt"].clone()
            } else {
                Value::Null
            };
            assert_eq!(is_deleted(after), to_trash);
        }
        assert_eq!(*after, expected);
        self.images.insert(text(before, "id").to_owned(), expected);
    }

    pub(super) async fn move_images(&mut self, to_trash: bool) {
        let (one, many) = if to_trash {
            ("softDeleteImage", "softDeleteImages")
        } else {
            ("restoreImage", "restoreImages")
        };
        let ids = self.some_ids();
        let operation = if to_trash { "operationId" } else { "" };
        let known: Vec<Value> = ids
            .iter()
            .filter_map(|id| self.images.get(id).cloned())
            .collect();
        let elsewhere = known.iter().filter(|image| is_deleted(image) != to_trash);
        let elsewhere: Vec<String> = elsewhere
            .map(|image| text(image, "id").to_owned())
            .collect();
        if ids.len() == 1 {
            let query = format!(
                "mutation($id: ID!) {{ {one}(id: $id) {{ image {{ IMAGE }} changed {operation} userErrors {{ code }} }} }}"
            );
            let mut reply = self.run(&query, json!({ "id": ids[0] })).await[one].take();
            self.note_move(&mut reply, &elsewhere);
            let Some(before) = known.first() else {
                assert_eq!(
                    reply,
                    json!({ "image": null, "changed": false, "userErrors": code("IMAGE_NOT_FOUND") })
                );
                return;
            };
            assert_eq!(reply["changed"], is_deleted(before) != to_trash);
            self.moved(before, &reply["image"], to_trash);
            return;
        }
        let query = format!(
            "mutation($ids: [ID!]!) {{ {many}(ids: $ids) {{ images {{ IMAGE }} {operation} userErrors {{ code path }} }} }}"
        );
        let mut reply = self.run(&query, json!({ "ids": ids })).await[many].take();
        self.note_move(&mut reply, &elsewhere);
        assert_eq!(reply["userErrors"], self.not_found(&ids));
        let images = reply["images"].as_array().expect("images").clone();
        assert_eq!(images.len(), known.len());
        for (before, after) in known.iter().zip(&images) {
            self.moved(before, after, to_trash);
        }
    }

    /// Takes the operation out of the reply, if it has one, and records what was moved.
    fn note_move(&mut self, reply: &mut Value, moved: &[String]) {
        let payload = reply.as_object_mut().expect("a payload");
        match payload.remove("operationId") {
            Some(operation) => self.operations.record(&operation, moved),
            None => moved.iter().for_each(|id| self.operations.touch(id)),
        }
    }

    fn not_found(&self, ids: &[String]) -> Value {
        let missing = ids
            .iter()
            .enumerate()
            .filter(|(_, id)| !self.images.contains_key(*id));
        missing.map(|(place, _)| json!({ "code": "IMAGE_NOT_FOUND", "path": ["ids", place.to_string()] })).collect()
    }

    pub(super) async fn purge(&mut self) {
        let ids = self.some_ids();
        let is_forced = self.dice.one_in(3);
        let query = "mutation($ids: [ID!]!, $force: Boolean!) { purgeImages(ids: $ids, force: $force) { purgedIds userErrors { code path } } }";
        let reply = self
            .run(query, json!({ "ids": ids, "force": is_forced }))
            .await["purgeImages"]
            .take();
        let (mut purged, mut errors) = (Vec::new(), Vec::new());
        for (place, id) in ids.iter().enumerate() {
            let refusal = match self.images.get(id) {
                None if !self.purged.contains(id) => "IMAGE_NOT_FOUND",
                Some(image) if !is_deleted(image) && !is_forced => "IMAGE_NOT_DELETED",
                _ => {
                    purged.push(id.clone());
                    continue;
                }
            };
            errors.push(json!({ "code": refusal, "path": ["ids", place.to_string()] }));
        }
        assert_eq!(
            reply,
            json!({ "purgedIds": purged, "userErrors": errors }),
            "{ids:?} {is_forced}"
        );
        for id in &purged {
            self.operations.touch(id);
        }
        self.images.retain(|id, _| !purged.contains(id));
        self.purged.extend(purged);
    }

    pub(super) async fn sweep(&mut self) {
        let user = self.dice.pick(&USERS);
        let is_restoring = self.dice.one_in(2);
        let trash: Vec<Value> = self
            .images
            .values()
            .filter(|image| image["userId"] == user && is_deleted(image))
            .cloned()
            .collect();
        // Exclusive for one mutation, inclusive for the other.
        let bound = self
            .dice
            .one_in(2)
            .then(|| trash.get(self.dice.roll(trash.len().max(1))))
            .flatten();
        let bound = bound
            .map(|image| image["deletedAt"].clone())
            .unwrap_or_default();
        let is_meant = |image: &&Value| {
            bound.is_null()
                || (text(image, "deletedAt") >= bound.as_str().unwrap_or_default()) == is_restoring
        };
        let meant: Vec<String> = trash
            .iter()
            .filter(is_meant)
            .map(|image| text(image, "id").to_owned())
            .collect();
        let (name, query) = if is_restoring {
            (
                "restoreTrash",
                "mutation($user: String, $bound: DateTime) { restoreTrash(userId: $user, deletedAfter: $bound) { restoredCount restoredIds hasMore } }",
            )
        } else {
            (
                "emptyTrash",
                "mutation($user: String, $bound: DateTime) { emptyTrash(userId: $user, deletedBefore: $bound) { purgedCount purgedIds hasMore } }",
            )
        };
        let reply = self
            .run(query, json!({ "user": user, "bound": bound }))
            .await[name]
            .take();
        let (count, ids) = if is_restoring {
            ("restoredCount", "restoredIds")
        } else {
            ("purgedCount", "purgedIds")
        };
        let mut swept: Vec<&str> = reply[ids]
            .as_array()
            .expect("ids")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        swept.sort_unstable();
        assert_eq!(swept, meant, "{name} {bound}");
        assert_eq!(
            (&reply[count], &reply["hasMore"]),
            (&json!(meant.len()), &json!(false))
        );
        for id in meant {
            self.operations.touch(&id);
            let before = self.images.remove(&id).expect("it is in the trash");
            if is_restoring {
                let after = self
                    .run(
                        "query($id: ID!) { image(id: $id) { IMAGE } }",
                        json!({ "id": id }),
                    )
                    .await["image"]
                    .take();
                self.moved(&before, &after, false);
            } else {
                self.purged.insert(id);
            }
        }
    }
}
