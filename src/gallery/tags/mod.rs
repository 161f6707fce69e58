//! Tags: the owners' labels on their images, in a table beside that of the images.

mod count;
mod filter;
mod rename;
mod store;
mod tag;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::touch::{Targets, touch};
use super::trash::{answers, distinct};
use super::{Error, Gallery, Image, ImageId, Refusal, check_batch};
use crate::auth::{Caller, Scope};
use crate::db::{Sql, UnitOfWork};

pub use count::{TagCount, TagKey, TagPage, TagSelection, TagSlice};
pub use filter::TagFilter;
pub(super) use filter::beside;
pub use rename::Renamed;
pub(super) use store::{folded_of, hold_spellings, put_on};
pub use tag::{MAX_TAG_CHARACTERS, Tag, TagError};

/// Maximum number of tags of an image.
pub const MAX_TAGS: usize = 50;

/// Tags to put on images and to take off.
#[derive(Clone, Debug, Default)]
pub struct TagChange {
    /// At most [`MAX_TAGS`].
    pub add: Vec<String>,
    /// At most [`MAX_BATCH`](super::MAX_BATCH). One that is added as well stays.
    pub remove: Vec<String>,
}

/// An argument with tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagList {
    /// The tags to put on.
    Add,
    /// The tags to take off.
    Remove,
    /// The tag to rename.
    From,
    /// Its new name.
    To,
}

/// What is wrong with tags in an argument; nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidTags {
    /// The argument.
    pub list: TagList,
    /// The place of the tag; none where the list as a whole is invalid.
    pub place: Option<usize>,
    /// The reason.
    pub refusal: Refusal,
}

/// A valid [`TagChange`].
#[derive(Debug)]
struct Change {
    add: Vec<Tag>,
    /// Folded.
    remove: Vec<String>,
}

impl Gallery {
    /// Puts tags on active images and takes others off. Returns one result for each id, in their order.
    pub async fn tag(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
        change: &TagChange,
    ) -> Result<Result<Vec<Result<Image, Refusal>>, Vec<InvalidTags>>, Error> {
        let scope = caller.scope(None)?;
        let change = match Change::check(change) {
            Ok(change) => Arc::new(change),
            Err(invalid) => return Ok(Err(invalid)),
        };
        let known = distinct(ids);
        let outcomes = self
            .database
            .write(caller.actor(), move |unit| {
                let (scope, known, change) = (scope.clone(), known.clone(), Arc::clone(&change));
                Box::pin(async move { tag_images(unit, &scope, known, &change).await })
            })
            .await?;
        Ok(Ok(answers(ids, &outcomes)))
    }
}

/// Appends the condition of the scope on rows of tags, which have their image's owner.
fn write_scope(scope: &Scope, table: &str, sql: &mut Sql) {
    match scope.owner() {
        Some(owner) => sql.text(table).text(".user_id = ").value(owner.as_str()),
        None => sql.text("true"),
    };
}

impl Change {
    fn check(change: &TagChange) -> Result<Self, Vec<InvalidTags>> {
        let mut invalid = Vec::new();
        if let Err(refusal) = check_batch(change.remove.len()) {
            return Err(vec![InvalidTags {
                list: TagList::Remove,
                place: None,
                refusal,
            }]);
        }
        let mut read = |list, texts: &[String]| {
            let tags = texts.iter().enumerate().filter_map(|(place, text)| {
                let tag = Tag::new(text).map_err(|error| {
                    invalid.push(InvalidTags {
                        list,
                        place: Some(place),
                        refusal: error.into(),
                    });
                });
                tag.ok()
            });
            tags.collect::<Vec<_>>()
        };
        let add = without_repetition(read(TagList::Add, &change.add));
        let remove = without_repetition(read(TagList::Remove, &change.remove));
        if add.len() > MAX_TAGS {
            invalid.push(InvalidTags {
                list: TagList::Add,
                place: None,
                refusal: Refusal::TooManyTags(add.len()),
            });
        }
        if !invalid.is_empty() {
            return Err(invalid);
        }
        let is_kept = |tag: &Tag| add.iter().any(|added| added.folded() == tag.folded());
        let remove = remove.iter().filter(|tag| !is_kept(tag));
        Ok(Self {
            remove: remove.map(|tag| tag.folded().to_owned()).collect(),
            add,
        })
    }

    /// The tags of an image after the change.
    fn apply<'c>(&'c self, before: &BTreeSet<&'c str>) -> BTreeSet<&'c str> {
        let is_kept = |tag: &&str| !self.remove.iter().any(|removed| removed == tag);
        let kept = before.iter().copied().filter(is_kept);
        kept.chain(self.add.iter().map(Tag::folded)).collect()
    }
}

/// The first spelling of each tag.
pub(super) fn without_repetition(tags: Vec<Tag>) -> Vec<Tag> {
    let mut seen = BTreeSet::new();
    let is_first = |tag: &Tag| seen.insert(tag.folded().to_owned());
    let mut tags = tags;
    tags.retain(is_first);
    tags
}

type Outcomes = HashMap<Uuid, Result<Image, Refusal>>;

async fn tag_images(
    unit: &UnitOfWork,
    scope: &Scope,
    ids: Vec<Uuid>,
    change: &Change,
) -> Result<Outcomes, Error> {
    let Targets {
        mut outcomes,
        active,
    } = Targets::lock(unit, scope, ids).await?;
    let stored = folded_of(unit, &active).await?;
    let mut changed = Vec::new();
    for id in active {
        let stored = stored.get(&id).map(Vec::as_slice).unwrap_or_default();
        let before: BTreeSet<&str> = stored.iter().map(String::as_str).collect();
        let after = change.apply(&before);
        if after.len() > MAX_TAGS {
            outcomes.insert(id, Err(Refusal::TooManyTags(after.len())));
        } else if after != before {
            changed.push(id);
        }
    }
    let removed: Vec<&str> = change.remove.iter().map(String::as_str).collect();
    store::take_off(unit, &changed, &removed).await?;
    put_on(unit, &changed, &change.add).await?;
    for image in touch(unit, &changed).await? {
        outcomes.insert(image.image_id, Ok(image));
    }
    Ok(outcomes)
}
