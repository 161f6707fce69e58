//! How large a response may become: it is counted while it is made, and given up when it is too much. Complexity counts
//! fields, and a thousand of them may be a thousand booleans, or a thousand times 64 KiB of metadata. What a row holds is
//! known only once it is read, so rows count as well: they are kept until their fields have been resolved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Context, ServerError, Value};
use sea_orm::ActiveValue;

use super::code::Code;
use super::json_text::raw_text;
use crate::gallery::PartialImage;

/// What a value takes beside its text.
const VALUE_BYTES: usize = size_of::<Value>();
/// What a row takes beside its texts.
const ROW_BYTES: usize = 512;
/// After so many bytes other requests get their turn: making a response waits for nothing.
const TURN_BYTES: usize = 1024 * 1024;

/// The size of one response so far, or of one event's; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct ResponseBudget(Arc<Usage>);

#[derive(Debug)]
struct Usage {
    bytes: AtomicUsize,
    maximum: usize,
}

impl ResponseBudget {
    /// Nothing so far, and at most `maximum` bytes in memory.
    pub(crate) fn at_most(maximum: usize) -> Self {
        Self(Arc::new(Usage {
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

    /// Counts the values of an object's fields; what is selected within another object, that one counts. Returns
    /// whether
    /// it is time to let other tasks run.
    pub(crate) fn count<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> bool {
        self.add(values.into_iter().map(size_of_field).sum())
    }

    /// Counts bytes. Returns whether it is time to let other tasks run.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let before = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        before / TURN_BYTES != before.saturating_add(bytes) / TURN_BYTES
    }
}

/// Counts rows that the response is about to be made of. Where they are too many, none of their fields is resolved.
pub(super) fn count_rows<'i>(
    ctx: &Context<'_>,
    images: impl IntoIterator<Item = &'i PartialImage>,
) {
    if let Some(budget) = ctx.data_opt::<ResponseBudget>() {
        budget.add(images.into_iter().map(size_of_row).sum());
    }
}

fn size_of_field(value: &Value) -> usize {
    let text = match value {
        Value::String(text) => text.len(),
        // Within an object that says so.
        value => raw_text(value).map_or(0, |text| VALUE_BYTES.saturating_add(text.len())),
    };
    VALUE_BYTES.saturating_add(text)
}

fn size_of_row(image: &PartialImage) -> usize {
    let url = image.image_url.try_as_ref().map_or(0, String::len);
    let prompts = [&image.original_prompt, &image.refined_prompt];
    let prompts = prompts.into_iter().filter_map(ActiveValue::try_as_ref);
    let prompts: usize = prompts.flatten().map(String::len).sum();
    let metadata = image.metadata.try_as_ref();
    ROW_BYTES + url + prompts + metadata.map_or(0, |metadata| metadata.as_str().len())
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn texts_and_json_count_with_their_length() {
        assert_eq!(size_of_field(&value!("abc")), VALUE_BYTES + 3);
        let json = value!({ "a": 1 });
        assert_eq!(size_of_field(&json), VALUE_BYTES, "an object counts itself");
        let raw = super::super::json_text::raw("{}".to_owned());
        assert_eq!(size_of_field(&raw), 2 * VALUE_BYTES + 2);
    }

    #[test]
    fn a_response_is_given_up_once_it_is_too_much() {
        let budget = ResponseBudget::at_most(2 * VALUE_BYTES);
        let (first, second) = (budget.clone(), budget.clone());
        assert!(!first.count(&[value!(1)]));
        assert!(!second.count(&[value!(2)]));
        assert!(budget.check().is_ok());
        first.count(&[value!(3)]);
        assert!(Code::TooComplex.is_of(&second.check().expect_err("too much")));
        budget.clear();
        assert!(second.check().is_ok());
        assert!(first.count(&[value!("x".repeat(TURN_BYTES))]), "it is time");
    }
}
