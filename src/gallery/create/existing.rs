//! What becomes of images that existed before: they stay as they are, or take the values of the input.

use std::collections::HashMap;

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::change::Change;
use super::super::metadata::MetadataChange;
use super::super::update::{Changes, write_columns};
use super::super::{Error, Image, InputError, InputField, Refusal, visible};
use super::record::{Record, RecordState};
use super::{Created, IfExists};
use crate::auth::Scope;
use crate::db::UnitOfWork;
use crate::entity::image;

/// Finishes the records whose image exists. One whose image is gone meanwhile is open again.
pub(super) async fn resolve(
    unit: &UnitOfWork,
    records: &[Record],
    states: &mut [RecordState],
) -> Result<(), Error> {
    let mut locked = lock(unit, records, states).await?;
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
async fn lock(
    unit: &UnitOfWork,
    records: &[Record],
    states: &[RecordState],
) -> Result<HashMap<Uuid, Image>, Error> {
    let wanted = records.iter().zip(states).filter_map(|(record, state)| {
        let RecordState::Exists(image, _) = state else {
            return None;
        };
        (record.if_exists == IfExists::Update).then_some(image.image_id)
    });
    let wanted: Vec<Uuid> = wanted.collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
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
    if columns.is_empty() {
        return Ok(unchanged(stored.clone()));
    }
    let Some(changed) = write_columns(unit, stored.image_id, columns, None).await? else {
        return Ok(RecordState::Open);
    };
    *stored = changed.clone();
    Ok(RecordState::Done(Ok(Created {
        image: changed,
        is_new: false,
        is_updated: true,
    })))
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
