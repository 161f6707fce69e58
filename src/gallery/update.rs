//! Updates of active images.

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::change::Change;
use super::input::{MAX_PROMPT_CHARACTERS, check_label, check_text, or_error};
use super::intent::Intent;
use super::metadata::MetadataChange;
use super::{
    Error, Gallery, GivenJson, Image, ImageId, InputError, InputField, Refusal, images, now,
    returning_rows, visible,
};
use crate::auth::{Caller, Scope};
use crate::cloudinary::hosts::HostPatterns;
use crate::cloudinary::url::ImageUrl;
use crate::db::{Dialect, UnitOfWork};
use crate::entity::{Metadata, Timestamp, image};

/// Input of an update.
#[derive(Clone, Debug, Default)]
pub struct ImageUpdate {
    /// Another URL of the same asset.
    pub image_url: Option<String>,
    /// At most [`MAX_PROMPT_CHARACTERS`].
    pub original_prompt: Change<String>,
    /// At most [`MAX_PROMPT_CHARACTERS`].
    pub refined_prompt: Change<String>,
    /// Either this or a label.
    pub intent: Change<Intent>,
    /// Either this or an intent.
    pub intent_label: Change<String>,
    /// Replaces the whole object; `Clear` sets `{}`.
    pub metadata: Change<GivenJson>,
    /// JSON merge patch, RFC 7396.
    pub metadata_patch: Option<GivenJson>,
    /// Updates only an image that still has this `updatedAt`.
    pub if_updated_at: Option<Timestamp>,
}

/// A valid input, checked as far as possible without the stored image.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    pub(super) url: Option<ImageUrl>,
    pub(super) original_prompt: Change<String>,
    pub(super) refined_prompt: Change<String>,
    pub(super) intent: Change<String>,
    pub(super) metadata: MetadataChange,
    pub(super) if_updated_at: Option<Timestamp>,
}

impl Gallery {
    /// Updates an active image and returns it.
    pub async fn update(
        &self,
        caller: &Caller,
        id: Option<ImageId>,
        update: ImageUpdate,
    ) -> Result<Result<Image, Vec<InputError>>, Error> {
        let scope = caller.scope(None)?;
        let changes = match check(update, &self.hosts) {
            Ok(changes) => changes,
            Err(errors) => return Ok(Err(errors)),
        };
        let Some(ImageId(id)) = id else {
            return Ok(Err(vec![changes.not_found(None)]));
        };
        let hosts = self.hosts.clone();
        self.database
            .write(caller.actor(), move |unit| {
                let (scope, changes, hosts) = (scope.clone(), changes.clone(), hosts.clone());
                Box::pin(async move { apply(unit, &scope, id, changes, &hosts).await })
            })
            .await
    }
}

fn check(update: ImageUpdate, hosts: &HostPatterns) -> Result<Changes, Vec<InputError>> {
    let mut errors = Vec::new();
    let url = update
        .image_url
        .map(|url| ImageUrl::parse(&url, hosts).map_err(Refusal::ImageUrl))
        .transpose();
    let url = or_error(&mut errors, InputField::ImageUrl, url);
    for (field, prompt) in [
        (InputField::OriginalPrompt, &update.original_prompt),
        (InputField::RefinedPrompt, &update.refined_prompt),
    ] {
        if let Change::Set(prompt) = prompt {
            or_error(
                &mut errors,
                field,
                check_text(prompt, MAX_PROMPT_CHARACTERS),
            );
        }
    }
    let intent = check_intent(&update.intent, &update.intent_label);
    let intent = or_error(&mut errors, InputField::IntentLabel, intent);
    let metadata = match MetadataChange::check(update.metadata, update.metadata_patch) {
        Ok(change) => Some(change),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    match (url, intent, metadata) {
        (Some(url), Some(intent), Some(metadata)) if errors.is_empty() => Ok(Changes {
            url,
            original_prompt: update.original_prompt,
            refined_prompt: update.refined_prompt,
            intent,
            metadata,
            if_updated_at: update.if_updated_at,
        }),
        _ => Err(errors),
    }
}

/// A null beside a value counts as omitted.
fn check_intent(
    intent: &Change<Intent>,
    label: &Change<String>,
) -> Result<Change<String>, Refusal> {
    let given_intent = match intent {
        Change::Set(intent) => Some(*intent),
        _ => None,
    };
    let given_label = match label {
        Change::Set(label) => Some(label.as_str()),
        _ => None,
    };
    if let Some(label) = check_label(given_intent, given_label)? {
        return Ok(Change::Set(label));
    }
    if *intent == Change::Clear || *label == Change::Clear {
        return Ok(Change::Clear);
    }
    Ok(Change::Keep)
}

async fn apply(
    unit: &UnitOfWork,
    scope: &Scope,
    id: Uuid,
    changes: Changes,
    hosts: &HostPatterns,
) -> Result<Result<Image, Vec<InputError>>, Error> {
    let found = visible(scope)
        .filter(image::Column::ImageId.eq(id))
        .lock_exclusive()
        .one(unit)
        .await?;
    let Some(stored) = found else {
        return Ok(Err(vec![changes.not_found(Some(id))]));
    };
    if let Some(Err(refusal)) =
        (changes.url.as_ref()).map(|url| check_same_asset(url, &stored, hosts))
    {
        return Ok(Err(vec![InputError::of(InputField::ImageUrl, refusal)]));
    }
    let if_updated_at = changes.if_updated_at;
    let metadata = changes.metadata.apply(&stored);
    let columns = match changes.columns(&stored, metadata, unit.dialect()) {
        Ok(columns) => columns,
        Err(error) => return Ok(Err(vec![error])),
    };
    if stored.deleted_at.is_some() {
        return Ok(Err(vec![InputError::of(
            InputField::Id,
            Refusal::Deleted(Box::new(stored)),
        )]));
    }
    // Compared as printed: instants outside RFC 3339 are returned as its bounds, and come back as such.
    let is_still = |expected: Timestamp| expected.to_datetime() == stored.updated_at.to_datetime();
    if if_updated_at.is_some_and(|expected| !is_still(expected)) {
        return Ok(Err(vec![InputError::of(
            InputField::IfUpdatedAt,
            Refusal::Conflict(Box::new(stored)),
        )]));
    }
    if columns.is_empty() {
        return Ok(Ok(stored));
    }
    let is_still =
        if_updated_at.and_then(|_| unit.dialect().is_still_updated_at(stored.updated_at));
    let changed = write_columns(unit, id, columns, is_still).await?;
    Ok(changed.ok_or_else(|| {
        vec![InputError::of(
            InputField::IfUpdatedAt,
            Refusal::Conflict(Box::new(stored)),
        )]
    }))
}

/// New values of columns.
pub(super) type NewValues = Vec<(image::Column, SimpleExpr)>;

/// Writes new values to an image, and returns it; none where the condition does not hold of it.
pub(super) async fn write_columns(
    unit: &UnitOfWork,
    id: Uuid,
    columns: NewValues,
    condition: Option<SimpleExpr>,
) -> Result<Option<Image>, Error> {
    let mut update = image::Entity::update_many()
        .filter(image::Column::ImageId.eq(id))
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now()),
        );
    if let Some(condition) = condition {
        update = update.filter(condition);
    }
    for (column, value) in columns {
        update = update.col_expr(column, value);
    }
    let mut changed = images(unit, update.into_query().returning(returning_rows(unit))).await?;
    Ok(changed.pop())
}

impl Changes {
    /// Why nothing was changed when there is no such image. A URL that does not contain its id would be wrong whatever is
    /// stored, and errors of the input come first.
    fn not_found(&self, id: Option<Uuid>) -> InputError {
        match &self.url {
            Some(url) if id.is_none_or(|id| !url.every_id().contains(&id)) => {
                InputError::of(InputField::ImageUrl, Refusal::AnotherAsset(url.id()))
            }
            _ => InputError::of(InputField::Id, Refusal::NotFound),
        }
    }

    /// The columns whose values change, with the new values.
    pub(super) fn columns(
        self,
        stored: &Image,
        metadata: Result<Option<Metadata>, InputError>,
        dialect: Dialect,
    ) -> Result<NewValues, InputError> {
        let mut columns = Vec::new();
        if let Some(url) = self.url
            && url.as_str() != stored.image_url
        {
            columns.push((image::Column::ImageUrl, url.as_str().into()));
        }
        for (column, change, stored) in [
            (
                image::Column::OriginalPrompt,
                self.original_prompt,
                &stored.original_prompt,
            ),
            (
                image::Column::RefinedPrompt,
                self.refined_prompt,
                &stored.refined_prompt,
            ),
            (image::Column::Intent, self.intent, &stored.intent),
        ] {
            let wanted = match change {
                Change::Keep => continue,
                Change::Clear => None,
                Change::Set(text) => Some(text),
            };
            if wanted != *stored {
                columns.push((column, wanted.into()));
            }
        }
        if let Some(metadata) = metadata? {
            columns.push((image::Column::Metadata, dialect.json(metadata)));
        }
        Ok(columns)
    }
}

/// An image keeps its id, so the new URL must give this id. Another application's row may have another UUID of its URL
/// as id, or none of them: there the new URL must give the same id as the old one, and contain the row's id if the old
/// one does.
fn check_same_asset(url: &ImageUrl, stored: &Image, hosts: &HostPatterns) -> Result<(), Refusal> {
    let contains_id = |url: &ImageUrl| url.every_id().contains(&stored.image_id);
    let is_unchanged = url.as_str() == stored.image_url;
    let gives_this_id = url.id() == stored.image_id;
    let gives_the_same_id_as_before = || {
        ImageUrl::parse(&stored.image_url, hosts)
            .is_ok_and(|old| old.id() == url.id() && (contains_id(url) || !contains_id(&old)))
    };
    if is_unchanged || gives_this_id || gives_the_same_id_as_before() {
        return Ok(());
    }
    Err(Refusal::AnotherAsset(url.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_beside_a_label_counts_as_omitted() {
        let set = |label: &str| Change::Set(label.to_owned());
        let cases = [
            (Change::Clear, set("Upscale"), set("upscale")),
            (Change::Set(Intent::Edit), Change::Clear, set("edit")),
            (Change::Clear, Change::Keep, Change::Clear),
            (Change::Keep, Change::Clear, Change::Clear),
            (Change::Keep, Change::Keep, Change::Keep),
        ];
        for (intent, label, expected) in cases {
            assert_eq!(
                check_intent(&intent, &label),
                Ok(expected),
                "{intent:?} {label:?}"
            );
        }
    }
}
