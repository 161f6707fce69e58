//! Changes of what is stored beside an image, such as its tags: they count as changes of the image.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait};
use uuid::Uuid;

use super::trash::locked;
use super::{Error, Image, Refusal, images, now, returning_rows};
use crate::auth::Scope;
use crate::db::UnitOfWork;
use crate::entity::image;

/// Images that are to be changed, locked until the transaction ends.
pub(super) struct Targets {
    /// The result for each image that exists, if nothing is changed.
    pub(super) outcomes: HashMap<Uuid, Result<Image, Refusal>>,
    /// Those that may be changed.
    pub(super) active: Vec<Uuid>,
}

impl Targets {
    /// Locks the images of these ids. Those in the trash are refused.
    pub(super) async fn lock(
        unit: &UnitOfWork,
        scope: &Scope,
        ids: Vec<Uuid>,
    ) -> Result<Self, Error> {
        let rows = locked(unit, scope, ids).await?;
        let is_active = |row: &&Image| row.deleted_at.is_none();
        let active = rows.iter().filter(is_active).map(|row| row.image_id);
        let active = active.collect();
        let outcome = |row: Image| match row.deleted_at {
            None => (row.image_id, Ok(row)),
            Some(_) => (row.image_id, Err(Refusal::Deleted(Box::new(row)))),
        };
        Ok(Self {
            outcomes: rows.into_iter().map(outcome).collect(),
            active,
        })
    }
}

/// Records that images have changed, although no column of theirs has: their `updated_at` moves, and each has an event in
/// the trail. This transaction has locked them.
pub(super) async fn touch(unit: &UnitOfWork, ids: &[Uuid]) -> Result<Vec<Image>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut update = image::Entity::update_many()
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now()),
        )
        .filter(image::Column::ImageId.is_in(ids.iter().copied()))
        .into_query();
    let touched = images(unit, update.returning(returning_rows(unit))).await?;
    unit.record_updates(ids).await?;
    Ok(touched)
}
