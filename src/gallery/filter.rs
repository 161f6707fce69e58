//! The conditions of a list of images.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ColumnTrait, Condition};
use serde_json::{Map, Value as Json};

use super::ArgumentError;
use super::favorite;
use super::input::check_metadata;
use super::intent::Intent;
use super::intent_aliases::IntentAliases;
use super::tags::TagFilter;
use crate::auth::UserId;
use crate::db::search::Search;
use crate::db::{Dialect, PromptKind};
use crate::entity::{Timestamp, image};

/// Maximum number of labels, compared without letter case.
const MAX_LABELS: usize = 100;
/// Maximum number of keys in `metadataHasKeys`, and in `metadataNumbers`.
const MAX_KEYS: usize = 20;
/// Maximum number of nested objects and arrays in `metadataContains`.
const MAX_CONTAINERS: usize = 100;

/// Conditions that all have to hold. Check them by [`Filter::check`] before use.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these; an empty list is no condition.
    pub intents: Vec<Intent>,
    /// Any of these labels, compared without letter case, at most 100; an empty list is no condition.
    pub intent_labels: Vec<String>,
    /// Inclusive.
    pub created_after: Option<Timestamp>,
    /// Exclusive.
    pub created_before: Option<Timestamp>,
    /// Web-search syntax.
    pub search: Option<String>,
    /// Every key and value of this object is in the metadata.
    pub metadata_contains: Option<Json>,
    /// All of these are top-level keys of the metadata, at most 20.
    pub metadata_has_keys: Vec<String>,
    /// Each of these holds, at most 20.
    pub metadata_numbers: Vec<NumberRange>,
    /// The tags.
    pub tags: TagFilter,
    /// Whether it is a favourite.
    pub is_favorite: Option<bool>,
    /// One of the prompts, without white space at its ends.
    pub prompt: Option<(PromptKind, String)>,
}

/// A number under a top-level key of the metadata, within inclusive bounds.
#[derive(Clone, Debug)]
pub struct NumberRange {
    /// The key.
    pub key: String,
    /// The smallest number.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
}

impl Filter {
    /// Checks the limits.
    pub fn check(&self) -> Result<(), ArgumentError> {
        if self.intent_labels.iter().any(|label| label.contains('\0')) {
            return Err(ArgumentError::NulInLabel);
        }
        let labels = self.labels().len();
        if labels > MAX_LABELS {
            return Err(ArgumentError::TooManyLabels {
                given: labels,
                maximum: MAX_LABELS,
            });
        }
        self.check_keys()?;
        self.tags.check()?;
        let Some(part) = &self.metadata_contains else {
            return Ok(());
        };
        check_metadata(part).map_err(ArgumentError::Metadata)?;
        let containers = containers(part) - 1;
        if containers > MAX_CONTAINERS {
            return Err(ArgumentError::TooManyContainers {
                given: containers,
                maximum: MAX_CONTAINERS,
            });
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), ArgumentError> {
        let (keys, ranges) = (&self.metadata_has_keys, &self.metadata_numbers);
        let of_ranges = ranges.iter().map(|range| &range.key);
        if keys.iter().chain(of_ranges).any(|key| key.contains('\0')) {
            return Err(ArgumentError::NulInKey);
        }
        let given = keys.len().max(ranges.len());
        if given > MAX_KEYS {
            return Err(ArgumentError::TooManyKeys {
                given,
                maximum: MAX_KEYS,
            });
        }
        let is_unbounded = |range: &NumberRange| range.min.is_none() && range.max.is_none();
        match ranges.iter().position(is_unbounded) {
            Some(place) => Err(ArgumentError::NoBounds(place)),
            None => Ok(()),
        }
    }

    /// The conditions on the images of a list of this owner, or of all.
    pub(super) fn condition(
        &self,
        dialect: Dialect,
        aliases: &IntentAliases,
        prompt_key: Option<&str>,
        owner: Option<&UserId>,
    ) -> Condition {
        let has_key = |key: &String| dialect.metadata_has_key(key);
        let within =
            |range: &NumberRange| dialect.metadata_number_within(&range.key, range.min, range.max);
        let keys = self.metadata_has_keys.iter().map(has_key);
        let conditions = keys.chain(self.metadata_numbers.iter().map(within));
        let conditions = conditions.chain(self.tags.conditions(owner));
        let conditions = conditions.fold(Condition::all(), Condition::add);
        conditions
            .add_option(self.intents_condition(dialect, aliases))
            .add_option(self.labels_condition(dialect))
            .add_option(
                self.created_after
                    .map(|instant| image::Column::CreatedAt.gte(instant)),
            )
            .add_option(
                self.created_before
                    .map(|instant| image::Column::CreatedAt.lt(instant)),
            )
            .add_option(
                self.is_favorite
                    .map(|is_favorite| favorite::is_favorite(is_favorite, owner)),
            )
            .add_option(self.search_condition(dialect, prompt_key))
            .add_option((self.prompt.as_ref()).map(|(kind, text)| dialect.has_prompt(*kind, text)))
            .add_option(
                self.metadata_part()
                    .map(|part| dialect.metadata_contains(part)),
            )
    }

    fn intents_condition(&self, dialect: Dialect, aliases: &IntentAliases) -> Option<Condition> {
        if self.intents.is_empty() {
            return None;
        }
        let labels: BTreeSet<&str> = aliases.labels_of(&self.intents).collect();
        let mut any = Condition::any().add(dialect.has_label(labels));
        if self.intents.contains(&Intent::Other) {
            let other = Condition::all()
                .add(image::Column::Intent.ne(""))
                .add(dialect.has_label(aliases.known_labels()).not());
            any = any.add(other);
        }
        Some(any)
    }

    fn labels_condition(&self, dialect: Dialect) -> Option<SimpleExpr> {
        if self.intent_labels.is_empty() {
            return None;
        }
        let labels = self.labels();
        Some(dialect.has_label(labels.iter().map(String::as_str)))
    }

    /// The distinct labels, compared without letter case. The empty label, which other applications store for none, matches
    /// no image.
    fn labels(&self) -> BTreeSet<String> {
        let labels = self.intent_labels.iter().map(|label| label.to_lowercase());
        labels.filter(|label| !label.is_empty()).collect()
    }

    /// An empty object is contained in all metadata, also in a stored value that is not an object and is read as `{}`.
    fn metadata_part(&self) -> Option<&Map<String, Json>> {
        let part = self.metadata_contains.as_ref()?.as_object()?;
        (!part.is_empty()).then_some(part)
    }

    fn search_condition(&self, dialect: Dialect, prompt_key: Option<&str>) -> Option<SimpleExpr> {
        match Search::parse(self.search.as_deref()?) {
            Search::Blank => None,
            Search::Nothing => Some(Expr::value(false)),
            Search::Query(query) => dialect.matches(&query, prompt_key),
        }
    }
}

fn containers(value: &Json) -> usize {
    match value {
        Json::Array(array) => 1 + array.iter().map(containers).sum::<usize>(),
        Json::Object(object) => 1 + object.values().map(containers).sum::<usize>(),
        _ => 0,
    }
}
