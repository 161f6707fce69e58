//! What of a document is meant: the operation that is to be executed, its kind, and what it needs.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, ServerError};

use crate::front::code::Code;
use crate::front::trusted::shortened;

/// The kind of the operation that is meant. Refuses a name that no operation has, and a document of several operations
/// without a name.
pub(super) fn kind_of(
    operations: &DocumentOperations,
    name: Option<&str>,
) -> Result<OperationType, ServerError> {
    let meant = match (operations, name) {
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
    meant.map(|operation| operation.node.ty).ok_or_else(|| {
        Code::BadUserInput.error(format!(
            "operationName: the document has no operation `{}`",
            shortened(name.unwrap_or_default())
        ))
    })
}

/// The operation of this name, or the only one.
pub(super) fn meant<'d>(
    operations: &'d DocumentOperations,
    name: Option<&str>,
) -> Option<&'d Positioned<OperationDefinition>> {
    let is_meant = |own: Option<&Name>| name.is_none() || own.map(Name::as_str) == name;
    let mut operations = operations.iter();
    let (_, operation) = operations.find(|(own, _)| is_meant(*own))?;
    Some(operation)
}

/// Whether some root may select `trailCursor`; rather once too often.
pub(super) fn selects_trail_cursor(document: &ExecutableDocument) -> bool {
    let fragments = document.fragments.values();
    let fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
    let operations = document.operations.iter();
    let roots = operations.map(|(_, operation)| &operation.node.selection_set.node);
    roots.chain(fragments).any(has_trail_cursor)
}

fn has_trail_cursor(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node == "trailCursor",
        Selection::InlineFragment(inline) => has_trail_cursor(&inline.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}
