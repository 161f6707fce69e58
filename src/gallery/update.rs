//! Changing an image that is active.

use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::create::{check_label, or_fault};
use super::input::{MAX_PROMPT_CHARACTERS, check_metadata, check_object, check_text};
use super::intent::Intent;
use super::{Error, Fault, Gallery, Image, ImageId, Refusal, images, now, returning_rows, visible};
use crate::auth::{Caller, Scope};
use crate::cloudinary::url::{HostPatterns, ImageUrl};
use crate::db::Unit;
use crate::entity::{Metadata, Timestamp, image};

/// What to do with one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Change<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Set it to none.
    Clear,
    /// Set it.
    Set(T),
}

/// The changes to one image, as they were given.
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
    /// Replaces the whole object; cleared, it is `{}`.
    pub metadata: Change<Json>,
    /// JSON merge patch, RFC 7396.
    pub metadata_patch: Option<Json>,
    /// Only if the image still has this `updatedAt`.
    pub if_updated_at: Option<Timestamp>,
}

/// The changes, within the limits as far as they can be told without the image.
#[derive(Debug)]
struct Changes {
    url: Option<ImageUrl>,
    original_prompt: Change<String>,
    refined_prompt: Change<String>,
    intent: Change<String>,
    metadata: MetadataChange,
    if_updated_at: Option<Timestamp>,
}

#[derive(Debug)]
enum MetadataChange {
    Keep,
    Replace(Metadata),
    Patch(Map<String, Json>),
}

impl Gallery {
    /// Changes one active image, and answers it as it is now.
    pub async fn update(
        &self,
        caller: &Caller,
        id: Option<ImageId>,
        update: ImageUpdate,
    ) -> Result<Result<Image, Vec<Fault>>, Error> {
        let scope = caller.scope(None)?;
        let changes = match check(update, &self.hosts) {
            Ok(changes) => changes,
            Err(faults) => return Ok(Err(faults)),
        };
        let Some(ImageId(id)) = id else {
            return Ok(Err(vec![Fault::of("id", Refusal::NotFound)]));
        };
        let hosts = self.hosts.clone();
        self.database
            .write(move |unit| {
                Box::pin(async move { apply(unit, &scope, id, changes, &hosts).await })
            })
            .await
    }
}

fn check(update: ImageUpdate, hosts: &HostPatterns) -> Result<Changes, Vec<Fault>> {
    let mut faults = Vec::new();
    let url = update
        .image_url
        .map(|url| ImageUrl::parse(&url, hosts).map_err(Refusal::ImageUrl))
        .transpose();
    let url = or_fault(&mut faults, "imageUrl", url);
    for (field, prompt) in [
        ("originalPrompt", &update.original_prompt),
        ("refinedPrompt", &update.refined_prompt),
    ] {
        if let Change::Set(prompt) = prompt {
            or_fault(
                &mut faults,
                field,
                check_text(prompt, MAX_PROMPT_CHARACTERS),
            );
        }
    }
    let intent = check_intent(&update.intent, &update.intent_label);
    let intent = or_fault(&mut faults, "intentLabel", intent);
    let metadata = match check_metadata_change(update.metadata, update.metadata_patch) {
        Ok(change) => Some(change),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    match (url, intent, metadata) {
        (Some(url), Some(intent), Some(metadata)) if faults.is_empty() => Ok(Changes {
            url,
            original_prompt: update.original_prompt,
            refined_prompt: update.refined_prompt,
            intent,
            metadata,
            if_updated_at: update.if_updated_at,
        }),
        _ => Err(faults),
    }
}

/// A null beside a value counts as left out.
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

fn check_metadata_change(
    metadata: Change<Json>,
    patch: Option<Json>,
) -> Result<MetadataChange, Fault> {
    let Some(patch) = patch else {
        return match metadata {
            Change::Keep => Ok(MetadataChange::Keep),
            Change::Clear => Ok(MetadataChange::Replace(Metadata::default())),
            Change::Set(metadata) => check_metadata(&metadata)
                .map(|object| MetadataChange::Replace(Metadata(object.clone())))
                .map_err(|refusal| Fault::of("metadata", refusal)),
        };
    };
    let refused = |reason: &str| Fault::of("metadataPatch", Refusal::Metadata(reason.to_owned()));
    if metadata != Change::Keep {
        return Err(refused(
            "cannot be given together with metadata; send one of them",
        ));
    }
    let Json::Object(patch) = patch else {
        return Err(refused("must be a JSON object: the result has to be one"));
    };
    // What a patch adds to nothing it adds to every object: such faults need no look at the image.
    check_object(&merged(Map::new(), &patch))
        .map_err(|refusal| Fault::of("metadataPatch", refusal))?;
    Ok(MetadataChange::Patch(patch))
}

/// JSON merge patch on an object, <https://www.rfc-editor.org/rfc/rfc7396#section-2>.
fn merged(mut target: Map<String, Json>, patch: &Map<String, Json>) -> Map<String, Json> {
    for (key, value) in patch {
        match value {
            Json::Null => {
                target.remove(key);
            }
            Json::Object(patch) => {
                let inner = match target.remove(key) {
                    Some(Json::Object(inner)) => inner,
                    _ => Map::new(),
                };
                target.insert(key.clone(), Json::Object(merged(inner, patch)));
            }
            value => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
    target
}

async fn apply(
    unit: &Unit,
    scope: &Scope,
    id: Uuid,
    changes: Changes,
    hosts: &HostPatterns,
) -> Result<Result<Image, Vec<Fault>>, Error> {
    let of_this_id = image::Column::ImageId.eq(id);
    let found = visible(scope)
        .filter(of_this_id.clone())
        .lock_exclusive()
        .one(unit)
        .await?;
    let Some(stored) = found else {
        return Ok(Err(vec![Fault::of("id", Refusal::NotFound)]));
    };
    let if_updated_at = changes.if_updated_at;
    let columns = match changes.columns(&stored, hosts) {
        Ok(columns) => columns,
        Err(fault) => return Ok(Err(vec![fault])),
    };
    if stored.deleted_at.is_some() {
        return Ok(Err(vec![Refusal::Deleted(Box::new(stored)).into()]));
    }
    if if_updated_at.is_some_and(|expected| expected != stored.updated_at) {
        return Ok(Err(vec![Fault::of(
            "ifUpdatedAt",
            Refusal::Conflict(Box::new(stored)),
        )]));
    }
    if columns.is_empty() {
        return Ok(Ok(stored));
    }
    let mut update = image::Entity::update_many().filter(of_this_id).col_expr(
        image::Column::UpdatedAt,
        unit.dialect().moved_forward(now()),
    );
    if let Some(expected) = if_updated_at {
        update = update.filter(image::Column::UpdatedAt.eq(expected));
    }
    for (column, value) in columns {
        update = update.col_expr(column, value.into());
    }
    let mut changed = images(unit, update.into_query().returning(returning_rows())).await?;
    Ok(changed.pop().ok_or_else(|| {
        vec![Fault::of(
            "ifUpdatedAt",
            Refusal::Conflict(Box::new(stored)),
        )]
    }))
}

impl Changes {
    /// The columns that get another value than they have.
    fn columns(
        self,
        stored: &Image,
        hosts: &HostPatterns,
    ) -> Result<Vec<(image::Column, Value)>, Fault> {
        let mut columns = Vec::new();
        if let Some(url) = self.url {
            check_same_asset(&url, stored, hosts)
                .map_err(|refusal| Fault::of("imageUrl", refusal))?;
            if url.as_str() != stored.image_url {
                columns.push((image::Column::ImageUrl, url.as_str().into()));
            }
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
        let metadata = match self.metadata {
            MetadataChange::Keep => return Ok(columns),
            MetadataChange::Replace(metadata) => metadata,
            MetadataChange::Patch(patch) => {
                let result = merged(stored.metadata.0.clone(), &patch);
                check_object(&result).map_err(|refusal| Fault::of("metadataPatch", refusal))?;
                Metadata(result)
            }
        };
        if metadata != stored.metadata {
            columns.push((image::Column::Metadata, metadata.into()));
        }
        Ok(columns)
    }
}

/// An image keeps its id. A row of the Django application may bear another UUID of its URL than the one that our rule
/// takes: there the new URL must give what the old one gives, and hold the row's id as well.
fn check_same_asset(url: &ImageUrl, stored: &Image, hosts: &HostPatterns) -> Result<(), Refusal> {
    let gives_this_id = url.id() == stored.image_id;
    let gives_what_the_old_gave = || {
        url.every_id().contains(&stored.image_id)
            && ImageUrl::parse(&stored.image_url, hosts).is_ok_and(|old| old.id() == url.id())
    };
    if gives_this_id || gives_what_the_old_gave() {
        return Ok(());
    }
    Err(Refusal::AnotherAsset(url.id()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merges_as_rfc_7396_does() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
            (
                json!({"a": 1}),
                json!({"a": {"b": 2}}),
                json!({"a": {"b": 2}}),
            ),
        ];
        for (target, patch, expected) in cases {
            let (Json::Object(target), Json::Object(patch)) = (target, patch) else {
                panic!("the cases are objects");
            };
            assert_eq!(Json::Object(merged(target, &patch)), expected, "{patch:?}");
        }
    }

    #[test]
    fn a_null_beside_a_label_counts_as_left_out() {
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
