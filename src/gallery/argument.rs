//! Invalid arguments of an operation; it has no effect then. The contract translates them into its own field names.

use super::Refusal;
use super::stats::{MAX_DAYS, MAX_ROWS};
use super::tags::MAX_TAGS;

/// Why an argument is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentError {
    /// A label to filter by contains U+0000.
    #[error("a label to filter by contains U+0000")]
    NulInLabel,
    /// Too many labels to filter by, compared without letter case.
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
    /// Too many nested objects and arrays in the metadata to filter by.
    #[error(
        "{given} objects and arrays in the metadata to filter by; at most {maximum} are allowed"
    )]
    TooManyContainers {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        maximum: usize,
    },
    /// The images of one owner and of all owners at once.
    #[error("both one owner's images and everybody's")]
    OwnerAndEverybody,
    /// No owner was given, and the caller is anonymous.
    #[error("neither an owner's images nor everybody's")]
    NoOwner,
    /// A filter that must have a condition has none.
    #[error("the filter has no condition")]
    NoCondition,
    /// No owner was given of a tag to rename, and the caller is nobody in particular.
    #[error("the owner of the tag is missing")]
    NoTagOwner,
    /// The number of days to count is out of range.
    #[error("{0} days to count; 1 to {MAX_DAYS} are allowed")]
    Days(i32),
    /// A key of the metadata contains U+0000.
    #[error("a key of the metadata contains U+0000")]
    NulInKey,
    /// Too many keys to filter by.
    #[error("{given} keys to filter by; at most {maximum} are allowed")]
    TooManyKeys {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        maximum: usize,
    },
    /// The range of numbers at this place has neither bound.
    #[error("the range of numbers at place {0} has neither bound")]
    NoBounds(usize),
    /// A tag to filter by contains U+0000.
    #[error("a tag to filter by contains U+0000")]
    NulInTag,
    /// Too many tags to filter by, compared without letter case.
    #[error("{0} different tags to filter by; at most {MAX_TAGS} are allowed")]
    TooManyTags(usize),
    /// The number of values, tags or owners to count is out of range.
    #[error("{0} rows of a count; 1 to {MAX_ROWS} are allowed")]
    Rows(i32),
}
