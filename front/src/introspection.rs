//! Introspection, where it is turned off: decided from the document, because the library would answer `__schema: null`
//! without an error. `__typename` is none, and stays.

use async_graphql::parser::types::{ExecutableDocument, Field, Selection};
use async_graphql::{Positioned, ServerError};

use super::code::Code;
use super::naming::InParentheses;
use super::walk::{definitions, selections};

/// Refuses a document that selects `__schema` or `__type`, in whatever operation or fragment: elsewhere than at the root
/// of a query neither is a field at all.
pub(crate) fn refuse(
    document: &ExecutableDocument,
    setting: Option<&'static str>,
) -> Result<(), ServerError> {
    let selections = definitions(document).flat_map(|each| selections(each.selection_set));
    let mut fields = selections.filter_map(|selection| match &selection.node {
        Selection::Field(field) => Some(field),
        _ => None,
    });
    let is_introspection =
        |field: &&Positioned<Field>| matches!(field.node.name.node.as_str(), "__schema" | "__type");
    let Some(field) = fields.find(is_introspection) else {
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
