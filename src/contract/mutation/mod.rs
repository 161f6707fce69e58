//! The root of all changes. Input, payload and resolver of a mutation stand together, one file to a verb.

mod create;
mod sweep;
mod trash;
mod update;

use async_graphql::MergedObject;

/// Everything that can be changed. Each mutation is one atomic change.
#[derive(Debug, Default, MergedObject)]
pub(crate) struct Mutation(
    create::CreateMutation,
    update::UpdateMutation,
    trash::TrashMutation,
    sweep::SweepMutation,
);
