//! Keys of owners, one image for each: `image_gallery_once_key`. A key and the image created under it are stored in one
//! transaction. Whoever claims a key that another transaction has just claimed waits for its end.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::{Error, visible};
use crate::auth::Scope;
use crate::db::UnitOfWork;
use crate::entity::image;
use crate::entity::once_key::{Column, Entity};

/// An owner and the owner's own name for an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OnceKey {
    pub(super) user_id: String,
    pub(super) text: String,
}

/// A key that is wanted, for which image, and the place of the record that wants it.
pub(super) struct Claim<'r> {
    pub(super) key: &'r OnceKey,
    pub(super) image_id: Uuid,
    pub(super) place: usize,
}

/// The images of these keys.
pub(super) async fn find(
    unit: &UnitOfWork,
    keys: &[&OnceKey],
) -> Result<HashMap<OnceKey, Uuid>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = Query::select();
    query
        .columns([Column::UserId, Column::OnceKey, Column::ImageId])
        .from(Entity)
        .and_where(is_any_of(keys));
    let rows = unit.query_all(&query).await?;
    let found = rows.iter().map(|row| {
        let key = OnceKey {
            user_id: row.try_get_by_index(0)?,
            text: row.try_get_by_index(1)?,
        };
        Ok((key, row.try_get_by_index(2)?))
    });
    found.collect()
}

/// Takes the keys that are free, and returns them with the places that got them. In the order of the keys, so that two
/// batches cannot deadlock.
pub(super) async fn claim(
    unit: &UnitOfWork,
    mut claims: Vec<Claim<'_>>,
) -> Result<HashMap<OnceKey, usize>, Error> {
    // The sort is stable: of several records with one key the first one gets it.
    claims.sort_by_key(|claim| claim.key);
    claims.dedup_by_key(|claim| claim.key);
    if claims.is_empty() {
        return Ok(HashMap::new());
    }
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::UserId, Column::OnceKey, Column::ImageId])
        .on_conflict(
            OnConflict::columns([Column::UserId, Column::OnceKey])
                .do_nothing()
                .to_owned(),
        )
        .returning(Query::returning().columns([Column::UserId, Column::OnceKey]));
    for claim in &claims {
        insert.values_panic([
            claim.key.user_id.as_str().into(),
            claim.key.text.as_str().into(),
            claim.image_id.into(),
        ]);
    }
    let rows = unit.query_all(&insert).await?;
    let mut places: HashMap<OnceKey, usize> = claims
        .iter()
        .map(|claim| (claim.key.clone(), claim.place))
        .collect();
    let mut claimed = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = OnceKey {
            user_id: row.try_get_by_index(0)?,
            text: row.try_get_by_index(1)?,
        };
        claimed.extend(places.remove_entry(&key));
    }
    Ok(claimed)
}

/// Frees those of the keys that have no image of their owner: another application has given it to somebody else, or
/// another id.
pub(super) async fn free_stale(unit: &UnitOfWork, keys: &[&OnceKey]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let image = Query::select()
        .expr(Expr::value(1))
        .from(image::Entity)
        .and_where(
            Expr::col((image::Entity, image::Column::ImageId)).equals((Entity, Column::ImageId)),
        )
        .and_where(
            Expr::col((image::Entity, image::Column::UserId)).equals((Entity, Column::UserId)),
        )
        .to_owned();
    let mut delete = Query::delete();
    delete
        .from_table(Entity)
        .and_where(is_any_of(keys))
        .and_where(Expr::exists(image).not());
    unit.execute(&delete).await?;
    Ok(())
}

/// Keeps these images from being purged until the transaction ends, and returns those that exist. Otherwise a key could
/// be given to an image whose purge has already freed the keys that it saw.
pub(super) async fn hold(unit: &UnitOfWork, ids: Vec<Uuid>) -> Result<HashSet<Uuid>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let every_row = Scope::unchecked("only the caller's own images are held");
    let held: Vec<Uuid> = visible(&every_row)
        .filter(image::Column::ImageId.is_in(ids))
        .select_only()
        .column(image::Column::ImageId)
        .order_by_asc(image::Column::ImageId)
        .lock(LockType::KeyShare)
        .into_tuple()
        .all(unit)
        .await?;
    Ok(held.into_iter().collect())
}

fn is_any_of(keys: &[&OnceKey]) -> Expr {
    let columns = Expr::tuple([
        Expr::col((Entity, Column::UserId)),
        Expr::col((Entity, Column::OnceKey)),
    ]);
    let keys = keys.iter().map(|key| {
        Expr::tuple([
            Expr::value(key.user_id.as_str()),
            Expr::value(key.text.as_str()),
        ])
    });
    // SQLite reads no list of rows behind IN.
    keys.map(|key| columns.clone().eq(key))
        .reduce(ExprTrait::or)
        .unwrap_or_else(|| Expr::value(false))
}
