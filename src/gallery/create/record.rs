//! An image to create, checked against the limits, and how far its creation is.

use sea_orm::sea_query::SimpleExpr;
use serde_json::Value as Json;

use super::super::input::{
    MAX_ONCE_KEY_CHARACTERS, MAX_PROMPT_CHARACTERS, check_label, check_metadata, check_text,
    or_error,
};
use super::super::tags::without_repetition;
use super::super::{Image, InputError, InputField, MAX_TAGS, Refusal, Tag};
use super::once::OnceKey;
use super::{Created, IfExists, NewImage};
use crate::auth::{Caller, UserId};
use crate::cloudinary::hosts::HostPatterns;
use crate::cloudinary::url::ImageUrl;
use crate::db::Dialect;
use crate::entity::{Metadata, Timestamp, image};

/// A valid input.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) url: ImageUrl,
    pub(super) user_id: UserId,
    pub(super) original_prompt: Option<String>,
    pub(super) refined_prompt: Option<String>,
    pub(super) intent: Option<String>,
    pub(super) metadata: Option<Metadata>,
    pub(super) once_key: Option<OnceKey>,
    pub(super) if_exists: IfExists,
    pub(super) tags: Vec<Tag>,
}

/// How far a record is.
#[derive(Clone, Debug)]
pub(super) enum RecordState {
    /// Nothing is known of its image.
    Open,
    /// Its image existed before, and was found by this field.
    Exists(Image, InputField),
    /// This is the result.
    Done(Result<Created, InputError>),
}

impl RecordState {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

impl Record {
    /// Checks an input; the errors are all that it has.
    pub(super) fn check(
        caller: &Caller,
        input: NewImage,
        hosts: &HostPatterns,
    ) -> Result<Self, Vec<InputError>> {
        let mut errors = Vec::new();
        let user_id = or_error(
            &mut errors,
            InputField::UserId,
            owner(caller, input.user_id.as_deref()),
        );
        let url = ImageUrl::parse(&input.image_url, hosts).map_err(Refusal::ImageUrl);
        let url = or_error(&mut errors, InputField::ImageUrl, url);
        for (field, prompt) in [
            (InputField::OriginalPrompt, &input.original_prompt),
            (InputField::RefinedPrompt, &input.refined_prompt),
        ] {
            let checked = check_text(prompt.as_deref().unwrap_or_default(), MAX_PROMPT_CHARACTERS);
            or_error(&mut errors, field, checked);
        }
        let intent = check_label(input.intent, input.intent_label.as_deref());
        let intent = or_error(&mut errors, InputField::IntentLabel, intent);
        let metadata = match input.metadata {
            None | Some(Ok(Json::Null)) => Ok(None),
            Some(Ok(metadata)) => check_metadata(&metadata).map(Metadata::of).map(Some),
            Some(Err(number)) => Err(number.into()),
        };
        let metadata = or_error(&mut errors, InputField::Metadata, metadata);
        if let Some(key) = &input.once_key {
            or_error(&mut errors, InputField::OnceKey, check_once_key(key));
        }
        let tags = or_error(&mut errors, InputField::Tags, check_tags(&input.tags));
        match (user_id, url, intent, metadata, tags) {
            (Some(user_id), Some(url), Some(intent), Some(metadata), Some(tags))
                if errors.is_empty() =>
            {
                Ok(Self {
                    once_key: input.once_key.map(|text| OnceKey {
                        user_id: user_id.as_str().to_owned(),
                        text,
                    }),
                    if_exists: input.if_exists,
                    url,
                    user_id,
                    original_prompt: input.original_prompt,
                    refined_prompt: input.refined_prompt,
                    intent,
                    metadata,
                    tags,
                })
            }
            _ => Err(errors),
        }
    }

    /// Whether one statement does all that there is to do, unless the image exists.
    pub(super) fn is_insert_alone(&self) -> bool {
        self.once_key.is_none() && self.if_exists == IfExists::Keep && self.tags.is_empty()
    }

    /// Whether the image belongs to the same owner.
    pub(super) fn owns(&self, row: &Image) -> bool {
        row.user_id == self.user_id.as_str()
    }

    /// The columns that are inserted.
    pub(super) const COLUMNS: [image::Column; 9] = [
        image::Column::ImageId,
        image::Column::UserId,
        image::Column::ImageUrl,
        image::Column::OriginalPrompt,
        image::Column::RefinedPrompt,
        image::Column::Intent,
        image::Column::Metadata,
        image::Column::CreatedAt,
        image::Column::UpdatedAt,
    ];

    /// The values to insert, in the order of [`Record::COLUMNS`].
    pub(super) fn values(&self, now: Timestamp, dialect: Dialect) -> [SimpleExpr; 9] {
        [
            self.url.id().into(),
            self.user_id.as_str().into(),
            self.url.as_str().into(),
            self.original_prompt.clone().into(),
            self.refined_prompt.clone().into(),
            self.intent.clone().into(),
            dialect.json(self.metadata.clone().unwrap_or_default()),
            now.into(),
            now.into(),
        ]
    }
}

/// A blank key is a mistake that would make one image of many.
fn check_once_key(key: &str) -> Result<(), Refusal> {
    if key.trim().is_empty() {
        return Err(Refusal::BlankOnceKey);
    }
    check_text(key, MAX_ONCE_KEY_CHARACTERS)
}

fn check_tags(texts: &[String]) -> Result<Vec<Tag>, Refusal> {
    let tags = texts.iter().map(|text| Tag::new(text));
    let tags = without_repetition(tags.collect::<Result<_, _>>()?);
    if tags.len() > MAX_TAGS {
        return Err(Refusal::TooManyTags(tags.len()));
    }
    Ok(tags)
}

fn owner(caller: &Caller, user_id: Option<&str>) -> Result<UserId, Refusal> {
    match user_id {
        Some(user_id) => UserId::new(user_id).map_err(Refusal::UserId),
        None => caller.own_id().cloned().ok_or(Refusal::OwnerMissing),
    }
}
