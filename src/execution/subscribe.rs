//! Subscriptions: the same checks, then a reply for each event.

use std::panic::AssertUnwindSafe;

use async_graphql::parser::types::{Field, OperationDefinition, OperationType, Selection};
use async_graphql::{Positioned, ServerError};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::time::timeout_at;

use super::reply::StreamItem;
use super::request_errors::ExecutedPart;
use super::{Executor, Prepared, Reply, finish, panicked};
use crate::auth::Caller;
use crate::contract::budget::ResponseBudget;
use crate::contract::code::Code;
use crate::contract::stream_state::StreamState;

impl Executor {
    /// Starts a subscription, and returns a stream of replies, one per event. Reads nothing before it is polled, and
    /// never panics. An error at the start is the only reply.
    ///
    /// The last reply is marked as such. Without it the stream ended because the server is stopping: transports then
    /// disconnect instead of completing the subscription, so that the client reconnects.
    pub async fn subscribe(
        &self,
        caller: Caller,
        prepared: Prepared,
        resume_after: Option<String>,
    ) -> Result<BoxStream<'static, StreamItem>, Reply> {
        if prepared.operation_type() != OperationType::Subscription {
            return Err(
                prepared.refuse(Code::BadUserInput.error("only a subscription can be followed"))
            );
        }
        let shown_cost = prepared.shown_cost;
        let begun = self.begin(caller, prepared, resume_after).await;
        match begun {
            Ok(items) => Ok(match shown_cost {
                Some(_) => items
                    .map(move |item| StreamItem {
                        reply: item.reply.with_cost(shown_cost),
                        ..item
                    })
                    .boxed(),
                None => items,
            }),
            Err(reply) => Err(reply.with_cost(shown_cost)),
        }
    }

    async fn begin(
        &self,
        caller: Caller,
        prepared: Prepared,
        resume_after: Option<String>,
    ) -> Result<BoxStream<'static, StreamItem>, Reply> {
        let deadline = self.deadline();
        let stream_state = StreamState::resuming(resume_after);
        // Boxed, so that the memory of the start is freed while the subscription waits.
        let events = Box::pin(self.clone().events(caller, prepared, stream_state.clone())).await?;
        let mut items = events.boxed();
        let first = async {
            tokio::select! {
                biased;
                first = items.next() => Some(first),
                () = stream_state.begun() => None,
            }
        };
        match timeout_at(deadline, Box::pin(first)).await {
            Ok(None) => Ok(items),
            Ok(Some(Some(first))) if first.is_last => Err(first.reply),
            Ok(Some(Some(first))) => Ok(stream::iter([first]).chain(items).boxed()),
            Ok(Some(None)) => Err(Reply::refused(
                Code::Unavailable.error("the server is stopping; try again"),
            )),
            Err(_elapsed) => Err(self.timed_out()),
        }
    }

    async fn events(
        self,
        caller: Caller,
        prepared: Prepared,
        stream_state: StreamState,
    ) -> Result<impl Stream<Item = StreamItem> + Send + 'static, Reply> {
        let operation = prepared.operation.operation();
        operation
            .and_then(require_one_field)
            .map_err(Reply::refused)?;
        self.require_migrated().await?;
        self.validate(&prepared).await?;
        let request_id = prepared.request_id;
        let request = prepared.into_request(caller);
        let answer = ResponseBudget::at_most(self.max_answer_bytes);
        let request = request.data(stream_state.clone()).data(answer.clone());
        let responses = AssertUnwindSafe(self.schema.execute_stream(request)).catch_unwind();
        Ok(responses.map(move |response| {
            let reply = match response {
                Ok(_) if let Err(too_large) = answer.check() => Reply::with_null_data(too_large),
                Ok(response) => finish(response, Some(&ExecutedPart::Query), request_id),
                Err(_panic) => panicked(request_id),
            };
            StreamItem {
                is_last: reply.is_without_data(),
                cursor: stream_state.take_cursor(),
                reply,
            }
        }))
    }
}

/// A subscription must have one root field, <https://spec.graphql.org/October2021/#sec-Single-root-field>. Fragments
/// are already inlined, except those with directives, which the library would silently ignore.
fn require_one_field(operation: &Positioned<OperationDefinition>) -> Result<(), ServerError> {
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
            "a subscription must select a field of its own at its root",
            field.pos,
        ),
        [Some(_)] => Ok(()),
        [None] => refused(
            "a fragment at the root of a subscription must be on the type Subscription, and cannot have directives",
            operation.node.selection_set.pos,
        ),
        _ => refused(
            "a subscription must select exactly one field at its root",
            operation.node.selection_set.pos,
        ),
    }
}

/// The fields at the root; None for a fragment.
fn root_fields(operation: &Positioned<OperationDefinition>) -> Vec<Option<&Positioned<Field>>> {
    let selections = operation.node.selection_set.node.items.iter();
    selections
        .map(|selection| match &selection.node {
            Selection::Field(field) => Some(field),
            Selection::InlineFragment(_) | Selection::FragmentSpread(_) => None,
        })
        .collect()
}
