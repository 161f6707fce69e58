//! Values that do not fit their types are found by the library as late as at execution, field by field. They are errors
//! of the request (<https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>): it is answered as if nothing of
//! it had been executed, where that is the truth or makes no difference.

use async_graphql::parser::types::{OperationDefinition, OperationType, Selection};
use async_graphql::{PathSegment, ServerError};
use graphql_front::code_of;

/// Of which operations it may be said that nothing was executed.
#[derive(Debug)]
pub(super) enum ExecutedPart {
    /// Whatever was read may be thrown away.
    Query,
    /// Only what failed at the very first field, the response key of which this is.
    Mutation(Option<String>),
}

impl ExecutedPart {
    /// What is known of an operation before it is executed. Fields behind a directive or in a fragment, which may or may
    /// not be the first to run, are not looked at.
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

    /// The errors of the request, if there are any and nothing of it has to be answered for.
    pub(super) fn request_errors(&self, errors: &[ServerError]) -> Option<Vec<ServerError>> {
        // Every other failure has its code by now.
        let uncoerced = errors.iter().filter(|error| code_of(error).is_none());
        let of_the_request: Vec<_> = uncoerced
            .filter(|error| self.ran_nothing(error))
            .cloned()
            .collect();
        (!of_the_request.is_empty()).then_some(of_the_request)
    }

    /// The fields of a mutation run one after the other, and none may be null: the first failure is the last field.
    fn ran_nothing(&self, error: &ServerError) -> bool {
        match (self, error.path.as_slice()) {
            (Self::Query, _) => true,
            (Self::Mutation(Some(first)), [PathSegment::Field(field)]) => field == first,
            (Self::Mutation(_), _) => false,
        }
    }
}
