//! What becomes of images that existed before: they stay as they are, or take the values of the input.

use std::collections::HashMap;

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::change::Change;
use super::super::metadata::MetadataChange;
use super::super::tags::{folded_of, put_on};
use super::super::touch::touch;
use super::super::update::{Changes, write_columns};
use super::super::{Error, Image, InputError, InputField, MAX_TAGS, Refusal, Tag, visible};
use super::record::{Record, RecordState};
use super::{Created, IfExists};
use crate::auth::Scope;
use crate::db::UnitOfWork;
use crate::entity::image;

/// The images that are to be updated, which this transaction has locked.
pub(super) type Locked = HashMap<Uuid, Image>;

/// Finishes the records whose image exists. One whose image is gone meanwhile is open again.
pub(super) async fn resolve(
    unit: &UnitOfWork,
    records: &[Record],
    states: &mut [RecordState],
    mut locked: Locked,
) -> Result<(), Error> {
    for (record, state) in records.iter().zip(states) {
        let RecordState::Exists(image, found_by) = &*state else {
            continue;
        };
        if record.if_exists == IfExists::Keep {
            *state = unchanged(image.clone());
            continue;
        }
        let stored = locked
            .get_mut(&image.image_id)
            .filter(|row| record.owns(row));
        *state = match stored {
            Some(stored) => update(unit, record, stored, *found_by).await?,
            None => RecordState::Open,
        };
    }
    Ok(())
}

/// Locks the images that are to be updated, in the order of their ids, so that two batches cannot deadlock. A key may be
/// given to them meanwhile ([`super::once::hold`]).
pub(super) async fn lock(
    unit: &UnitOfWork,
    records: &[Record],
    states: &[RecordState],
) -> Result<Locked, Error> {
    let wanted = records.iter().zip(states).filter_map(|(record, state)| {
        let RecordState::Exists(image, _) = state else {
            return None;
        };
        (record.if_exists == IfExists::Update).then_some(image.image_id)
    });
    let wanted: Vec<Uuid> = wanted.collect();
    if wanted.is_empty() {
        return Ok(Locked::new());
    }
    let every_row = Scope::unchecked("they were found to be the owner's, and are compared again");
    let rows = visible(&every_row)
        .filter(image::Column::ImageId.is_in(wanted))
        .order_by_asc(image::Column::ImageId)
        .lock(LockType::NoKeyUpdate)
        .all(unit)
        .await?;
    Ok(rows.into_iter().map(|row| (row.image_id, row)).collect())
}

async fn update(
    unit: &UnitOfWork,
    record: &Record,
    stored: &mut Image,
    found_by: InputField,
) -> Result<RecordState, Error> {
    let changes = record.changes();
    let metadata = changes.metadata.apply(stored);
    let columns = match changes.columns(stored, metadata, unit.dialect()) {
        Ok(columns) => columns,
        Err(error) => {
            let error = InputError::of(InputField::Metadata, error.refusal);
            return Ok(RecordState::Done(Err(error)));
        }
    };
    if stored.deleted_at.is_some() {
        let refusal = Refusal::Deleted(Box::new(stored.clone()));
        return Ok(RecordState::Done(Err(InputError::of(found_by, refusal))));
    }
    let id = stored.image_id;
    let are_tags_new = match adds_tags(unit, id, &record.tags).await? {
        Ok(are_new) => are_new,
        Err(refusal) => {
            let error = InputError::of(InputField::Tags, refusal);
            return Ok(RecordState::Done(Err(error)));
        }
    };
    if columns.is_empty() && !are_tags_new {
        return Ok(unchanged(stored.clone()));
    }
    let changed = if columns.is_empty() {
        touch(unit, &[id]).await?.pop()
    } else {
        write_columns(unit, id, columns, None).await?
    };
    let Some(changed) = changed else {
        return Ok(RecordState::Open);
    };
    if are_tags_new {
        put_on(unit, &[id], &record.tags).await?;
    }
    *stored = changed.clone();
    Ok(RecordState::Done(Ok(Created {
        image: changed,
        is_new: false,
        is_updated: true,
    })))
}

/// Whether an image lacks some of these tags; refused if it would have too many.
async fn adds_tags(
    unit: &UnitOfWork,
    id: Uuid,
    tags: &[Tag],
) -> Result<Result<bool, Refusal>, Error> {
    if tags.is_empty() {
        return Ok(Ok(false));
    }
    let stored = folded_of(unit, &[id]).await?.remove(&id);
    let stored = stored.unwrap_or_default();
    let is_new = |tag: &&Tag| !stored.iter().any(|stored| stored == tag.folded());
    let new = tags.iter().filter(is_new).count();
    let after = stored.len() + new;
    Ok(if new > 0 && after > MAX_TAGS {
        Err(Refusal::TooManyTags(after))
    } else {
        Ok(new > 0)
    })
}

fn unchanged(image: Image) -> RecordState {
    RecordState::Done(Ok(Created {
        image,
        is_new: false,
        is_updated: false,
    }))
}

impl Record {
    /// What is given, as changes of an image. What is not given stays.
    fn changes(&self) -> Changes {
        let change = |given: &Option<String>| match given {
            Some(text) => Change::Set(text.clone()),
            None => Change::Keep,
        };
        Changes {
            url: Some(self.url.clone()),
            original_prompt: change(&self.original_prompt),
            refined_prompt: change(&self.refined_prompt),
            intent: change(&self.intent),
            metadata: match &self.metadata {
                Some(metadata) => MetadataChange::Patch(metadata.read()),
                None => MetadataChange::Keep,
            },
            if_updated_at: None,
        }
    }
}
