//! Rejects introspection if it is disabled: from the document, because the library returns `__schema: null` without an error.
//! `__typename` is not introspection.

use async_graphql::parser::types::{ExecutableDocument, Field, Selection};
use async_graphql::{Positioned, ServerError};

use super::code::Code;
use super::naming::InParentheses;
use super::walk::{definitions, selections};

/// Rejects a document that selects `__schema` or `__type` in any operation or fragment: they are fields only at the root of a
/// query.
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
