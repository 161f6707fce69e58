//! Subscriptions: the same pre-flight, then a reply for each event.

use std::panic::AssertUnwindSafe;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Positioned, ServerError};
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};

use super::{Executor, Prepared, Reply, Started, finish, meant, panicked};
use crate::auth::Caller;
use crate::graphql::error::Code;

impl Executor {
    /// Runs a prepared operation for a caller: of a subscription a reply for each event, of any other its one reply.
    /// Nothing is read ahead of who polls, and it never panics.
    ///
    /// A subscription ends behind a reply with errors and no data, which is its last, or, without one, because the server
    /// stops: a client should then come back, so a transport breaks the connection off instead of telling it that the
    /// subscription is complete.
    pub fn subscribe(
        &self,
        caller: Caller,
        prepared: Prepared,
    ) -> impl Stream<Item = Reply> + Send + use<> {
        let executor = self.clone();
        let replies = async move {
            if prepared.kind() != OperationType::Subscription {
                let deadline = executor.deadline();
                let reply = executor.execute(caller, prepared, deadline).await;
                return stream::iter([reply]).boxed();
            }
            match executor.events(caller, prepared).await {
                Ok(replies) => replies.boxed(),
                Err(refused) => stream::iter([refused]).boxed(),
            }
        };
        // Boxed, so that what it took to begin is given back while the subscription waits.
        stream::once(replies.boxed()).flatten()
    }

    async fn events(
        self,
        caller: Caller,
        prepared: Prepared,
    ) -> Result<impl Stream<Item = Reply> + Send + 'static, Reply> {
        require_one_field(&prepared.document, prepared.operation_name.as_deref())
            .map_err(Reply::refused)?;
        self.require_migrated(&prepared.request_id).await?;
        let Started {
            request,
            was_executed,
            request_id,
            ..
        } = prepared.into_request(caller);
        let responses = AssertUnwindSafe(self.schema.execute_stream(request)).catch_unwind();
        Ok(responses.map(move |response| match response {
            Ok(response) => finish(response, was_executed.get(), &request_id),
            Err(_panic) => panicked(&request_id),
        }))
    }
}

/// A subscription has one root field, <https://spec.graphql.org/October2021/#sec-Single-root-field>. Fragments are written
/// out by now, but for those with directives: the library would pass over them in silence.
fn require_one_field(document: &ExecutableDocument, name: Option<&str>) -> Result<(), ServerError> {
    let Some(operation) = meant(&document.operations, name) else {
        return Ok(());
    };
    let refused = |message: &str, pos| {
        let mut error = Code::ValidationFailed.error(message);
        error.locations = vec![pos];
        Err(error)
    };
    match root_fields(operation).as_slice() {
        [Some(field)] if !field.node.directives.is_empty() => refused(
            "the root field of a subscription cannot have directives",
            field.pos,
        ),
        [Some(field)] if field.node.name.node.starts_with("__") => refused(
            "a subscription has to select a field of its own at its root",
            field.pos,
        ),
        [Some(_)] => Ok(()),
        [None] => refused(
            "a fragment at the root of a subscription has to be on the type Subscription, and cannot have directives",
            operation.node.selection_set.pos,
        ),
        _ => refused(
            "a subscription has to select exactly one field at its root",
            operation.node.selection_set.pos,
        ),
    }
}

/// The fields at the root; none in the place of a fragment.
fn root_fields(operation: &Positioned<OperationDefinition>) -> Vec<Option<&Positioned<Field>>> {
    let selections = operation.node.selection_set.node.items.iter();
    selections
        .map(|selection| match &selection.node {
            Selection::Field(field) => Some(field),
            Selection::InlineFragment(_) | Selection::FragmentSpread(_) => None,
        })
        .collect()
}
