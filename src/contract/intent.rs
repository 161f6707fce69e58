//! `ImageIntent`.

use async_graphql::Enum;

use crate::gallery::intent::Intent;

/// What an image was made for.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Intent")]
pub(super) enum ImageIntent {
    /// Made from a prompt; stored as `generate`.
    Generate,
    /// Changed by a prompt; stored as `edit`.
    Edit,
    /// Improved; stored as `enhance`.
    Enhance,
    /// Any other stored label; `Image.intentLabel` carries it as stored.
    Other,
}
