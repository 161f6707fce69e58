//! Stores checked records: the same number of statements for a batch of any size, but for records that update what is
//! stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, UnionType};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryTrait};
use uuid::Uuid;

use super::existing;
use super::once::{self, Claim, OnceKey};
use super::record::{Record, RecordState};
use super::{Created, IfExists};
use crate::auth::Scope;
use crate::cloudinary::url::ImageUrl;
use crate::db::{self, UnitOfWork};
use crate::entity::image;
use crate::gallery::tags::{hold_spellings, put_on};
use crate::gallery::{
    Error, Image, InputError, InputField, Refusal, Tag, images, now, returning_rows, visible,
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
/// 1. What is stored is read: the images under the keys, under the ids in the URLs, and with the URLs.
/// 2. A key that is free is claimed, for the image that the URL gives.
/// 3. What does not exist is inserted.
/// 4. What another transaction stored meanwhile is found in the next round.
async fn store(unit: &UnitOfWork, records: &[Record]) -> Result<Results, Error> {
    let mut states = vec![RecordState::Open; records.len()];
    let mut claimed = Claimed::new();
    let mut new = Vec::new();
    // A single image is probably new. One with several ids in its URL may be stored under another of them.
    let is_likely_new = matches!(records, [record] if record.url.every_id().len() == 1);
    for attempt in 0..ATTEMPTS {
        let mut attached = Vec::new();
        if attempt > 0 || !is_likely_new {
            attached = find_stored(unit, records, &mut states, &mut claimed).await?;
        }
        claim_keys(unit, records, &mut states, attached, &mut claimed).await?;
        let inserted = insert_missing(unit, records, &states, &claimed).await?;
        new.extend(mark_new(records, &mut states, &claimed, &inserted));
        resolve_by_id(records, &mut states, &inserted);
        // Another caller has stored the rest: read it, before the locks for updates, which are taken all at once.
        if states.iter().any(RecordState::is_open) {
            continue;
        }
        let locked = existing::lock(unit, records, &states).await?;
        tag_new(unit, records, std::mem::take(&mut new)).await?;
        existing::resolve(unit, records, &mut states, locked).await?;
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
        places.filter(|(_, (_, state))| state.is_open())
    };
    let keys: Vec<&OnceKey> = open()
        .filter_map(|(_, (record, _))| record.once_key.as_ref())
        .collect();
    let by_key = once::find(unit, &keys).await?;
    let in_urls = open().flat_map(|(_, (record, _))| record.url.every_id().iter().copied());
    let ids: HashSet<Uuid> = in_urls.chain(by_key.values().copied()).collect();
    let urls: HashSet<&str> = open().map(|(_, (record, _))| record.url.as_str()).collect();
    // Of all owners: what a caller learns of them is decided below.
    let every_row = Scope::unchecked("an image that another owner has stored is taken");
    let with_urls = visible(&every_row).filter(unit.dialect().has_stored_url(urls));
    let mut rows = visible(&every_row)
        .filter(image::Column::ImageId.is_in(ids))
        .into_query();
    rows.union(UnionType::All, with_urls.into_query());
    let rows = images(unit, &rows).await?;
    let stored = Stored::of(&rows);

    let mut attached = Vec::new();
    let mut stale = Vec::new();
    for (place, (record, state)) in records.iter().zip(states).enumerate() {
        if !state.is_open() {
            continue;
        }
        let Some(key) = &record.once_key else {
            *state = record.match_stored(&stored).unwrap_or(RecordState::Open);
            continue;
        };
        let own = by_key.get(key).map(|id| {
            let own = stored.by_id.get(id).filter(|row| record.owns(row));
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
                *state = record.found_by_key(&image, &stored);
                continue;
            }
            Some(None) => {
                claimed.remove(key);
                stale.push(key);
            }
            None => {}
        }
        match record.match_stored(&stored) {
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
        let is_wanted = state.is_open() && !claimed.contains_key(key);
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
    let stored = Stored::of(stored);
    for (record, state) in records.iter().zip(states) {
        if state.is_open() && record.once_key.is_none() {
            *state = record.match_stored(&stored).unwrap_or(RecordState::Open);
        }
    }
}

/// Finishes the record that created each inserted row: the first one with its id. Returns the places of these records.
fn mark_new(
    records: &[Record],
    states: &mut [RecordState],
    claimed: &Claimed,
    inserted: &[Image],
) -> Vec<usize> {
    let mut new = Vec::new();
    for row in inserted {
        let mut places = records.iter().zip(states.iter_mut()).enumerate();
        let place = places.find(|(place, (record, state))| {
            state.is_open() && record.may_insert(*place, claimed) && record.url.id() == row.image_id
        });
        if let Some((place, (_, state))) = place {
            *state = RecordState::Done(Ok(Created {
                image: row.clone(),
                is_new: true,
                is_updated: false,
            }));
            new.push(place);
        }
    }
    new
}

/// Puts the tags on new images, in their order: the first spelling counts. One statement for all that have the same. First
/// takes the locks of all spellings, those of updates included: after the locks of rows, as everywhere.
async fn tag_new(unit: &UnitOfWork, records: &[Record], mut new: Vec<usize>) -> Result<(), Error> {
    let tagged = records.iter().filter(|record| !record.tags.is_empty());
    hold_spellings(unit, tagged.map(|record| record.user_id.as_str()).collect()).await?;
    new.sort_unstable();
    let mut by_tags: Vec<(&[Tag], Vec<Uuid>)> = Vec::new();
    for record in new.iter().filter_map(|place| records.get(*place)) {
        let id = record.url.id();
        match by_tags.iter_mut().find(|(tags, _)| *tags == record.tags) {
            Some((_, images)) => images.push(id),
            None => by_tags.push((&record.tags, vec![id])),
        }
    }
    for (tags, images) in by_tags {
        put_on(unit, &images, tags).await?;
    }
    Ok(())
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
        .filter(|(place, (record, state))| state.is_open() && record.may_insert(*place, claimed))
        .map(|(_, (record, _))| record)
        .collect();
    // The sort is stable: of several records with the same id the first one is stored.
    missing.sort_by_key(|record| record.url.id());
    missing.dedup_by_key(|record| record.url.id());
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let now = now();
    let dialect = unit.dialect();
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
    if let [record] = *missing {
        // Nothing may have been read before: the statement looks for the URL itself.
        let every_row = Scope::unchecked("an image that another owner has stored is taken");
        let with_url = visible(&every_row).filter(dialect.has_stored_url([record.url.as_str()]));
        let values = Query::select()
            .exprs(record.values(now, dialect))
            .cond_where(Expr::exists(with_url.into_query()).not())
            .to_owned();
        insert
            .select_from(values)
            .map_err(|error| DbErr::Custom(error.to_string()))?;
    } else {
        for record in missing {
            insert.values_panic(record.values(now, dialect));
        }
    }
    images(unit, &insert).await
}

/// Images of all owners, among them every one with the URL of a record or with an id in it.
struct Stored<'i> {
    by_id: HashMap<Uuid, &'i Image>,
    by_url: HashMap<&'i str, Vec<&'i Image>>,
}

impl<'i> Stored<'i> {
    fn of(images: &'i [Image]) -> Self {
        let mut by_url: HashMap<&str, Vec<&Image>> = HashMap::new();
        for image in images {
            by_url.entry(&image.image_url).or_default().push(image);
        }
        Self {
            by_id: images.iter().map(|image| (image.image_id, image)).collect(),
            by_url,
        }
    }

    fn with_url(&self, url: &ImageUrl) -> impl Iterator<Item = &'i Image> {
        let images = self.by_url.get(url.as_str()).into_iter().flatten();
        images.copied()
    }

    /// Whether another owner has stored the record's image.
    fn has_other(&self, record: &Record) -> bool {
        let under_id = self.by_id.get(&record.url.id()).copied();
        let mut images = under_id.into_iter().chain(self.with_url(&record.url));
        images.any(|image| !record.owns(image))
    }
}

impl Record {
    /// Whether it needs no key, or its key was claimed for it.
    fn may_insert(&self, place: usize, claimed: &Claimed) -> bool {
        let key = self.once_key.as_ref();
        key.is_none_or(|key| claimed.get(key) == Some(&place))
    }

    /// The stored image that this record's URL refers to: the owner's image with this URL, whose id may be another UUID of the
    /// URL or none of them, if another application chose it; otherwise the owner's image with this id.
    fn match_stored(&self, stored: &Stored<'_>) -> Option<RecordState> {
        let under_own_id = stored.by_id.get(&self.url.id()).copied();
        let every_id = self.url.every_id().iter();
        let found = under_own_id
            .into_iter()
            .chain(every_id.filter_map(|id| stored.by_id.get(id).copied()))
            .filter(|row| row.image_url == self.url.as_str())
            .chain(stored.with_url(&self.url))
            .chain(under_own_id)
            .find(|row| self.owns(row));
        if let Some(row) = found {
            return Some(RecordState::Exists(row.clone(), InputField::ImageUrl));
        }
        stored.has_other(self).then(|| self.id_taken())
    }

    /// The key says which image it is, whatever the URL; but no image takes the URL of another owner's.
    fn found_by_key(&self, image: &Image, stored: &Stored<'_>) -> RecordState {
        if self.if_exists == IfExists::Update && stored.has_other(self) {
            return self.id_taken();
        }
        RecordState::Exists(image.clone(), InputField::OnceKey)
    }

    fn id_taken(&self) -> RecordState {
        let refusal = Refusal::IdTaken(self.url.id());
        RecordState::Done(Err(InputError::of(InputField::ImageUrl, refusal)))
    }
}
