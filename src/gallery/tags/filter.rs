//! The conditions on an image's tags.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Query, SelectStatement, SimpleExpr};

use super::{MAX_TAGS, tag::folded};
use crate::auth::UserId;
use crate::entity::image;
use crate::gallery::ArgumentError;

/// The number of tags that each have a condition of their own, so that the database may begin with the rarest of them. Each
/// makes planning longer; more are counted.
const SEPARATE: usize = 3;

/// Conditions that all have to hold. Each list has at most [`MAX_TAGS`] tags, and an empty one is no condition.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    /// All of these.
    pub all: Vec<String>,
    /// At least one of these.
    pub any: Vec<String>,
    /// None of these.
    pub none: Vec<String>,
    /// Whether there are tags.
    pub has_some: Option<bool>,
}

impl TagFilter {
    /// Checks the limits. A text that is no tag is on no image.
    pub(in crate::gallery) fn check(&self) -> Result<(), ArgumentError> {
        for texts in [&self.all, &self.any, &self.none] {
            if texts.iter().any(|text| text.contains('\0')) {
                return Err(ArgumentError::NulInTag);
            }
            let tags = distinct(texts).len();
            if tags > MAX_TAGS {
                return Err(ArgumentError::TooManyTags(tags));
            }
        }
        Ok(())
    }

    pub(in crate::gallery) fn conditions(&self, owner: Option<&UserId>) -> Vec<SimpleExpr> {
        let labels = |tags: &mut dyn Iterator<Item = &str>| labels(owner, tags);
        let mut conditions = Vec::new();
        let all = distinct(&self.all);
        for tag in all.iter().take(SEPARATE) {
            conditions.push(Expr::exists(labels(&mut [tag.as_str()].into_iter())));
        }
        if all.len() > SEPARATE {
            let mut count = labels(&mut all.iter().map(String::as_str));
            count.clear_selects().expr(Expr::col(Asterisk).count());
            let number = i64::try_from(all.len()).unwrap_or(i64::MAX);
            conditions.push(Expr::expr(count).eq(number));
        }
        if !self.any.is_empty() {
            let any = distinct(&self.any);
            conditions.push(Expr::exists(labels(&mut any.iter().map(String::as_str))));
        }
        if !self.none.is_empty() {
            let none = distinct(&self.none);
            conditions.push(Expr::exists(labels(&mut none.iter().map(String::as_str))).not());
        }
        if let Some(has_some) = self.has_some {
            let exists = Expr::exists(beside("image_gallery_tag", "label", owner));
            conditions.push(if has_some { exists } else { exists.not() });
        }
        conditions
    }
}

/// The different tags, without letter case.
fn distinct(texts: &[String]) -> BTreeSet<String> {
    texts.iter().map(|text| folded(text.trim())).collect()
}

/// The rows of these tags of the image.
fn labels(owner: Option<&UserId>, tags: &mut dyn Iterator<Item = &str>) -> SelectStatement {
    let mut query = beside("image_gallery_tag", "label", owner);
    query.and_where(Expr::col((Alias::new("label"), Alias::new("folded"))).is_in(tags));
    query
}

/// The rows of a side table that belong to the image of a list. The owner is that of the list and not that of each image:
/// Postgres takes a second comparison of each row for a coincidence, expects no rows, and reads the whole table.
pub(in crate::gallery) fn beside(
    table: &str,
    alias: &str,
    owner: Option<&UserId>,
) -> SelectStatement {
    let column = |name: &str| Expr::col((Alias::new(alias), Alias::new(name)));
    let mut query = Query::select();
    query
        .expr(Expr::cust("1"))
        .from_as(Alias::new(table), Alias::new(alias))
        .and_where(column("image_id").equals((image::Entity, image::Column::ImageId)));
    if let Some(owner) = owner {
        query.and_where(column("user_id").eq(owner.as_str()));
    }
    query
}
