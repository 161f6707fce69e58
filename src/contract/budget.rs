//! How large an answer may become: it is counted while it is made, and given up when it is too much. Complexity counts
//! fields, and a thousand of them may be a thousand booleans, or a thousand times 64 KiB of metadata. What a row holds is
//! known only once it is read, so rows count as well: they are kept until their fields have been resolved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Context, ServerError, Value};
use serde_json::Value as Json;

use crate::front::code::Code;
use crate::gallery::Image;

/// What a value takes beside its text.
const VALUE_BYTES: usize = size_of::<Value>();
/// What a row takes beside its texts and its metadata.
const ROW_BYTES: usize = 512;
/// What a value within a row's metadata takes beside its text, and what one more does in an object beside its name.
const JSON_BYTES: usize = size_of::<Json>();
const ENTRY_BYTES: usize = 64;
/// After so many bytes other requests get their turn: making an answer waits for nothing.
const TURN_BYTES: usize = 1024 * 1024;

/// The size of one answer so far, or of one event's; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct AnswerSize(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    bytes: AtomicUsize,
    maximum: usize,
}

impl AnswerSize {
    /// Nothing so far, and at most `maximum` bytes in memory.
    pub(crate) fn at_most(maximum: usize) -> Self {
        Self(Arc::new(Counted {
            bytes: AtomicUsize::new(0),
            maximum,
        }))
    }

    /// Begins anew, with the next event.
    pub(crate) fn clear(&self) {
        self.0.bytes.store(0, Ordering::Relaxed);
    }

    /// Fails once it is too much: from then on nothing more is worth making.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let maximum = self.0.maximum;
        if self.0.bytes.load(Ordering::Relaxed) <= maximum {
            return Ok(());
        }
        Err(Code::TooComplex.error(format!(
            "the answer takes more than {maximum} bytes in memory; at most {maximum} are allowed \
             (GRAPHQL_MAX_ANSWER_BYTES): ask for shorter pages or fewer fields"
        )))
    }

    /// Counts a field's value; what is selected within an object has been counted by its own fields. Tells whether it is
    /// time to let others have their turn.
    pub(crate) fn count(&self, value: &Value, is_json: bool) -> bool {
        let size = if is_json {
            size_within(value)
        } else {
            size_of_value(value)
        };
        let before = self.0.bytes.fetch_add(size, Ordering::Relaxed);
        before / TURN_BYTES != before.saturating_add(size) / TURN_BYTES
    }
}

/// Counts rows that the answer is about to be made of. Where they are too many, none of their fields is resolved.
pub(crate) fn count_rows<'i>(ctx: &Context<'_>, images: impl IntoIterator<Item = &'i Image>) {
    if let Some(answer) = ctx.data_opt::<AnswerSize>() {
        let bytes = images.into_iter().map(weight_of_row).sum();
        answer.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => VALUE_BYTES.saturating_add(text.len()),
        _ => VALUE_BYTES,
    }
}

/// With everything that is in it: JSON goes out as one text, within an object that says so.
fn size_within(value: &Value) -> usize {
    let within: usize = match value {
        Value::List(items) => items.iter().map(size_within).sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| key.len() + size_within(value))
            .sum(),
        _ => 0,
    };
    size_of_value(value) + within
}

fn weight_of_row(image: &Image) -> usize {
    let prompts = [&image.original_prompt, &image.refined_prompt];
    let prompts: usize = prompts.into_iter().flatten().map(String::len).sum();
    let metadata: usize = image.metadata.0.iter().map(weight_of_entry).sum();
    ROW_BYTES + image.image_url.len() + prompts + metadata
}

fn weight_of_entry((name, value): (&String, &Json)) -> usize {
    ENTRY_BYTES + name.len() + weight_of_value(value)
}

/// What is stored is nested no deeper than its reader allows.
fn weight_of_value(value: &Json) -> usize {
    JSON_BYTES
        + match value {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(weight_of_value).sum(),
            Json::Object(fields) => fields.iter().map(weight_of_entry).sum(),
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn json_counts_with_everything_in_it() {
        let json = value!({ "a": [1, "xyz"], "bc": {} });
        assert_eq!(size_of_value(&json), VALUE_BYTES);
        assert_eq!(size_within(&json), 5 * VALUE_BYTES + 3 + 1 + 2);
    }

    #[test]
    fn an_answer_is_given_up_once_it_is_too_much() {
        let size = AnswerSize::at_most(2 * VALUE_BYTES);
        let (first, second) = (size.clone(), size.clone());
        assert!(!first.count(&value!(1), false));
        assert!(!second.count(&value!(2), false));
        assert!(size.check().is_ok());
        first.count(&value!(3), false);
        assert!(Code::TooComplex.is_of(&second.check().expect_err("too much")));
        size.clear();
        assert!(second.check().is_ok());
        assert!(
            first.count(&value!("x".repeat(TURN_BYTES)), false),
            "it is time"
        );
    }
}
