//! The model's expectation for operations: what a soft delete moved, and what an undo of it restores.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Model, USERS, code, is_deleted, text};

/// The soft deletes so far.
#[derive(Default)]
pub(super) struct Operations {
    /// The images that each of them moved.
    moved: BTreeMap<String, Vec<String>>,
    /// The operation of an image's last change, if it was one or its undo.
    last: BTreeMap<String, String>,
}

impl Operations {
    /// A soft delete that moved these images; its id is null where it moved none.
    pub(super) fn record(&mut self, id: &Value, moved: &[String]) {
        assert_eq!(id.is_null(), moved.is_empty(), "{id} {moved:?}");
        let Some(id) = id.as_str() else {
            return;
        };
        for image in moved {
            self.last.insert(image.clone(), id.to_owned());
        }
        let earlier = self.moved.insert(id.to_owned(), moved.to_vec());
        assert_eq!(earlier, None);
    }

    /// Any other change of an image.
    pub(super) fn touch(&mut self, image: &str) {
        self.last.remove(image);
    }
}

fn sorted(ids: &Value) -> Vec<&str> {
    let ids = ids.as_array().expect("ids").iter();
    let mut ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
    ids.sort_unstable();
    ids
}

impl Model {
    pub(super) async fn undo(&mut self) {
        let known: Vec<String> = self.operations.moved.keys().cloned().collect();
        let operation = match known.len() {
            0 => Uuid::new_v4().to_string(),
            count => known[self.dice.roll(count)].clone(),
        };
        let query = "mutation($id: ID!) { undo(operationId: $id) { restoredIds leftAloneIds userErrors { code } } }";
        let reply = self.run(query, json!({ "id": operation })).await["undo"].take();
        let Some(moved) = self.operations.moved.get(&operation).cloned() else {
            assert_eq!(reply["userErrors"], code("OPERATION_NOT_FOUND"));
            return;
        };
        let is_of_it = |id: &String| self.operations.last.get(id) == Some(&operation);
        let (mut restored, mut left_alone): (Vec<String>, Vec<String>) =
            moved.into_iter().partition(is_of_it);
        restored.sort_unstable();
        left_alone.sort_unstable();
        assert_eq!(sorted(&reply["restoredIds"]), restored, "{reply}");
        assert_eq!(sorted(&reply["leftAloneIds"]), left_alone, "{reply}");
        assert_eq!(reply["userErrors"], json!([]));
        for id in restored {
            self.check_moved(&id, false).await;
        }
    }

    pub(super) async fn delete_matching(&mut self) {
        let user = self.dice.pick(&USERS);
        let label = self.dice.pick(&["edit", "generate", "ÜPSCALE"]);
        let is_dry = self.dice.one_in(3);
        let filter = json!({ "intentLabels": [label] });
        let query = "mutation($user: String, $filter: ImageFilter!, $dry: Boolean!) {
            softDeleteMatching(userId: $user, filter: $filter, dryRun: $dry) {
                matchingCount softDeletedIds sample { IMAGE } hasMore operationId
            }
        }";
        let variables = json!({ "user": user, "filter": filter, "dry": is_dry });
        let reply = self.run(query, variables).await["softDeleteMatching"].take();
        let is_meant = |image: &&Value| {
            image["userId"] == user
                && !is_deleted(image)
                && text(image, "intentLabel") == label.to_lowercase()
        };
        let mut meant: Vec<Value> = self.images.values().filter(is_meant).cloned().collect();
        meant.sort_by_key(|image| {
            Reverse((
                text(image, "createdAt").to_owned(),
                text(image, "id").to_owned(),
            ))
        });
        assert_eq!(
            (&reply["matchingCount"], &reply["hasMore"]),
            (&json!(meant.len()), &json!(false))
        );
        if is_dry {
            meant.truncate(10);
            assert_eq!(reply["sample"], json!(meant));
            meant.clear();
        }
        let ids: Vec<String> = (meant.iter())
            .map(|image| text(image, "id").to_owned())
            .collect();
        assert_eq!(reply["softDeletedIds"], json!(ids));
        self.operations.record(&reply["operationId"], &ids);
        for id in ids {
            self.check_moved(&id, true).await;
        }
    }

    /// Reads an image, and checks that it was moved.
    async fn check_moved(&mut self, id: &str, to_trash: bool) {
        let query = "query($id: ID!) { image(id: $id, includeDeleted: true) { IMAGE } }";
        let after = self.run(query, json!({ "id": id })).await["image"].take();
        let before = self.images.get(id).expect("it is there").clone();
        self.moved(&before, &after, to_trash);
    }
}
