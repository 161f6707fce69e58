//! The trash: soft delete, restore, purge, for one image and for many: one statement locks the rows in the order of their
//! ids, one changes those that need it.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::trail::purged_before;
use super::undo::OperationId;
use super::{
    Error, Gallery, Image, ImageId, Refusal, images, is_in_scope, now, returning_rows, visible,
};
use crate::auth::{Caller, Scope};
use crate::db::{self, Signature, UnitOfWork};
use crate::entity::image;

/// An image after a move, and whether this call moved it.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The current image.
    pub image: Image,
    /// False where it was there before.
    pub has_changed: bool,
}

/// The results of a soft delete.
#[derive(Clone, Debug)]
pub struct SoftDeleted {
    /// One for each id, in their order.
    pub outcomes: Vec<Result<Moved, Refusal>>,
    /// The operation, for [`Gallery::undo`]; none if no image was moved.
    pub operation: Option<OperationId>,
}

/// A purged image, and whether this call purged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Its id.
    pub id: ImageId,
    /// False where it was purged before, as the trail shows.
    pub has_changed: bool,
}

/// Where [`Gallery::soft_delete`] and [`Gallery::restore`] move an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Trash,
    Gallery,
}

impl Destination {
    fn is_of(self, image: &Image) -> bool {
        image.deleted_at.is_some() == (self == Self::Trash)
    }
}

impl Gallery {
    /// Moves images to the trash, as one operation.
    pub async fn soft_delete(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
    ) -> Result<SoftDeleted, Error> {
        let operation = OperationId::new();
        let signature = Signature::for_operation(caller.actor(), operation.0);
        let outcomes = self.relocate(caller, signature, ids, Destination::Trash);
        let outcomes = outcomes.await?;
        let has_changed = outcomes.iter().flatten().any(|moved| moved.has_changed);
        Ok(SoftDeleted {
            outcomes,
            operation: has_changed.then_some(operation),
        })
    }

    /// Restores images from the trash. Returns one result for each id, in their order.
    pub async fn restore(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
    ) -> Result<Vec<Result<Moved, Refusal>>, Error> {
        let signature = caller.actor().into();
        self.relocate(caller, signature, ids, Destination::Gallery)
            .await
    }

    /// Deletes images permanently: those in the trash, with `force` active ones too. Returns one result for each id, in their
    /// order; for an image that no longer exists the trail shows whether it was purged.
    pub async fn purge(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
        force: bool,
    ) -> Result<Vec<Result<Purged, Refusal>>, Error> {
        let scope = caller.scope(None)?;
        let known = distinct(ids);
        let found = self
            .database
            .write(caller.actor(), move |unit| {
                let (scope, known) = (scope.clone(), known.clone());
                Box::pin(async move { purge(unit, &scope, known, force).await })
            })
            .await?;
        Ok(answers(ids, &found))
    }

    async fn relocate(
        &self,
        caller: &Caller,
        signature: Signature,
        ids: &[Option<ImageId>],
        destination: Destination,
    ) -> Result<Vec<Result<Moved, Refusal>>, Error> {
        let scope = caller.scope(None)?;
        let known = distinct(ids);
        let found = self
            .database
            .write_items(known.len(), signature, move |unit| {
                let (scope, known) = (scope.clone(), known.clone());
                Box::pin(async move { relocate(unit, &scope, known, destination).await })
            })
            .await?;
        Ok(answers(ids, &found))
    }
}

pub(super) fn distinct(ids: &[Option<ImageId>]) -> Vec<Uuid> {
    let ids: HashSet<Uuid> = ids.iter().flatten().map(|id| id.0).collect();
    ids.into_iter().collect()
}

/// Brings the results into the order of the ids; an id without a result was not found.
pub(super) fn answers<T: Clone>(
    ids: &[Option<ImageId>],
    found: &HashMap<Uuid, Result<T, Refusal>>,
) -> Vec<Result<T, Refusal>> {
    ids.iter()
        .map(|id| {
            let answer = id.and_then(|id| found.get(&id.0));
            answer.cloned().unwrap_or(Err(Refusal::NotFound))
        })
        .collect()
}

/// Locks the rows of these ids until the transaction ends.
pub(super) async fn locked(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
) -> Result<Vec<Image>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = visible(scope)
        .filter(image::Column::ImageId.is_in(ids))
        .order_by_asc(image::Column::ImageId)
        .lock_exclusive();
    Ok(rows.all(unit).await?)
}

/// How often a move retries for images that others moved between its statements.
const ATTEMPTS: usize = 5;

/// Moves the images that are elsewhere, then reads the rest.
async fn relocate(
    unit: &UnitOfWork,
    scope: &Scope,
    mut ids: Vec<Uuid>,
    destination: Destination,
) -> Result<HashMap<Uuid, Result<Moved, Refusal>>, Error> {
    let mut outcomes = HashMap::with_capacity(ids.len());
    if ids.len() > 1 {
        locked(unit, scope, ids.clone()).await?;
    }
    for _ in 0..ATTEMPTS {
        for image in move_rows(unit, scope, ids.clone(), destination).await? {
            let has_changed = true;
            outcomes.insert(image.image_id, Ok(Moved { image, has_changed }));
        }
        ids.retain(|id| !outcomes.contains_key(id));
        if ids.is_empty() {
            return Ok(outcomes);
        }
        let found = visible(scope).filter(image::Column::ImageId.is_in(ids.clone()));
        let (there, elsewhere): (Vec<_>, Vec<_>) = (found.all(unit).await?)
            .into_iter()
            .partition(|image| destination.is_of(image));
        for image in there {
            let has_changed = false;
            outcomes.insert(image.image_id, Ok(Moved { image, has_changed }));
        }
        if elsewhere.is_empty() {
            return Ok(outcomes);
        }
        // Another caller moved these between the two statements.
        ids = elsewhere.into_iter().map(|image| image.image_id).collect();
    }
    let busy = "the same images are being moved at the same time".to_owned();
    Err(db::Error::Unavailable(busy).into())
}

/// Moves those of the images that are not there yet.
async fn move_rows(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
    destination: Destination,
) -> Result<Vec<Image>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let now = now();
    let (deleted_at, is_elsewhere) = match destination {
        Destination::Trash => (Some(now), image::Column::DeletedAt.is_null()),
        Destination::Gallery => (None, image::Column::DeletedAt.is_not_null()),
    };
    let mut update = image::Entity::update_many()
        .col_expr(image::Column::DeletedAt, deleted_at.into())
        .col_expr(
            image::Column::UpdatedAt,
            unit.dialect().next_updated_at(now),
        )
        .filter(is_in_scope(scope))
        .filter(image::Column::ImageId.is_in(ids))
        .filter(is_elsewhere)
        .into_query();
    images(unit, update.returning(returning_rows(unit))).await
}

async fn purge(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
    force: bool,
) -> Result<HashMap<Uuid, Result<Purged, Refusal>>, Error> {
    let rows = locked(unit, scope, ids.clone()).await?;
    let found: HashSet<Uuid> = rows.iter().map(|row| row.image_id).collect();
    let missing = ids.into_iter().filter(|id| !found.contains(id)).collect();
    let gone = purged_before(unit, scope, missing).await?;
    let may_go = |row: &Image| force || row.deleted_at.is_some();
    let purgeable: Vec<Uuid> = rows
        .iter()
        .filter(|row| may_go(row))
        .map(|row| row.image_id)
        .collect();
    delete_rows(unit, purgeable).await?;
    let purged = |id: Uuid, has_changed| Purged {
        id: ImageId(id),
        has_changed,
    };
    let there = rows.iter().map(|row| {
        let outcome = if may_go(row) {
            Ok(purged(row.image_id, true))
        } else {
            Err(Refusal::NotDeleted)
        };
        (row.image_id, outcome)
    });
    let gone = gone.into_iter().map(|id| (id, Ok(purged(id, false))));
    Ok(there.chain(gone).collect())
}

/// Deletes rows that this transaction has locked.
pub(super) async fn delete_rows(unit: &UnitOfWork, ids: Vec<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let delete = image::Entity::delete_many()
        .filter(image::Column::ImageId.is_in(ids))
        .into_query();
    unit.execute(&delete).await?;
    Ok(())
}
