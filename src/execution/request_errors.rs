//! The library detects some values that do not match their types only during execution, field by field. They are
//! request errors (<https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>): the reply is as if nothing
//! had been executed, if that is true or makes no difference.

use async_graphql::parser::types::{OperationDefinition, OperationType, Selection};
use async_graphql::{PathSegment, ServerError};
use graphql_front::code_of;

/// Which part of an operation may be reported as not executed.
#[derive(Debug)]
pub(super) enum ExecutedPart {
    /// Queries have no side effects.
    Query,
    /// A mutation, if its first field failed; this is that field's response key.
    Mutation(Option<String>),
}

impl ExecutedPart {
    /// Derives it from the operation. Fields with a directive or in a fragment may not be the first to run, and are
    /// ignored.
    pub(super) fn of(operation: &OperationDefinition) -> Self {
        if operation.ty == OperationType::Query {
            return Self::Query;
        }
        let first = operation.selection_set.node.items.first();
        Self::Mutation(match first.map(|selection| &selection.node) {
            Some(Selection::Field(field)) if field.node.directives.is_empty() => {
                Some(field.node.response_key().node.to_string())
            }
            _ => None,
        })
    }

    /// The request errors, if there are any and nothing else was executed.
    pub(super) fn request_errors(&self, errors: &[ServerError]) -> Option<Vec<ServerError>> {
        // All other errors have a code by now.
        let uncoerced = errors.iter().filter(|error| code_of(error).is_none());
        let of_the_request: Vec<_> = uncoerced
            .filter(|error| self.ran_nothing(error))
            .cloned()
            .collect();
        (!of_the_request.is_empty()).then_some(of_the_request)
    }

    /// The fields of a mutation run one by one and are non-null: execution stops at the first failure.
    fn ran_nothing(&self, error: &ServerError) -> bool {
        match (self, error.path.as_slice()) {
            (Self::Query, _) => true,
            (Self::Mutation(Some(first)), [PathSegment::Field(field)]) => field == first,
            (Self::Mutation(_), _) => false,
        }
    }
}
