//! Comparing prompts, along the indexes of migration `m0009_prompts`.

use migration::{postgres_prompt, postgres_prompt_hash, sqlite_prompt, sqlite_prompt_hash};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};

use super::Dialect;
use super::search::{self, Query};

/// One of the two prompts of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    /// What the user entered.
    Original,
    /// What was given to the model.
    Refined,
}

impl PromptKind {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Original => "original_prompt",
            Self::Refined => "refined_prompt",
        }
    }
}

/// SQL for a prompt of the rows of a table.
struct Prompt {
    /// The column.
    stored: String,
    /// Without white space at both ends.
    text: String,
    /// What the index has of the text.
    hash: String,
}

/// The active rows of a second table of images whose prompt has the same hash, as `FROM` and `WHERE`.
fn with_same_hash(one: &Prompt, other: &Prompt, second: &str) -> String {
    format!(
        " FROM image_gallery AS {second} WHERE {} IS NOT NULL AND {second}.deleted_at IS NULL AND {} = {}",
        other.stored, other.hash, one.hash
    )
}

impl Dialect {
    fn prompt(self, kind: PromptKind, table: &str) -> Prompt {
        let stored = format!("{table}.{}", kind.column());
        match self {
            Self::Postgres => {
                let text = postgres_prompt(&stored);
                let hash = postgres_prompt_hash(&text);
                Prompt { stored, text, hash }
            }
            Self::Sqlite => {
                let text = sqlite_prompt(&stored);
                let hash = sqlite_prompt_hash(&text);
                Prompt { stored, text, hash }
            }
        }
    }

    /// The image has such a prompt, and it is not blank.
    pub fn has_some_prompt(self, kind: PromptKind) -> SimpleExpr {
        let prompt = self.prompt(kind, "image_gallery");
        Expr::cust(format!("{} <> ''", prompt.text))
    }

    /// The image has this prompt, which has no white space at its ends.
    pub fn has_prompt(self, kind: PromptKind, text: &str) -> SimpleExpr {
        let Prompt {
            stored,
            text: own,
            hash,
        } = self.prompt(kind, "image_gallery");
        match self {
            Self::Postgres => {
                let given = postgres_prompt_hash("CAST($1 AS text)");
                let sql = format!("{stored} IS NOT NULL AND {hash} = {given} AND {own} = $1");
                Expr::cust_with_values(sql, [text])
            }
            Self::Sqlite => {
                let given = sqlite_prompt_hash("?");
                let sql = format!("{stored} IS NOT NULL AND {hash} = {given} AND {own} = ?");
                Expr::cust_with_values(sql, [text, text])
            }
        }
    }

    /// The active rows of a second table of images that have the same prompt, as `FROM` and `WHERE`.
    pub fn with_same_prompt(self, kind: PromptKind, first: &str, second: &str) -> String {
        let (one, other) = (self.prompt(kind, first), self.prompt(kind, second));
        let from = with_same_hash(&one, &other, second);
        format!("{from} AND {} = {}", other.text, one.text)
    }

    /// No newer active image, of this owner or of all, has the same prompt. As a scalar subquery and not as `NOT EXISTS`, which
    /// Postgres may turn into a join of the whole table with itself; and not compared with null, which Postgres takes for rare, so
    /// that it would sort instead of reading along an index.
    pub fn is_newest_with_prompt(self, kind: PromptKind, owner: Option<&str>) -> SimpleExpr {
        let (one, newer) = (
            self.prompt(kind, "image_gallery"),
            self.prompt(kind, "newer"),
        );
        let from = with_same_hash(&one, &newer, "newer");
        let (one, newer) = (one.text, newer.text);
        let mut sql = match self {
            // As a condition, Postgres would expect the texts to differ mostly, and read all rows with the hash. If the texts of
            // two rows with one hash ever differ, their prompts may be listed twice.
            Self::Postgres => format!("coalesce((SELECT {newer} <> {one}{from}"),
            Self::Sqlite => format!("coalesce((SELECT false{from} AND {newer} = {one}"),
        };
        sql.push_str(" AND (newer.created_at, newer.image_id) > (image_gallery.created_at, image_gallery.image_id)");
        if owner.is_some() {
            sql.push_str(match self {
                Self::Postgres => " AND newer.user_id = $1",
                Self::Sqlite => " AND newer.user_id = ?",
            });
        }
        // In the order of the index, which is read from its end: the newest is found first.
        sql.push_str(
            " ORDER BY newer.user_id DESC, newer.created_at DESC, newer.image_id DESC LIMIT 1), true)",
        );
        match owner {
            Some(owner) => Expr::cust_with_values(sql, [owner]),
            None => Expr::cust(sql),
        }
    }

    /// The prompt of this kind matches a search; None if every row does.
    pub fn prompt_matches(self, kind: PromptKind, query: &Query) -> Option<SimpleExpr> {
        match self {
            Self::Postgres => {
                let of_kind = query.to_postgres(Self::INDEXED_WORD_PREFIX)?;
                let of_kind = search::postgres_in_prompt(of_kind, kind)?;
                // The index has the words of both prompts: it finds candidates.
                let candidates = query
                    .required()
                    .and_then(|query| self.matches(&query, None));
                Some(match candidates {
                    Some(candidates) => candidates.and(of_kind),
                    None => of_kind,
                })
            }
            Self::Sqlite => {
                let query = query.to_fts5()?.within(kind.column());
                Self::fts5(query)
            }
        }
    }
}
