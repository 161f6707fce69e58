//! The SQL of a search on Postgres. The GIN index finds words; phrases are matched in the text, which is computed once
//! for each remaining row, for all phrases and alternatives.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr, Value};
use serde_json::Value as Json;

use super::PostgresCondition;

/// The indexed expression; must be identical to the index's.
const VECTOR: &str =
    "image_gallery_search_words(image_gallery_search_text(original_prompt, refined_prompt))";
/// The text to match phrases in, and words of alternatives that also have phrases.
const TEXT: &str = "SELECT \
    image_gallery_search_words(image_gallery_search_text(original_prompt, refined_prompt)) AS vector, \
    ' ' || image_gallery_search_text(original_prompt, refined_prompt) || ' ' AS words OFFSET 0";
/// How many alternatives are combined in one `tsquery` that only preselects rows.
const CANDIDATES: usize = 50;

/// At least one condition holds.
pub(in crate::db) fn postgres(conditions: Vec<PostgresCondition>) -> Option<SimpleExpr> {
    let (in_text, in_index): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(PostgresCondition::has_phrases);
    let in_index = in_index
        .into_iter()
        .filter_map(|condition| every(&condition.words));
    in_index.chain(any_in_text(&in_text)).reduce(ExprTrait::or)
}

/// At least one condition with phrases holds.
fn any_in_text(conditions: &[PostgresCondition]) -> Option<SimpleExpr> {
    let (candidates, is_settled) = match conditions {
        [] => return None,
        [only] => (every(&only.words), true),
        several => (any_candidate(several), false),
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
        "EXISTS (SELECT FROM ({TEXT}) AS text WHERE {})",
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
fn every(words: &[String]) -> Option<SimpleExpr> {
    words
        .iter()
        .map(String::as_str)
        .map(matching)
        .reduce(ExprTrait::and)
}

/// Rows with the words of at least one alternative; None if one has no words.
fn any_candidate(conditions: &[PostgresCondition]) -> Option<SimpleExpr> {
    let words: Option<Vec<&str>> = conditions
        .iter()
        .map(|condition| condition.words.first().map(String::as_str))
        .collect();
    let chunks = words?;
    let chunks = chunks
        .chunks(CANDIDATES)
        .map(|words| matching(&words.join(" | ")));
    chunks.reduce(ExprTrait::or)
}

fn matching(words: &str) -> SimpleExpr {
    let sql = format!("{VECTOR} @@ CAST(CAST($1 AS text) AS tsquery)");
    Expr::cust_with_values(sql, [words])
}
