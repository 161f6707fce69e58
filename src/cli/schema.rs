//! `image-gallery schema`: prints the API's schema, identical to `schema.graphql`.

/// Prints the schema; needs no database.
pub(super) fn run() -> anyhow::Result<()> {
    super::print(&crate::contract::sdl())
}
