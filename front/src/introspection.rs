//! Introspection, where it is turned off: decided from the document, because the library would answer `__schema: null`
//! without an error. `__typename` is none, and stays.

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Positioned, ServerError};

use super::code::Code;
use super::naming::InParentheses;

/// Refuses a document that selects `__schema` or `__type`, in whatever operation or fragment: elsewhere than at the root
/// of a query neither is a field at all.
pub(crate) fn refuse(
    document: &ExecutableDocument,
    setting: Option<&'static str>,
) -> Result<(), ServerError> {
    let fragments = document.fragments.values();
    let fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
    let operations = document.operations.iter();
    let operations = operations.map(|(_, operation)| &operation.node.selection_set.node);
    let Some(field) = operations.chain(fragments).find_map(introspecting) else {
        return Ok(());
    };
    let mut error = Code::ValidationFailed.error(format!(
        "introspection is turned off on this server{}: `{}` cannot be selected",
        InParentheses(setting),
        field.node.name
    ));
    error.locations = vec![field.pos];
    Err(error)
}

/// The first such field; `limits` has bounded the nesting.
fn introspecting(set: &SelectionSet) -> Option<&Positioned<Field>> {
    set.items
        .iter()
        .find_map(|selection| match &selection.node {
            Selection::Field(field)
                if matches!(field.node.name.node.as_str(), "__schema" | "__type") =>
            {
                Some(field)
            }
            Selection::Field(field) => introspecting(&field.node.selection_set.node),
            Selection::InlineFragment(inline) => introspecting(&inline.node.selection_set.node),
            Selection::FragmentSpread(_) => None,
        })
}
