//! `image-gallery schema`: the API in GraphQL's schema language, byte for byte the file `schema.graphql`.

/// Prints the schema; it needs no database.
pub(super) fn run() -> anyhow::Result<()> {
    super::print(&crate::contract::sdl())
}
