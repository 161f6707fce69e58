//! `__schema { description }`: the library returns the description of the type `__Schema` instead of the schema's.

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{Name, Value};

use super::Prepared;
use crate::contract::DESCRIPTION;

/// Paths of the schema's description in a response: the response keys of `__schema`, and of `description` in it.
pub(super) struct DescriptionKeys(Vec<(Name, Vec<Name>)>);

/// The paths at which an operation selects it.
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

/// Calls a function for every field with this name in a selection set and its fragments. The document's limits bound
/// the number of fragment spreads.
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
    /// Replaces the values at these paths. Validation ensures that no other field has the same key.
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
