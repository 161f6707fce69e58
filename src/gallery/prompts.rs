//! The different prompts of active images. A prompt stands for all images that have it, and is listed as the newest of them:
//! so a page of prompts is a page of images, with one condition more.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait};
use uuid::Uuid;

use super::list::{NEWEST_FIRST, Rows, to_count};
use super::{
    Collection, Column, Columns, Error, Filter, Gallery, Page, Parts, Side, Slice, SortKey,
};
use crate::auth::{Caller, Denied, UserId};
use crate::db::Sql;
use crate::db::search::Search;
use crate::entity::Timestamp;

pub use crate::db::PromptKind;

/// Which prompts a list has.
#[derive(Clone, Debug)]
pub struct PromptSelection {
    /// The prompts of this owner's images only.
    pub user_id: Option<UserId>,
    /// Which of the two.
    pub kind: PromptKind,
    /// Web-search syntax, in the prompts of this kind.
    pub search: Option<String>,
}

/// How a prompt was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptUse {
    /// The active images that have it.
    pub images: u64,
    /// When the first of them was created.
    pub first_used_at: Timestamp,
}

impl PromptKind {
    /// The columns of an image that has the prompt.
    pub fn columns(self) -> Columns {
        Columns::of(&[match self {
            Self::Original => Column::OriginalPrompt,
            Self::Refined => Column::RefinedPrompt,
        }])
    }
}

impl Gallery {
    /// Reads a page of the prompts, last used first: of each the newest image.
    pub async fn prompts(
        &self,
        caller: &Caller,
        selection: &PromptSelection,
        page: &Page,
    ) -> Result<Slice, Error> {
        let parts = Parts {
            columns: selection.kind.columns(),
            total_count: false,
            has_before: false,
            has_behind: false,
        };
        let rows = self.rows_of_prompts(caller, selection)?;
        self.read_page(&rows, page, parts).await
    }

    /// Whether the list has a prompt on that side of a sort key.
    pub async fn has_prompts_beyond(
        &self,
        caller: &Caller,
        selection: &PromptSelection,
        key: SortKey,
        side: Side,
    ) -> Result<bool, Error> {
        let rows = self.rows_of_prompts(caller, selection)?;
        self.has_row_beyond(&rows, NEWEST_FIRST, key, side).await
    }

    /// The use of each of these prompts, by the image that stands for it.
    pub async fn prompt_uses(
        &self,
        caller: &Caller,
        selection: &PromptSelection,
        newest: &[Uuid],
    ) -> Result<HashMap<Uuid, PromptUse>, Error> {
        let scope = caller.scope(selection.user_id.clone())?;
        if newest.is_empty() {
            return Ok(HashMap::new());
        }
        let dialect = self.database.dialect();
        let uses = dialect.with_same_prompt(selection.kind, "listed", "used");
        let mut sql = Sql::new(dialect, "SELECT listed.image_id");
        for part in ["count(*)", "min(used.created_at)"] {
            sql.text(", (SELECT ").text(part).text(&uses);
            if let Some(owner) = scope.owner() {
                sql.text(" AND used.user_id = ").value(owner.as_str());
            }
            sql.text(")");
        }
        sql.text(" FROM image_gallery AS listed WHERE listed.image_id IN ")
            .values(newest.iter().copied());
        if let Some(owner) = scope.owner() {
            sql.text(" AND listed.user_id = ").value(owner.as_str());
        }
        let mut uses = HashMap::with_capacity(newest.len());
        for row in self.all_rows(sql.into_statement()).await? {
            // The image may have been moved to the trash since it was listed.
            let Some(first_used_at) = row.try_get_by_index(2)? else {
                continue;
            };
            let used = PromptUse {
                images: to_count(row.try_get_by_index(1)?),
                first_used_at,
            };
            uses.insert(row.try_get_by_index(0)?, used);
        }
        Ok(uses)
    }

    fn rows_of_prompts(
        &self,
        caller: &Caller,
        selection: &PromptSelection,
    ) -> Result<Rows, Denied> {
        let scope = caller.scope(selection.user_id.clone())?;
        let dialect = self.database.dialect();
        let owner = scope.owner().map(UserId::as_str);
        let newest = dialect.is_newest_with_prompt(selection.kind, owner);
        let mut condition = dialect.has_some_prompt(selection.kind).and(newest);
        let found = match Search::parse(selection.search.as_deref().unwrap_or_default()) {
            Search::Blank => None,
            Search::Nothing => Some(Expr::value(false)),
            Search::Query(query) => dialect.prompt_matches(selection.kind, &query),
        };
        if let Some(found) = found {
            condition = found.and(condition);
        }
        let rows = self.rows_in(scope, Collection::Active, &Filter::default());
        Ok(rows.and(condition))
    }
}
