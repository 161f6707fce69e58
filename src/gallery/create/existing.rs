//! What becomes of images that existed before: they stay as they are, or take the values of the input.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::change::Change;
use super::super::metadata::MetadataChange;
use super::super::update::{Changes, write_columns};
use super::super::{Error, Image, InputError, InputField, Refusal, visible};
use super::record::{Progress, Record};
use super::{Created, IfExists};
use crate::auth::Scope;
use crate::db::UnitOfWork;
use crate::entity::image;

/// Finishes the records whose image exists. One whose image is gone meanwhile is open again.
pub(super) async fn settle(
    unit: &UnitOfWork,
    records: &[Record],
    progress: &mut [Progress],
) -> Result<(), Error> {
    let mut locked = lock(unit, records, progress).await?;
    for (record, progress) in records.iter().zip(progress) {
        let Progress::Exists(image, found_by) = &*progress else {
            continue;
        };
        if record.if_exists == IfExists::Keep {
            *progress = unchanged(image.clone());
            continue;
        }
        let stored = locked
            .get_mut(&image.image_id)
            .filter(|row| record.owns(row));
        *progress = match stored {
            Some(stored) => update(unit, record, stored, *found_by).await?,
            None => Progress::Open,
        };
    }
    Ok(())
}

/// Locks the images that are to be updated, in the order of their ids, so that two batches cannot deadlock.
async fn lock(
    unit: &UnitOfWork,
    records: &[Record],
    progress: &[Progress],
) -> Result<HashMap<Uuid, Image>, Error> {
    let wanted = records
        .iter()
        .zip(progress)
        .filter_map(|(record, progress)| {
            let Progress::Exists(image, _) = progress else {
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
        .lock_exclusive()
        .all(unit)
        .await?;
    Ok(rows.into_iter().map(|row| (row.image_id, row)).collect())
}

async fn update(
    unit: &UnitOfWork,
    record: &Record,
    stored: &mut Image,
    found_by: InputField,
) -> Result<Progress, Error> {
    let changes = record.changes();
    let metadata = changes.metadata.apply(stored);
    let columns = match changes.columns(stored, metadata, unit.dialect()) {
        Ok(columns) => columns,
        Err(error) => {
            let error = InputError::of(InputField::Metadata, error.refusal);
            return Ok(Progress::Done(Err(error)));
        }
    };
    if stored.deleted_at.is_some() {
        let refusal = Refusal::Deleted(Box::new(stored.clone()));
        return Ok(Progress::Done(Err(InputError::of(found_by, refusal))));
    }
    if columns.is_empty() {
        return Ok(unchanged(stored.clone()));
    }
    let Some(changed) = write_columns(unit, stored.image_id, columns, None).await? else {
        return Ok(Progress::Open);
    };
    *stored = changed.clone();
    Ok(Progress::Done(Ok(Created {
        image: changed,
        is_new: false,
        is_updated: true,
    })))
}

fn unchanged(image: Image) -> Progress {
    Progress::Done(Ok(Created {
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
