//! What is wrong with an argument of an operation that then does nothing. The API puts its own names to it.

use super::Refusal;
use super::stats::MAX_DAYS;

/// An argument that is outside what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentError {
    /// A label to filter by holds U+0000.
    #[error("a label to filter by contains U+0000")]
    NulInLabel,
    /// Too many labels to filter by, letter case aside.
    #[error("{given} different labels to filter by; at most {maximum} are allowed")]
    TooManyLabels {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        maximum: usize,
    },
    /// The metadata to filter by is outside the limits of metadata.
    #[error("the metadata to filter by {0}")]
    Metadata(Refusal),
    /// Too many objects and arrays within the metadata to filter by.
    #[error(
        "{given} objects and arrays in the metadata to filter by; at most {maximum} are allowed"
    )]
    TooManyContainers {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        maximum: usize,
    },
    /// Both one owner's trash and everybody's.
    #[error("both one owner's trash and everybody's")]
    OwnerAndEverybody,
    /// Nobody's trash, and the caller owns nothing.
    #[error("neither an owner's trash nor everybody's")]
    NoOwner,
    /// Days to count that are too few or too many.
    #[error("{0} days to count; 1 to {MAX_DAYS} are allowed")]
    Days(i32),
}
