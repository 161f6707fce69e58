//! The SQL of a search on Postgres. The GIN index finds words; phrases are matched in the text, which is computed once
//! for each remaining row, for all phrases and alternatives.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr, Value};
use serde_json::Value as Json;

use super::PostgresCondition;
use crate::db::PromptKind;

/// What is searched.
struct Searched {
    /// The indexed expression; must be identical to the index's.
    vector: String,
    /// The text to match phrases in, and words of alternatives that also have phrases.
    text: String,
}

impl Searched {
    fn both(prompt_key: Option<&str>) -> Self {
        let prompt = migration::postgres_searched_prompt(prompt_key);
        Self::of(&format!(
            "image_gallery_search_text({prompt}, refined_prompt)"
        ))
    }

    /// Not indexed.
    fn only(kind: PromptKind) -> Self {
        Self::of(match kind {
            PromptKind::Original => {
                "image_gallery_search_text(image_gallery.original_prompt, NULL)"
            }
            PromptKind::Refined => "image_gallery_search_text(NULL, image_gallery.refined_prompt)",
        })
    }

    fn of(text: &str) -> Self {
        let vector = format!("image_gallery_search_words({text})");
        Self {
            text: format!("SELECT {vector} AS vector, ' ' || {text} || ' ' AS words OFFSET 0"),
            vector,
        }
    }
}

/// How many alternatives are combined in one `tsquery` that only preselects rows.
const CANDIDATES: usize = 50;

/// At least one condition holds.
pub(in crate::db) fn postgres(
    conditions: Vec<PostgresCondition>,
    prompt_key: Option<&str>,
) -> Option<SimpleExpr> {
    any(conditions, &Searched::both(prompt_key))
}

/// Like [`postgres`], for one of the two prompts. No index serves it.
pub(in crate::db) fn postgres_in_prompt(
    conditions: Vec<PostgresCondition>,
    kind: PromptKind,
) -> Option<SimpleExpr> {
    any(conditions, &Searched::only(kind))
}

fn any(conditions: Vec<PostgresCondition>, searched: &Searched) -> Option<SimpleExpr> {
    let (in_text, in_index): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(PostgresCondition::has_phrases);
    let in_index = in_index
        .into_iter()
        .filter_map(|condition| every(searched, &condition.words));
    in_index
        .chain(any_in_text(searched, &in_text))
        .reduce(ExprTrait::or)
}

/// At least one condition with phrases holds.
fn any_in_text(searched: &Searched, conditions: &[PostgresCondition]) -> Option<SimpleExpr> {
    let (candidates, is_settled) = match conditions {
        [] => return None,
        [only] => (every(searched, &only.words), true),
        several => (any_candidate(searched, several), false),
    };
    let mut values = Vec::new();
    let alternatives: Vec<String> = conditions
        .iter()
        .map(|condition| {
            let words: &[String] = if is_settled { &[] } else { &condition.words };
            alternative(condition, words, &mut values)
        })
        .collect();
    let sql = format!(
        "EXISTS (SELECT FROM ({}) AS text WHERE {})",
        searched.text,
        alternatives.join(" OR ")
    );
    let exact = Expr::cust_with_values(sql, values);
    Some(match candidates {
        Some(candidates) => candidates.and(exact),
        None => exact,
    })
}

fn alternative(condition: &PostgresCondition, words: &[String], values: &mut Vec<Value>) -> String {
    let mut bind = |value: Value| {
        values.push(value);
        values.len()
    };
    let mut parts: Vec<String> = words
        .iter()
        .map(|words| {
            let place = bind(words.clone().into());
            format!("text.vector @@ CAST(CAST(${place} AS text) AS tsquery)")
        })
        .collect();
    for (phrases, is_at_fault) in [(&condition.with, "= 0"), (&condition.without, "> 0")] {
        if !phrases.is_empty() {
            let place = bind(Json::from(phrases.clone()).into());
            parts.push(format!(
                "NOT EXISTS (SELECT FROM jsonb_array_elements_text(${place}) AS phrase \
                 WHERE strpos(text.words, phrase) {is_at_fault})"
            ));
        }
    }
    format!("({})", parts.join(" AND "))
}

/// All of these match.
fn every(searched: &Searched, words: &[String]) -> Option<SimpleExpr> {
    words
        .iter()
        .map(String::as_str)
        .map(|words| matching(searched, words))
        .reduce(ExprTrait::and)
}

/// Rows with the words of at least one alternative; None if one has no words.
fn any_candidate(searched: &Searched, conditions: &[PostgresCondition]) -> Option<SimpleExpr> {
    let words: Option<Vec<&str>> = conditions
        .iter()
        .map(|condition| condition.words.first().map(String::as_str))
        .collect();
    let chunks = words?;
    let chunks = chunks
        .chunks(CANDIDATES)
        .map(|words| matching(searched, &words.join(" | ")));
    chunks.reduce(ExprTrait::or)
}

fn matching(searched: &Searched, words: &str) -> SimpleExpr {
    let sql = format!("{} @@ CAST(CAST($1 AS text) AS tsquery)", searched.vector);
    Expr::cust_with_values(sql, [words])
}
