//! Queries on a parsed document: the selected operation, its type, and the fields at its roots.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, ServerError};

use super::code::Code;
use super::naming::shortened;

/// The operation to execute, <https://spec.graphql.org/October2021/#GetOperation()>. Fails for an unknown name, and for
/// a document of several operations without a name.
pub(crate) fn get_operation<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, ServerError> {
    let selected = match (&document.operations, name) {
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next()
        }
        (DocumentOperations::Multiple(_), None) => {
            return Err(Code::BadUserInput.error(
                "the document has several operations: operationName must say which of them is meant",
            ));
        }
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
    };
    selected.ok_or_else(|| {
        Code::BadUserInput.error(format!(
            "operationName: the document has no operation `{}`",
            shortened(name.unwrap_or_default())
        ))
    })
}

/// Whether the root of an operation may select a field with this name. False positives are possible, because fragments on
/// other types count as well.
pub fn selects_at_root(document: &ExecutableDocument, field: &str) -> bool {
    let fragments = document.fragments.values();
    let fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
    let operations = document.operations.iter();
    let roots = operations.map(|(_, operation)| &operation.node.selection_set.node);
    roots.chain(fragments).any(|set| selects_field(set, field))
}

fn selects_field(set: &SelectionSet, name: &str) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node == name,
        Selection::InlineFragment(inline) => selects_field(&inline.node.selection_set.node, name),
        Selection::FragmentSpread(_) => false,
    })
}

/// The alphabetically first name of the document's operations.
pub(crate) fn first_operation(document: &ExecutableDocument) -> Option<&Name> {
    let operations = document.operations.iter();
    operations.filter_map(|(name, _)| name).min()
}
