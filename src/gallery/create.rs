//! Storing images: idempotent by the id in the URL, and a fixed number of statements whatever the size of the batch.

use std::collections::HashMap;

use sea_orm::sea_query::{OnConflict, Query, SimpleExpr};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::Value as Json;
use tokio::time::Instant;
use uuid::Uuid;

use super::input::{MAX_PROMPT_CHARACTERS, check_label, check_metadata, check_text, or_error};
use super::intent::Intent;
use super::{
    Error, Gallery, GivenJson, Image, InputError, InputField, Refusal, images, now, returning_rows,
    visible,
};
use crate::auth::{Caller, Denied, Scope, UserId};
use crate::cloudinary::url::ImageUrl;
use crate::db::{self, Dialect, UnitOfWork};
use crate::entity::{Metadata, Timestamp, image};

/// An image to store, as it was given.
#[derive(Clone, Debug, Default)]
pub struct NewImage {
    /// Owner; the caller where it is left out.
    pub user_id: Option<String>,
    /// Cloudinary delivery URL.
    pub image_url: String,
    /// At most [`MAX_PROMPT_CHARACTERS`].
    pub original_prompt: Option<String>,
    /// At most [`MAX_PROMPT_CHARACTERS`].
    pub refined_prompt: Option<String>,
    /// Either this or a label.
    pub intent: Option<Intent>,
    /// Either this or an intent.
    pub intent_label: Option<String>,
    /// A JSON object; `{}` where it is left out.
    pub metadata: Option<GivenJson>,
}

/// A stored image, and whether this call stored it.
#[derive(Clone, Debug)]
pub struct Created {
    /// As it is stored; it may be in the trash.
    pub image: Image,
    /// False when it was there already.
    pub is_new: bool,
}

/// An image to store, within the limits.
#[derive(Clone, Debug)]
struct Record {
    url: ImageUrl,
    user_id: UserId,
    original_prompt: Option<String>,
    refined_prompt: Option<String>,
    intent: Option<String>,
    metadata: Metadata,
}

impl Gallery {
    /// Stores images that are not there yet. One answer for each, in their order; one bad input does not stop the others,
    /// but another's `userId` does, for the caller who may not use it.
    pub async fn create(
        &self,
        caller: &Caller,
        inputs: Vec<NewImage>,
    ) -> Result<Vec<Result<Created, Vec<InputError>>>, Error> {
        require_own(caller, &inputs)?;
        let checked: Vec<_> = inputs
            .into_iter()
            .map(|input| self.check(caller, input))
            .collect();
        let records: Vec<_> = checked.iter().flatten().cloned().collect();
        if records.is_empty() {
            return Ok(checked
                .into_iter()
                .filter_map(|record| record.err().map(Err))
                .collect());
        }
        self.id_probe_limiter.check(caller, Instant::now())?;
        let stored = self
            .database
            .write_items(records.len(), caller.actor(), move |unit| {
                Box::pin(store(unit, records.clone()))
            })
            .await?;
        for outcome in &stored {
            if let Err(Refusal::IdTaken(id)) = outcome {
                // One is chance; many are somebody who tries which ids there are.
                tracing::warn!(
                    image.id = %id,
                    user.id = caller.actor(),
                    "an image was refused because its id is stored for another owner"
                );
            }
        }
        let is_taken = |outcome: &&Result<_, _>| matches!(outcome, Err(Refusal::IdTaken(_)));
        let taken = stored.iter().filter(is_taken).count();
        self.id_probe_limiter.note(caller, taken, Instant::now());
        let mut stored = stored.into_iter();
        Ok(checked
            .into_iter()
            .filter_map(|record| match record {
                Err(faults) => Some(Err(faults)),
                Ok(_) => stored.next().map(|outcome| outcome.map_err(already_stored)),
            })
            .collect())
    }

    fn check(&self, caller: &Caller, input: NewImage) -> Result<Record, Vec<InputError>> {
        let mut faults = Vec::new();
        let user_id = or_error(
            &mut faults,
            InputField::UserId,
            owner(caller, input.user_id.as_deref()),
        );
        let url = ImageUrl::parse(&input.image_url, &self.hosts).map_err(Refusal::ImageUrl);
        let url = or_error(&mut faults, InputField::ImageUrl, url);
        for (field, prompt) in [
            (InputField::OriginalPrompt, &input.original_prompt),
            (InputField::RefinedPrompt, &input.refined_prompt),
        ] {
            let checked = check_text(prompt.as_deref().unwrap_or_default(), MAX_PROMPT_CHARACTERS);
            or_error(&mut faults, field, checked);
        }
        let intent = check_label(input.intent, input.intent_label.as_deref());
        let intent = or_error(&mut faults, InputField::IntentLabel, intent);
        let metadata = match input.metadata {
            None | Some(Ok(Json::Null)) => Ok(Metadata::default()),
            Some(Ok(metadata)) => check_metadata(&metadata).map(Metadata::of),
            Some(Err(number)) => Err(number.into()),
        };
        let metadata = or_error(&mut faults, InputField::Metadata, metadata);
        match (user_id, url, intent, metadata) {
            (Some(user_id), Some(url), Some(intent), Some(metadata)) if faults.is_empty() => {
                Ok(Record {
                    url,
                    user_id,
                    original_prompt: input.original_prompt,
                    refined_prompt: input.refined_prompt,
                    intent,
                    metadata,
                })
            }
            _ => Err(faults),
        }
    }
}

/// What is refused once it is known what is stored is refused for the id in the URL.
fn already_stored(refusal: Refusal) -> Vec<InputError> {
    vec![InputError::of(InputField::ImageUrl, refusal)]
}

/// Whoever may not store for an owner that is named stores nothing at all.
fn require_own(caller: &Caller, inputs: &[NewImage]) -> Result<(), Denied> {
    caller.require_access()?;
    let named = inputs.iter().filter_map(|input| input.user_id.as_deref());
    // An id that is none is nobody's: it is a fault of its input.
    for user_id in named.filter_map(|user_id| UserId::new(user_id).ok()) {
        caller.require_access_to(user_id)?;
    }
    Ok(())
}

fn owner(caller: &Caller, user_id: Option<&str>) -> Result<UserId, Refusal> {
    match user_id {
        Some(user_id) => UserId::new(user_id).map_err(Refusal::UserId),
        None => caller.own_id().cloned().ok_or(Refusal::OwnerMissing),
    }
}

/// How often a batch looks again for rows that were purged between its insert and its look.
const ATTEMPTS: usize = 5;

async fn store(
    unit: &UnitOfWork,
    records: Vec<Record>,
) -> Result<Vec<Result<Created, Refusal>>, Error> {
    let mut outcomes: Vec<Option<Result<Created, Refusal>>> = vec![None; records.len()];
    // A single image is most likely new. With several ids in its URL it may be stored under another one of them.
    let is_likely_new = matches!(&*records, [record] if record.url.every_id().len() == 1);
    for attempt in 0..ATTEMPTS {
        if attempt > 0 || !is_likely_new {
            let stored = find_stored(unit, &records).await?;
            resolve(&records, &mut outcomes, &stored);
        }
        let inserted = insert_missing(unit, &records, &outcomes).await?;
        mark_new(&records, &mut outcomes, &inserted);
        resolve(&records, &mut outcomes, &inserted);
        // Another caller stored the rest at this moment, or before: look.
        if outcomes.iter().all(Option::is_some) {
            return Ok(outcomes.into_iter().flatten().collect());
        }
    }
    let busy = "the same images are being stored and purged over and over".to_owned();
    Err(db::Error::Unavailable(busy).into())
}

/// The rows that bear any of the ids in the URLs. They may be another owner's: what is shown of those is decided by
/// [`Record::match_stored`].
async fn find_stored(unit: &UnitOfWork, records: &[Record]) -> Result<Vec<Image>, Error> {
    let ids = records.iter().flat_map(|record| record.url.every_id());
    let every_row = Scope::unchecked("an id that another owner has stored is taken");
    let rows = visible(&every_row).filter(image::Column::ImageId.is_in(ids.copied()));
    Ok(rows.all(unit).await?)
}

/// Answers the records whose image is among the stored ones.
fn resolve(
    records: &[Record],
    outcomes: &mut [Option<Result<Created, Refusal>>],
    stored: &[Image],
) {
    let by_id: HashMap<Uuid, &Image> = stored.iter().map(|row| (row.image_id, row)).collect();
    for (record, outcome) in records.iter().zip(outcomes) {
        if outcome.is_none() {
            *outcome = record.match_stored(&by_id);
        }
    }
}

/// Answers the first record of each inserted row: the one that stored it.
fn mark_new(
    records: &[Record],
    outcomes: &mut [Option<Result<Created, Refusal>>],
    inserted: &[Image],
) {
    for row in inserted {
        let place = records
            .iter()
            .zip(outcomes.iter_mut())
            .find(|(record, outcome)| outcome.is_none() && record.url.id() == row.image_id);
        if let Some((_, outcome)) = place {
            *outcome = Some(Ok(Created {
                image: row.clone(),
                is_new: true,
            }));
        }
    }
}

/// Inserts what is not answered yet, in the order of the ids, so that two batches never wait for each other in a ring.
async fn insert_missing(
    unit: &UnitOfWork,
    records: &[Record],
    outcomes: &[Option<Result<Created, Refusal>>],
) -> Result<Vec<Image>, Error> {
    let mut missing: Vec<&Record> = records
        .iter()
        .zip(outcomes)
        .filter_map(|(record, outcome)| outcome.is_none().then_some(record))
        .collect();
    // Stable: of several records of one image the first is stored.
    missing.sort_by_key(|record| record.url.id());
    missing.dedup_by_key(|record| record.url.id());
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let now = now();
    let mut insert = Query::insert();
    insert
        .into_table(image::Entity)
        .columns(Record::COLUMNS)
        .on_conflict(
            OnConflict::column(image::Column::ImageId)
                .do_nothing()
                .to_owned(),
        )
        .returning(returning_rows(unit));
    for record in missing {
        insert.values_panic(record.values(now, unit.dialect()));
    }
    images(unit, &insert).await
}

impl Record {
    /// The stored image that this record means, if any: the one of the same owner and of this very URL, which may bear
    /// another of the URL's UUIDs, as the Django application may have chosen it; or else the owner's one of this id.
    fn match_stored(&self, stored: &HashMap<Uuid, &Image>) -> Option<Result<Created, Refusal>> {
        let is_own = |row: &&&Image| row.user_id == self.user_id.as_str();
        let under_own_id = stored.get(&self.url.id());
        let every_id = self.url.every_id().iter();
        let found = under_own_id
            .into_iter()
            .chain(every_id.filter_map(|id| stored.get(id)))
            .filter(is_own)
            .find(|row| row.image_url == self.url.as_str())
            .or(under_own_id.filter(is_own));
        match (found, under_own_id) {
            (Some(row), _) => Some(Ok(Created {
                image: Image::clone(row),
                is_new: false,
            })),
            (None, Some(_)) => Some(Err(Refusal::IdTaken(self.url.id()))),
            (None, None) => None,
        }
    }

    const COLUMNS: [image::Column; 9] = [
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

    /// In the order of [`Record::COLUMNS`].
    fn values(&self, now: Timestamp, dialect: Dialect) -> [SimpleExpr; 9] {
        [
            self.url.id().into(),
            self.user_id.as_str().into(),
            self.url.as_str().into(),
            self.original_prompt.clone().into(),
            self.refined_prompt.clone().into(),
            self.intent.clone().into(),
            dialect.json(self.metadata.clone()),
            now.into(),
            now.into(),
        ]
    }
}
