//! The statements on `image_gallery_tag`, which has the owner of each image beside it.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::Tag;
use crate::db::{Dialect, Sql, UnitOfWork};
use crate::gallery::Error;

/// The folded tags of each of these images.
pub(in crate::gallery) async fn folded_of(
    unit: &UnitOfWork,
    images: &[Uuid],
) -> Result<HashMap<Uuid, Vec<String>>, Error> {
    if images.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new(
        unit.dialect(),
        "SELECT label.image_id, label.folded FROM image_gallery_tag AS label WHERE label.image_id IN ",
    );
    sql.values(images.iter().copied());
    let rows = unit.query_all_raw(sql.into_statement()).await?;
    let mut tags: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in &rows {
        let folded = row.try_get_by_index(1)?;
        tags.entry(row.try_get_by_index(0)?)
            .or_default()
            .push(folded);
    }
    Ok(tags)
}

/// Puts tags on images that this transaction has locked. A tag that the owner already has keeps its spelling.
pub(in crate::gallery) async fn put_on(
    unit: &UnitOfWork,
    images: &[Uuid],
    tags: &[Tag],
) -> Result<(), Error> {
    if images.is_empty() || tags.is_empty() {
        return Ok(());
    }
    hold_spellings_of(unit, images).await?;
    let mut sql = Sql::new(unit.dialect(), "WITH given (folded, tag) AS (VALUES ");
    for (place, tag) in tags.iter().enumerate() {
        sql.text(if place > 0 { ", (CAST(" } else { "(CAST(" })
            .value(tag.folded())
            .text(" AS text), CAST(")
            .value(tag.spelling())
            .text(" AS text))");
    }
    sql.text(
        ") INSERT INTO image_gallery_tag (image_id, user_id, folded, tag) \
         SELECT image.image_id, image.user_id, given.folded, coalesce(\
         (SELECT known.tag FROM image_gallery_tag AS known \
         WHERE known.user_id = image.user_id AND known.folded = given.folded LIMIT 1), given.tag) \
         FROM image_gallery AS image CROSS JOIN given WHERE image.image_id IN ",
    )
    .values(images.iter().copied())
    .text(" ON CONFLICT (image_id, folded) DO NOTHING");
    unit.execute_raw(sql.into_statement()).await?;
    Ok(())
}

/// Takes tags off images that this transaction has locked.
pub(super) async fn take_off(
    unit: &UnitOfWork,
    images: &[Uuid],
    folded: &[&str],
) -> Result<(), Error> {
    if images.is_empty() || folded.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(
        unit.dialect(),
        "DELETE FROM image_gallery_tag WHERE image_id IN ",
    );
    sql.values(images.iter().copied())
        .text(" AND folded IN ")
        .values(folded.iter().copied());
    unit.execute_raw(sql.into_statement()).await?;
    Ok(())
}

/// Locks each of the owners that a query selects. In one order, so that two transactions cannot deadlock. The first key is an
/// arbitrary constant.
const HOLD_EACH: [&str; 2] = [
    "SELECT pg_advisory_xact_lock(1768777063, owners.key) FROM (SELECT DISTINCT hashtext(given.owner) AS key FROM (",
    ") AS given (owner) ORDER BY 1) AS owners",
];

/// Waits on Postgres until no other transaction puts tags on images of the same owners: of two that use a tag for the first
/// time the second takes the spelling of the first.
async fn hold_spellings_of(unit: &UnitOfWork, images: &[Uuid]) -> Result<(), DbErr> {
    if unit.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let [before, after] = HOLD_EACH;
    let mut sql = Sql::new(unit.dialect(), before);
    sql.text(
        "SELECT CAST(image.user_id AS text) FROM image_gallery AS image WHERE image.image_id IN ",
    )
    .values(images.iter().copied())
    .text(after);
    unit.query_all_raw(sql.into_statement()).await?;
    Ok(())
}

/// Like [`hold_spellings_of`], for these owners.
pub(in crate::gallery) async fn hold_spellings(
    unit: &UnitOfWork,
    owners: BTreeSet<&str>,
) -> Result<(), DbErr> {
    if owners.is_empty() || unit.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let [before, after] = HOLD_EACH;
    let mut sql = Sql::new(unit.dialect(), before);
    for (place, owner) in owners.into_iter().enumerate() {
        sql.text(if place > 0 { ", (" } else { "VALUES (" })
            .value(owner)
            .text(")");
    }
    sql.text(after);
    unit.query_all_raw(sql.into_statement()).await?;
    Ok(())
}
