//! Favourites: images that their owner has marked, in a table beside that of the images.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::tags::beside;
use super::touch::{Targets, touch};
use super::trash::{answers, distinct};
use super::{Error, Gallery, Image, ImageId, Refusal};
use crate::auth::{Caller, Scope, UserId};
use crate::db::{Sql, UnitOfWork};

impl Gallery {
    /// Marks active images as favourites, or unmarks them. Returns one result for each id, in their order.
    pub async fn set_favorite(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
        is_favorite: bool,
    ) -> Result<Vec<Result<Image, Refusal>>, Error> {
        let scope = caller.scope(None)?;
        let known = distinct(ids);
        let outcomes = self
            .database
            .write(caller.actor(), move |unit| {
                let (scope, known) = (scope.clone(), known.clone());
                Box::pin(async move { mark(unit, &scope, known, is_favorite).await })
            })
            .await?;
        Ok(answers(ids, &outcomes))
    }
}

async fn mark(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
    is_favorite: bool,
) -> Result<HashMap<Uuid, Result<Image, Refusal>>, Error> {
    let mut targets = Targets::lock(unit, scope, ids).await?;
    let marked = marked_of(unit, &targets.active).await?;
    let mut changed = targets.active;
    changed.retain(|id| marked.contains(id) != is_favorite);
    if changed.is_empty() {
        return Ok(targets.outcomes);
    }
    let mut sql = if is_favorite {
        Sql::new(
            unit.dialect(),
            "INSERT INTO image_gallery_favorite (image_id, user_id) SELECT image.image_id, image.user_id \
             FROM image_gallery AS image WHERE image.image_id IN ",
        )
    } else {
        Sql::new(
            unit.dialect(),
            "DELETE FROM image_gallery_favorite WHERE image_id IN ",
        )
    };
    sql.values(changed.iter().copied());
    unit.execute_raw(sql.into_statement()).await?;
    for image in touch(unit, &changed).await? {
        targets.outcomes.insert(image.image_id, Ok(image));
    }
    Ok(targets.outcomes)
}

/// Those of the images that are marked.
async fn marked_of(unit: &UnitOfWork, images: &[Uuid]) -> Result<HashSet<Uuid>, DbErr> {
    if images.is_empty() {
        return Ok(HashSet::new());
    }
    let mut sql = Sql::new(
        unit.dialect(),
        "SELECT favorite.image_id FROM image_gallery_favorite AS favorite WHERE favorite.image_id IN ",
    );
    sql.values(images.iter().copied());
    let rows = unit.query_all_raw(sql.into_statement()).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The condition that an image of a list is a favourite, or that it is none.
pub(super) fn is_favorite(is_favorite: bool, owner: Option<&UserId>) -> SimpleExpr {
    let exists = Expr::exists(beside("image_gallery_favorite", "favorite", owner));
    if is_favorite { exists } else { exists.not() }
}
