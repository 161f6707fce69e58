//! `undo`.

use async_graphql::{Context, ID, Object, SimpleObject};
use uuid::Uuid;

use crate::contract::error::Result;
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};
use crate::gallery::OperationId;

/// Left alone: what was restored, changed or purged since.
#[derive(Debug, SimpleObject)]
pub(super) struct UndoPayload {
    /// The images that this call, or an earlier undo of the same operation, restored.
    restored_ids: Vec<ID>,
    /// The images that were restored otherwise, changed or purged since; nothing was done to them.
    left_alone_ids: Vec<ID>,
    /// Why it was not done.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct UndoMutation;

#[Object]
impl UndoMutation {
    /// Takes back one call of a soft delete: restores just what it moved to the trash. Safe to repeat.
    async fn undo(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The operationId of the soft delete.")] operation_id: ID,
    ) -> Result<UndoPayload> {
        let operation = OperationId::parse(&operation_id);
        let outcome = Box::pin(gallery(ctx).undo(caller(ctx), operation)).await?;
        Ok(match outcome {
            Ok(undone) => UndoPayload {
                restored_ids: undone.restored.iter().map(to_id).collect(),
                left_alone_ids: undone.left_alone.iter().map(to_id).collect(),
                user_errors: Vec::new(),
            },
            Err(refusal) => UndoPayload {
                restored_ids: Vec::new(),
                left_alone_ids: Vec::new(),
                user_errors: vec![UserError::new(&refusal, &["operationId"])],
            },
        })
    }
}

/// An operation's id in the API.
pub(super) fn operation_id(operation: OperationId) -> ID {
    to_id(&operation.0)
}

fn to_id(id: &Uuid) -> ID {
    ID(id.to_string())
}
