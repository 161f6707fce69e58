//! The mutation root. Input, payload and resolver of a mutation are together, one file per verb.

mod create;
mod erase;
mod favorite;
mod matching;
mod sweep;
mod tags;
mod trash;
mod undo;
mod update;

use async_graphql::MergedObject;

/// All changes. Each mutation is one atomic change.
#[derive(Debug, Default, MergedObject)]
pub(crate) struct Mutation(
    create::CreateMutation,
    update::UpdateMutation,
    trash::TrashMutation,
    sweep::SweepMutation,
    matching::MatchingMutation,
    undo::UndoMutation,
    tags::TagMutation,
    favorite::FavoriteMutation,
    erase::EraseMutation,
);
