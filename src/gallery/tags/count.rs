//! The tags in use and the number of their images: a list to page through, and the most frequent ones of a list of images.

use std::cmp::Ordering;

use sea_orm::QueryResult;

use super::tag::folded;
use super::write_scope;
use crate::auth::{Caller, Scope, UserId};
use crate::db::Sql;
use crate::gallery::list::to_count;
use crate::gallery::page::{End, Side};
use crate::gallery::stats::{MAX_COUNTED, first_rows};
use crate::gallery::{ArgumentError, Error, Gallery, List};

/// A tag in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCount {
    /// The spelling that is shown.
    pub tag: String,
    /// Active images.
    pub count: u64,
    /// Its place in the list.
    pub key: TagKey,
}

/// A place in the list of tags: the most used first, equally used ones by the alphabet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagKey {
    /// Active images.
    pub count: i64,
    /// The tag without letter case.
    pub folded: String,
}

impl Ord for TagKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_count = other.count.cmp(&self.count);
        by_count.then_with(|| self.folded.cmp(&other.folded))
    }
}

impl PartialOrd for TagKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which tags a list has.
#[derive(Clone, Debug, Default)]
pub struct TagSelection {
    /// The tags of this owner only.
    pub user_id: Option<UserId>,
    /// How they begin, without letter case; blank for all.
    pub starts_with: String,
}

/// A page of the list of tags to read.
#[derive(Clone, Debug)]
pub struct TagPage {
    /// Tags after this.
    pub after: Option<TagKey>,
    /// Tags before this.
    pub before: Option<TagKey>,
    /// Maximum number of tags, 1 to 100.
    pub limit: u64,
    /// The end of the range at which the page lies.
    pub end: End,
}

/// A page of the list of tags.
#[derive(Clone, Debug)]
pub struct TagSlice {
    /// The tags, in the list's order.
    pub tags: Vec<TagCount>,
    /// Whether a tag was found beyond the far end of the page.
    pub has_more: bool,
}

impl TagSelection {
    /// Checks the arguments.
    pub fn check(&self) -> Result<(), ArgumentError> {
        if self.starts_with.contains('\0') {
            return Err(ArgumentError::NulInTag);
        }
        Ok(())
    }
}

impl Gallery {
    /// Reads a page of the tags in use on active images, the most used first.
    pub async fn tags(
        &self,
        caller: &Caller,
        selection: &TagSelection,
        page: &TagPage,
    ) -> Result<TagSlice, Error> {
        let scope = caller.scope(selection.user_id.clone())?;
        let bounds = [(&page.after, Side::After), (&page.before, Side::Before)];
        let bounds = bounds.map(|(key, side)| key.as_ref().map(|key| (key, side)));
        let mut sql = Sql::new(self.database.dialect(), "SELECT page.uses, page.folded, ");
        write_spelling(&scope, "page.folded", &mut sql);
        sql.text(" FROM (SELECT counted.uses, counted.folded");
        selection.write_counted(&scope, bounds.into_iter().flatten(), &mut sql);
        write_order("counted", page.end, &mut sql);
        let limit = page.limit.saturating_add(1);
        sql.text(" LIMIT ")
            .text(&limit.to_string())
            .text(") AS page");
        let rows = self.all_rows(sql.into_statement()).await?;
        let mut tags = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = tags.len() > limit;
        tags.sort_by(|one, other| one.key.cmp(&other.key));
        match page.end {
            End::Front => tags.truncate(limit),
            End::Back => drop(tags.drain(..tags.len().saturating_sub(limit))),
        }
        Ok(TagSlice { tags, has_more })
    }

    /// Whether the list has a tag on that side of a place.
    pub async fn has_tags_beyond(
        &self,
        caller: &Caller,
        selection: &TagSelection,
        key: &TagKey,
        side: Side,
    ) -> Result<bool, Error> {
        let scope = caller.scope(selection.user_id.clone())?;
        let mut sql = Sql::new(self.database.dialect(), "SELECT 1");
        selection.write_counted(&scope, [(key, side)].into_iter(), &mut sql);
        sql.text(" LIMIT 1");
        Ok(!self.all_rows(sql.into_statement()).await?.is_empty())
    }

    /// The most frequent tags in the newest [`MAX_COUNTED`] images of the list.
    pub async fn count_by_tag(
        &self,
        caller: &Caller,
        list: &List,
        first: i32,
    ) -> Result<Vec<TagCount>, Error> {
        let first = first_rows(first)?;
        let scope = caller.scope(list.user_id.clone())?;
        let mut sql = Sql::new(
            self.database.dialect(),
            "WITH counted AS (SELECT image_gallery.image_id",
        );
        self.rows(caller, list)?.write_newest(MAX_COUNTED, &mut sql);
        sql.text(") SELECT page.uses, page.folded, ");
        write_spelling(&scope, "page.folded", &mut sql);
        sql.text(
            " FROM (SELECT count(*) AS uses, label.folded FROM counted JOIN image_gallery_tag AS label \
             ON label.image_id = counted.image_id WHERE ",
        );
        write_scope(&scope, "label", &mut sql);
        sql.text(" GROUP BY label.folded ORDER BY 1 DESC, label.folded LIMIT ")
            .value(first)
            .text(") AS page");
        let rows = self.all_rows(sql.into_statement()).await?;
        let mut tags = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        tags.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(tags)
    }
}

fn read(row: &QueryResult) -> Result<TagCount, Error> {
    let key = TagKey {
        count: row.try_get_by_index(0)?,
        folded: row.try_get_by_index(1)?,
    };
    Ok(TagCount {
        tag: row.try_get_by_index(2)?,
        count: to_count(key.count),
        key,
    })
}

/// Appends the spelling of a tag. Every image of an owner has the same; of several owners the first one's is shown.
fn write_spelling(scope: &Scope, tag: &str, sql: &mut Sql) {
    sql.text("(SELECT known.tag FROM image_gallery_tag AS known WHERE ");
    write_scope(scope, "known", sql);
    sql.text(" AND known.folded = ")
        .text(tag)
        .text(" ORDER BY known.user_id, known.image_id LIMIT 1)");
}

fn write_order(table: &str, from: End, sql: &mut Sql) {
    let [by_count, by_tag] = match from {
        End::Front => [".uses DESC, ", ".folded ASC"],
        End::Back => [".uses ASC, ", ".folded DESC"],
    };
    sql.text(" ORDER BY ").text(table).text(by_count);
    sql.text(table).text(by_tag);
}

impl TagSelection {
    /// Appends `FROM` with the tags in use, their number of active images, and conditions. Images in the trash are left out:
    /// an index has them, and mostly they are few.
    fn write_counted<'k>(
        &self,
        scope: &Scope,
        bounds: impl Iterator<Item = (&'k TagKey, Side)>,
        sql: &mut Sql,
    ) {
        sql.text(
            " FROM (SELECT count(*) AS uses, label.folded FROM image_gallery_tag AS label WHERE ",
        );
        write_scope(scope, "label", sql);
        let prefix = folded(self.starts_with.trim_start());
        if !prefix.is_empty() {
            sql.text(" AND label.folded >= ").value(prefix.as_str());
            if let Some(end) = behind_prefix(&prefix) {
                sql.text(" AND label.folded < ").value(end);
            }
        }
        if prefix.is_empty() {
            sql.text(
                " AND NOT EXISTS (SELECT 1 FROM image_gallery AS trashed \
                 WHERE trashed.image_id = label.image_id AND trashed.deleted_at IS NOT NULL AND ",
            );
            write_scope(scope, "trashed", sql);
            sql.text(")");
        } else {
            // A join would read all images for the few tags that begin like this.
            sql.text(
                " AND (SELECT image.deleted_at FROM image_gallery AS image WHERE image.image_id = label.image_id) IS NULL",
            );
        }
        sql.text(" GROUP BY label.folded) AS counted WHERE true");
        for (key, side) in bounds {
            let [by_count, by_tag] = match side {
                Side::After => [" < ", " > "],
                Side::FromOn => [" < ", " >= "],
                Side::Before => [" > ", " < "],
                Side::UpTo => [" > ", " <= "],
            };
            sql.text(" AND (counted.uses")
                .text(by_count)
                .value(key.count);
            sql.text(" OR counted.uses = ").value(key.count);
            sql.text(" AND counted.folded")
                .text(by_tag)
                .value(key.folded.as_str())
                .text(")");
        }
    }
}

/// The first text behind all that begin like this, in the order of code points; none if there is no such text.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // Behind the last code point before the surrogates comes the first one behind them.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_behind_a_beginning_is_the_next_one() {
        for (prefix, behind) in [
            ("cat", Some("cau")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(behind_prefix(prefix).as_deref(), behind, "{prefix:?}");
        }
    }
}
