//! Creates images: idempotent by the id in the URL, with the same number of statements for a batch of any size.

use std::collections::HashMap;
use std::sync::Arc;

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

/// Input of a new image.
#[derive(Clone, Debug, Default)]
pub struct NewImage {
    /// Owner; the caller by default.
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
    /// A JSON object; `{}` by default.
    pub metadata: Option<GivenJson>,
}

/// A stored image, and whether this call created it.
#[derive(Clone, Debug)]
pub struct Created {
    /// The stored image; it may be in the trash.
    pub image: Image,
    /// False where it existed before.
    pub is_new: bool,
}

/// A valid input.
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
    /// Creates the images that do not exist yet. Returns one result for each input, in their order; an invalid input does not
    /// affect the others.
    ///
    /// # Errors
    /// Fails as a whole where an input names an owner for whom the caller may not create.
    pub async fn create(
        &self,
        caller: &Caller,
        inputs: Vec<NewImage>,
    ) -> Result<Vec<Result<Created, Vec<InputError>>>, Error> {
        require_own(caller, &inputs)?;
        let mut records = Vec::with_capacity(inputs.len());
        let mut results = Vec::with_capacity(inputs.len());
        for input in inputs {
            let record = self.check(caller, input);
            results.push(record.map(|record| records.push(record)));
        }
        if records.is_empty() {
            return Ok(results
                .into_iter()
                .filter_map(|result| result.err().map(Err))
                .collect());
        }
        let records = Arc::new(records);
        self.id_probe_limiter.check(caller, Instant::now())?;
        let stored = self
            .database
            .write_items(records.len(), caller.actor(), move |unit| {
                let records = Arc::clone(&records);
                Box::pin(async move { store(unit, &records).await })
            })
            .await?;
        for outcome in &stored {
            if let Err(Refusal::IdTaken(id)) = outcome {
                // A single one is chance; many show that somebody is probing for existing ids.
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
        Ok(results
            .into_iter()
            .filter_map(|result| match result {
                Err(errors) => Some(Err(errors)),
                Ok(()) => stored.next().map(|outcome| outcome.map_err(url_error)),
            })
            .collect())
    }

    fn check(&self, caller: &Caller, input: NewImage) -> Result<Record, Vec<InputError>> {
        let mut errors = Vec::new();
        let user_id = or_error(
            &mut errors,
            InputField::UserId,
            owner(caller, input.user_id.as_deref()),
        );
        let url = ImageUrl::parse(&input.image_url, &self.hosts).map_err(Refusal::ImageUrl);
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
            None | Some(Ok(Json::Null)) => Ok(Metadata::default()),
            Some(Ok(metadata)) => check_metadata(&metadata).map(Metadata::of),
            Some(Err(number)) => Err(number.into()),
        };
        let metadata = or_error(&mut errors, InputField::Metadata, metadata);
        match (user_id, url, intent, metadata) {
            (Some(user_id), Some(url), Some(intent), Some(metadata)) if errors.is_empty() => {
                Ok(Record {
                    url,
                    user_id,
                    original_prompt: input.original_prompt,
                    refined_prompt: input.refined_prompt,
                    intent,
                    metadata,
                })
            }
            _ => Err(errors),
        }
    }
}

/// What is stored can only refuse the id in the URL.
fn url_error(refusal: Refusal) -> Vec<InputError> {
    vec![InputError::of(InputField::ImageUrl, refusal)]
}

/// Refuses the whole call where an input names an owner for whom the caller may not create.
fn require_own(caller: &Caller, inputs: &[NewImage]) -> Result<(), Denied> {
    caller.require_access()?;
    let named = inputs.iter().filter_map(|input| input.user_id.as_deref());
    // An invalid owner's id is an error of that input alone.
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

/// How often a batch retries for rows that were purged between its insert and its select.
const ATTEMPTS: usize = 5;

async fn store(
    unit: &UnitOfWork,
    records: &[Record],
) -> Result<Vec<Result<Created, Refusal>>, Error> {
    let mut outcomes: Vec<Option<Result<Created, Refusal>>> = vec![None; records.len()];
    // A single image is probably new. One with several ids in its URL may be stored under another of them.
    let is_likely_new = matches!(records, [record] if record.url.every_id().len() == 1);
    for attempt in 0..ATTEMPTS {
        if attempt > 0 || !is_likely_new {
            let stored = find_stored(unit, records).await?;
            resolve(records, &mut outcomes, &stored);
        }
        let inserted = insert_missing(unit, records, &outcomes).await?;
        mark_new(records, &mut outcomes, &inserted);
        resolve(records, &mut outcomes, &inserted);
        // Another caller has stored the rest: read it.
        if outcomes.iter().all(Option::is_some) {
            return Ok(outcomes.into_iter().flatten().collect());
        }
    }
    let busy = "the same images are being stored and purged at the same time".to_owned();
    Err(db::Error::Unavailable(busy).into())
}

/// The rows with any of the ids in the URLs, of all owners: [`Record::match_stored`] decides what a caller learns of them.
async fn find_stored(unit: &UnitOfWork, records: &[Record]) -> Result<Vec<Image>, Error> {
    let ids = records.iter().flat_map(|record| record.url.every_id());
    let every_row = Scope::unchecked("an id that another owner has stored is taken");
    let rows = visible(&every_row).filter(image::Column::ImageId.is_in(ids.copied()));
    Ok(rows.all(unit).await?)
}

/// Sets the outcome of each record whose image is stored.
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

/// Sets the outcome of the record that created each inserted row: the first one with its id.
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

/// Inserts the records without an outcome, in the order of their ids, so that two batches cannot deadlock.
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
    // The sort is stable: of several records with the same id the first one is stored.
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
    /// The stored image that this record refers to: the owner's image with this URL, whose id may be another of the URL's
    /// UUIDs if the Django application chose it; otherwise the owner's image with this id.
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
