//! Renaming a tag on all of an owner's images, in small transactions: memory and lock times are bounded, whatever their
//! number. It is safe to repeat: a later call goes on where one has ended.

use sea_orm::ConnectionTrait;
use tokio::time::Instant;
use uuid::Uuid;

use super::store::{put_on, take_off};
use super::{InvalidTags, Tag, TagList};
use crate::auth::{Caller, Scope, UserId};
use crate::db::{Sql, UnitOfWork};
use crate::gallery::touch::touch;
use crate::gallery::trash::locked;
use crate::gallery::{ArgumentError, Error, Gallery};

/// Maximum number of images per call.
const MAX_IMAGES: usize = 10_000;
/// Images per transaction.
const BATCH: usize = 500;

/// The result of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renamed {
    /// How many images changed.
    pub count: usize,
    /// Whether some still have the old name.
    pub has_more: bool,
}

/// A tag and its new name.
#[derive(Clone, Debug)]
struct Renaming {
    from: Tag,
    to: Tag,
}

impl Gallery {
    /// Renames a tag on the owner's images, also those in the trash. If the owner has the new one already, they become one.
    /// A failure after the first commit ends the call and is not an error.
    pub async fn rename_tag(
        &self,
        caller: &Caller,
        user_id: Option<UserId>,
        from: &str,
        to: &str,
    ) -> Result<Result<Renamed, Vec<InvalidTags>>, Error> {
        caller.require_access()?;
        let owner = user_id.or_else(|| caller.own_id().cloned());
        let owner = owner.ok_or(ArgumentError::NoTagOwner)?;
        let scope = caller.scope(Some(owner))?;
        let renaming = match Renaming::check(from, to) {
            Ok(renaming) => renaming,
            Err(invalid) => return Ok(Err(invalid)),
        };
        let deadline = Instant::now() + self.sweep_time;
        let mut renamed = Renamed::default();
        loop {
            let (scope, renaming) = (scope.clone(), renaming.clone());
            let batch = self
                .database
                .write(caller.actor(), move |unit| {
                    let (scope, renaming) = (scope.clone(), renaming.clone());
                    Box::pin(async move { rename(unit, &scope, &renaming).await })
                })
                .await;
            match batch {
                Ok(None) => return Ok(Ok(renamed)),
                Ok(Some(count)) => renamed.count += count,
                Err(error) if renamed.count == 0 => return Err(error),
                Err(error) => {
                    tracing::error!(%error, images = renamed.count, "renaming a tag failed after its first transactions");
                    renamed.has_more = true;
                    return Ok(Ok(renamed));
                }
            }
            // Whether there are more is not known; a call that finds none says so.
            if renamed.count >= MAX_IMAGES || Instant::now() >= deadline {
                renamed.has_more = true;
                return Ok(Ok(renamed));
            }
        }
    }
}

impl Renaming {
    fn check(from: &str, to: &str) -> Result<Self, Vec<InvalidTags>> {
        let read = |list, text: &str| {
            Tag::new(text).map_err(|error| InvalidTags {
                list,
                place: None,
                refusal: error.into(),
            })
        };
        match (read(TagList::From, from), read(TagList::To, to)) {
            (Ok(from), Ok(to)) => Ok(Self { from, to }),
            (from, to) => Err([from.err(), to.err()].into_iter().flatten().collect()),
        }
    }

    /// Whether only the spelling changes.
    fn is_respelling(&self) -> bool {
        self.from.folded() == self.to.folded()
    }
}

/// Renames the tag on the next images, and returns their number; none if there are none.
async fn rename(
    unit: &UnitOfWork,
    scope: &Scope,
    renaming: &Renaming,
) -> Result<Option<usize>, Error> {
    let mut sql = Sql::new(
        unit.dialect(),
        "SELECT label.image_id FROM image_gallery_tag AS label WHERE ",
    );
    super::write_scope(scope, "label", &mut sql);
    sql.text(" AND label.folded = ")
        .value(renaming.from.folded());
    if renaming.is_respelling() {
        sql.text(" AND label.tag <> ").value(renaming.to.spelling());
    }
    sql.text(" ORDER BY label.image_id LIMIT ")
        .text(&BATCH.to_string());
    let rows = unit.query_all_raw(sql.into_statement()).await?;
    let found = rows.iter().map(|row| row.try_get_by_index(0));
    let found = found.collect::<Result<Vec<Uuid>, _>>()?;
    if found.is_empty() {
        return Ok(None);
    }
    let images = locked(unit, scope, found.clone()).await?;
    let images: Vec<Uuid> = images.iter().map(|image| image.image_id).collect();
    if renaming.is_respelling() {
        respell(unit, &found, &renaming.to).await?;
    } else {
        put_on(unit, &images, std::slice::from_ref(&renaming.to)).await?;
        // Also where an image was purged meanwhile, so that no row is found again.
        take_off(unit, &found, &[renaming.from.folded()]).await?;
    }
    touch(unit, &images).await?;
    Ok(Some(images.len()))
}

async fn respell(unit: &UnitOfWork, images: &[Uuid], tag: &Tag) -> Result<(), Error> {
    let mut sql = Sql::new(unit.dialect(), "UPDATE image_gallery_tag SET tag = ");
    sql.value(tag.spelling())
        .text(" WHERE folded = ")
        .value(tag.folded())
        .text(" AND image_id IN ")
        .values(images.iter().copied());
    unit.execute_raw(sql.into_statement()).await?;
    Ok(())
}
