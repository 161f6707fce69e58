//! `__schema { description }`: the library answers the description of the type `__Schema` in place of the schema's own.

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{Name, Value};

use super::Prepared;
use crate::contract::DESCRIPTION;

/// Where in an answer the schema's description stands: the response keys of `__schema`, and within it of `description`.
pub(super) struct DescriptionKeys(Vec<(Name, Vec<Name>)>);

/// The places at which a prepared operation asks for it.
pub(super) fn description_keys(prepared: &Prepared) -> DescriptionKeys {
    let operation = prepared.operation.operation();
    let mut keys = Vec::new();
    if let Ok(operation) = operation
        && prepared.operation_type() == OperationType::Query
    {
        let document = prepared.document();
        let root = &operation.node.selection_set.node;
        each_field(document, root, "__schema", &mut |schema, within| {
            let mut descriptions = Vec::new();
            each_field(document, within, "description", &mut |description, _| {
                descriptions.push(description.clone());
            });
            keys.push((schema.clone(), descriptions));
        });
    }
    DescriptionKeys(keys)
}

/// Every field of this name in a selection set and in its fragments, by its response key and with what it selects. The
/// document's limits have bounded how often fragments spread each other.
fn each_field<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    name: &str,
    found: &mut dyn FnMut(&'d Name, &'d SelectionSet),
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if field.node.name.node == name => {
                let key = &field.node.response_key().node;
                found(key, &field.node.selection_set.node);
            }
            Selection::Field(_) => {}
            Selection::InlineFragment(inline) => {
                each_field(document, &inline.node.selection_set.node, name, found);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    each_field(document, &fragment.node.selection_set.node, name, found);
                }
            }
        }
    }
}

impl DescriptionKeys {
    /// Puts the schema's description in its place. Validation has made sure that no other field has the same key.
    pub(super) fn describe(&self, data: &mut Value) {
        let Value::Object(data) = data else {
            return;
        };
        for (schema, descriptions) in &self.0 {
            let Some(Value::Object(schema)) = data.get_mut(schema) else {
                continue;
            };
            for description in descriptions {
                if let Some(value) = schema.get_mut(description) {
                    *value = Value::from(DESCRIPTION);
                }
            }
        }
    }
}
