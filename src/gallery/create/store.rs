//! Stores checked records: the same number of statements for a batch of any size, but for records that update what is
//! stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

use super::existing;
use super::once::{self, Claim, OnceKey};
use super::record::{Record, RecordState};
use super::{Created, IfExists};
use crate::auth::Scope;
use crate::db::{self, UnitOfWork};
use crate::entity::image;
use crate::gallery::{
    Error, Image, InputError, InputField, Refusal, images, now, returning_rows, visible,
};

/// One for each record, in their order.
type Results = Vec<Result<Created, InputError>>;

/// How often a batch retries for rows that were purged between its insert and its select.
const ATTEMPTS: usize = 5;

/// The work of [`store`], as a unit of work may run it more than once.
pub(super) fn storing(
    records: Vec<Record>,
) -> impl for<'u> Fn(&'u UnitOfWork) -> BoxFuture<'u, Result<Results, Error>> + Send + Sync + 'static
{
    let records = Arc::new(records);
    move |unit| {
        let records = Arc::clone(&records);
        Box::pin(async move { store(unit, &records).await })
    }
}

/// Creates what does not exist, and updates what exists and is to be updated.
///
/// 1. What is stored is read: the images under the keys and under the ids in the URLs.
/// 2. A key that is free is claimed, for the image that the URL gives.
/// 3. What does not exist is inserted.
/// 4. What another transaction stored meanwhile is found in the next round.
async fn store(unit: &UnitOfWork, records: &[Record]) -> Result<Results, Error> {
    let mut states = vec![RecordState::Open; records.len()];
    let mut claimed = Claimed::new();
    // A single image is probably new. One with several ids in its URL may be stored under another of them.
    let is_likely_new = matches!(records, [record] if record.url.every_id().len() == 1);
    for attempt in 0..ATTEMPTS {
        let mut attached = Vec::new();
        if attempt > 0 || !is_likely_new {
            attached = find_stored(unit, records, &mut states, &mut claimed).await?;
        }
        claim_keys(unit, records, &mut states, attached, &mut claimed).await?;
        let inserted = insert_missing(unit, records, &states, &claimed).await?;
        mark_new(records, &mut states, &claimed, &inserted);
        resolve_by_id(records, &mut states, &inserted);
        existing::resolve(unit, records, &mut states).await?;
        // Another caller has stored the rest: read it.
        if let Some(results) = results(&states) {
            return Ok(results);
        }
    }
    let busy = "the same images are being stored and purged at the same time".to_owned();
    Err(db::Error::Unavailable(busy).into())
}

/// The results, once every record has one.
fn results(states: &[RecordState]) -> Option<Results> {
    let result = |state: &RecordState| match state {
        RecordState::Done(result) => Some(result.clone()),
        RecordState::Open | RecordState::Exists(..) => None,
    };
    states.iter().map(result).collect()
}

/// The keys that this transaction has claimed, each with the place of the record that it was claimed for.
type Claimed = HashMap<OnceKey, usize>;

/// An image that exists, and the index of the record whose key will name it.
struct Attachment {
    place: usize,
    image: Image,
    found_by: InputField,
}

/// Finds the images of open records. Returns those whose key does not name them yet.
async fn find_stored(
    unit: &UnitOfWork,
    records: &[Record],
    states: &mut [RecordState],
    claimed: &mut Claimed,
) -> Result<Vec<Attachment>, Error> {
    let open = || {
        let places = records.iter().zip(&*states).enumerate();
        places.filter(|(_, (_, state))| matches!(state, RecordState::Open))
    };
    let keys: Vec<&OnceKey> = open()
        .filter_map(|(_, (record, _))| record.once_key.as_ref())
        .collect();
    let by_key = once::find(unit, &keys).await?;
    let in_urls = open().flat_map(|(_, (record, _))| record.url.every_id().iter().copied());
    let ids: HashSet<Uuid> = in_urls.chain(by_key.values().copied()).collect();
    // Of all owners: what a caller learns of them is decided below.
    let every_row = Scope::unchecked("an id that another owner has stored is taken");
    let rows = visible(&every_row).filter(image::Column::ImageId.is_in(ids));
    let stored = rows.all(unit).await?;
    let by_id: HashMap<Uuid, &Image> = stored.iter().map(|row| (row.image_id, row)).collect();

    let mut attached = Vec::new();
    let mut stale = Vec::new();
    for (place, (record, state)) in records.iter().zip(states).enumerate() {
        if !matches!(state, RecordState::Open) {
            continue;
        }
        let Some(key) = &record.once_key else {
            *state = record.match_stored(&by_id).unwrap_or(RecordState::Open);
            continue;
        };
        let own = by_key.get(key).map(|id| {
            let own = by_id.get(id).filter(|row| record.owns(row));
            own.map(|row| Image::clone(row))
        });
        match own {
            // Another transaction may have stored this image after the key was claimed.
            Some(Some(image)) if claimed.contains_key(key) => {
                attached.push(Attachment {
                    place,
                    image,
                    found_by: InputField::OnceKey,
                });
                continue;
            }
            Some(Some(image)) => {
                *state = record.found_by_key(&image, &by_id);
                continue;
            }
            Some(None) => {
                claimed.remove(key);
                stale.push(key);
            }
            None => {}
        }
        match record.match_stored(&by_id) {
            Some(RecordState::Exists(image, found_by)) => attached.push(Attachment {
                place,
                image,
                found_by,
            }),
            Some(done) => *state = done,
            None => {}
        }
    }
    once::free_stale(unit, &stale).await?;
    Ok(attached)
}

/// Claims the keys of open records. An attached image exists for its record once the key is claimed and it is certain that
/// the image stays.
async fn claim_keys(
    unit: &UnitOfWork,
    records: &[Record],
    states: &mut [RecordState],
    attached: Vec<Attachment>,
    claimed: &mut Claimed,
) -> Result<(), Error> {
    let images: HashMap<usize, Uuid> = attached
        .iter()
        .map(|attachment| (attachment.place, attachment.image.image_id))
        .collect();
    let open = records.iter().zip(&*states).enumerate();
    let claims = open.filter_map(|(place, (record, state))| {
        let key = record.once_key.as_ref()?;
        let is_wanted = matches!(state, RecordState::Open) && !claimed.contains_key(key);
        is_wanted.then(|| Claim {
            key,
            image_id: images.get(&place).copied().unwrap_or(record.url.id()),
            place,
        })
    });
    claimed.extend(once::claim(unit, claims.collect()).await?);
    let is_claimed = |found: &Attachment| {
        let record = records.get(found.place);
        found.found_by == InputField::OnceKey
            || record.is_some_and(|record| record.may_insert(found.place, claimed))
    };
    let attached: Vec<Attachment> = attached.into_iter().filter(is_claimed).collect();
    let ids = attached.iter().map(|found| found.image.image_id);
    let held = once::hold(unit, ids.collect()).await?;
    for found in attached {
        if held.contains(&found.image.image_id)
            && let Some(state) = states.get_mut(found.place)
        {
            *state = RecordState::Exists(found.image, found.found_by);
        }
    }
    Ok(())
}

/// Finds the images of open records without a key among these.
fn resolve_by_id(records: &[Record], states: &mut [RecordState], stored: &[Image]) {
    let by_id: HashMap<Uuid, &Image> = stored.iter().map(|row| (row.image_id, row)).collect();
    for (record, state) in records.iter().zip(states) {
        if matches!(state, RecordState::Open) && record.once_key.is_none() {
            *state = record.match_stored(&by_id).unwrap_or(RecordState::Open);
        }
    }
}

/// Finishes the record that created each inserted row: the first one with its id.
fn mark_new(records: &[Record], states: &mut [RecordState], claimed: &Claimed, inserted: &[Image]) {
    for row in inserted {
        let mut places = records.iter().zip(states.iter_mut()).enumerate();
        let place = places.find(|(place, (record, state))| {
            matches!(state, RecordState::Open)
                && record.may_insert(*place, claimed)
                && record.url.id() == row.image_id
        });
        if let Some((_, (_, state))) = place {
            *state = RecordState::Done(Ok(Created {
                image: row.clone(),
                is_new: true,
                is_updated: false,
            }));
        }
    }
}

/// Inserts the open records whose keys are claimed, in the order of their ids, so that two batches cannot deadlock.
async fn insert_missing(
    unit: &UnitOfWork,
    records: &[Record],
    states: &[RecordState],
    claimed: &Claimed,
) -> Result<Vec<Image>, Error> {
    let mut missing: Vec<&Record> = records
        .iter()
        .zip(states)
        .enumerate()
        .filter(|(place, (record, state))| {
            matches!(state, RecordState::Open) && record.may_insert(*place, claimed)
        })
        .map(|(_, (record, _))| record)
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
    /// Whether it needs no key, or its key was claimed for it.
    fn may_insert(&self, place: usize, claimed: &Claimed) -> bool {
        let key = self.once_key.as_ref();
        key.is_none_or(|key| claimed.get(key) == Some(&place))
    }

    /// The stored image that this record's URL refers to: the owner's image with this URL, whose id may be another of the
    /// URL's UUIDs if the Django application chose it; otherwise the owner's image with this id.
    fn match_stored(&self, stored: &HashMap<Uuid, &Image>) -> Option<RecordState> {
        let is_own = |row: &&&Image| self.owns(row);
        let under_own_id = stored.get(&self.url.id());
        let every_id = self.url.every_id().iter();
        let found = under_own_id
            .into_iter()
            .chain(every_id.filter_map(|id| stored.get(id)))
            .filter(is_own)
            .find(|row| row.image_url == self.url.as_str())
            .or(under_own_id.filter(is_own));
        match (found, under_own_id) {
            (Some(row), _) => Some(RecordState::Exists(Image::clone(row), InputField::ImageUrl)),
            (None, Some(_)) => Some(self.id_taken()),
            (None, None) => None,
        }
    }

    /// The key says which image it is, whatever the URL; but no image takes the URL of another owner's.
    fn found_by_key(&self, image: &Image, stored: &HashMap<Uuid, &Image>) -> RecordState {
        let under_url_id = stored.get(&self.url.id());
        if self.if_exists == IfExists::Update && under_url_id.is_some_and(|row| !self.owns(row)) {
            return self.id_taken();
        }
        RecordState::Exists(image.clone(), InputField::OnceKey)
    }

    fn id_taken(&self) -> RecordState {
        let refusal = Refusal::IdTaken(self.url.id());
        RecordState::Done(Err(InputError::of(InputField::ImageUrl, refusal)))
    }
}
