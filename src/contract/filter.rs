//! The arguments `filter` and `userId`.

use async_graphql::InputObject;

use super::error::{Failure, Result};
use super::intent::ImageIntent;
use super::scalar::{DateTime, Json};
use crate::auth::UserId;
use crate::gallery::{self, Filter, NumberRange, TagFilter};

/// All conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub(super) struct ImageFilter {
    /// Any of these, whatever the letter case stored; an empty list is no condition.
    intents: Option<Vec<ImageIntent>>,
    /// Any of these labels, whatever the letter case stored; an empty list is no condition. At most 100 that differ by
    /// more than letter case.
    intent_labels: Option<Vec<String>>,
    /// Inclusive.
    created_after: Option<DateTime>,
    /// Exclusive.
    created_before: Option<DateTime>,
    /// Full-text search over both prompts; web-search syntax: words (all must be there), "a phrase", -excluded, or. A
    /// word is a run of letters and digits, in any letter case; accents count; no stemming. Blank: no condition;
    /// without any word (punctuation or an emoji alone): nothing is found. No text is an error; one of more than 40,000
    /// characters or 500 alternatives, or with a word of more than 8,000 characters, finds nothing.
    search: Option<String>,
    /// A JSON object: every key and value given is in the image's metadata; objects within are contained likewise,
    /// arrays whatever their order or repetition (Postgres' jsonb containment, on every database). At most 64 KiB, 32
    /// levels, and 100 objects and arrays within.
    metadata_contains: Option<Json>,
    /// All of these top-level keys are in the metadata, whatever their value. At most 20.
    metadata_has_keys: Option<Vec<String>>,
    /// Each top-level key holds a JSON number within the bounds; text that looks like a number is none. At most 20.
    metadata_numbers: Option<Vec<MetadataNumberRange>>,
    /// All of these; letter case aside, as everywhere with tags. An empty list is no condition. At most 50 different ones.
    tags_all: Option<Vec<String>>,
    /// At least one of these. An empty list is no condition. At most 50 different ones.
    tags_any: Option<Vec<String>>,
    /// None of these. At most 50 different ones.
    tags_none: Option<Vec<String>>,
    /// True: only images with a tag; false: only those without any.
    has_tags: Option<bool>,
    /// True: only favourites; false: only the others.
    is_favorite: Option<bool>,
}

/// Inclusive; at least one of the two.
#[derive(Clone, Debug, InputObject)]
pub(super) struct MetadataNumberRange {
    /// A top-level key of the metadata.
    key: String,
    /// The smallest number.
    min: Option<f64>,
    /// The largest number.
    max: Option<f64>,
}

impl ImageFilter {
    pub(super) fn checked(self) -> Result<Filter> {
        let metadata_contains = self.metadata_contains.map(Json::into_value).transpose();
        let metadata_contains = metadata_contains
            .map_err(|number| Failure::bad_input(format!("filter.metadataContains: {number}")))?;
        let filter = Filter {
            intents: self
                .intents
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            intent_labels: self.intent_labels.unwrap_or_default(),
            created_after: self.created_after.map(|instant| instant.0),
            created_before: self.created_before.map(|instant| instant.0),
            search: self.search,
            metadata_contains: metadata_contains.filter(|part| !part.is_null()),
            metadata_has_keys: self.metadata_has_keys.unwrap_or_default(),
            metadata_numbers: (self.metadata_numbers.into_iter().flatten())
                .map(|range| NumberRange {
                    key: range.key,
                    min: range.min,
                    max: range.max,
                })
                .collect(),
            prompt: None,
            tags: TagFilter {
                all: self.tags_all.unwrap_or_default(),
                any: self.tags_any.unwrap_or_default(),
                none: self.tags_none.unwrap_or_default(),
                has_some: self.has_tags,
            },
            is_favorite: self.is_favorite,
        };
        filter.check().map_err(gallery::Error::from)?;
        Ok(filter)
    }
}

/// Parses an owner given as an argument.
pub(super) fn user_id(user_id: Option<&str>) -> Result<Option<UserId>> {
    user_id
        .map(|text| {
            UserId::new(text).map_err(|error| Failure::bad_input(format!("userId {error}")))
        })
        .transpose()
}
