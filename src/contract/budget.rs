//! Limits the size of a response while it is built. Complexity counts fields, but a thousand fields may be a thousand
//! booleans or a thousand times 64 KiB of metadata. The size of a row is known only once it is read, so rows count as
//! well: they stay in memory until their fields are resolved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Context, ServerError, Value};
use sea_orm::ActiveValue;

use super::code::Code;
use super::json_text::raw_text;
use crate::gallery::PartialImage;

/// Size of a value without its text.
const VALUE_BYTES: usize = size_of::<Value>();
/// Size of a row without its texts.
const ROW_BYTES: usize = 512;
/// Building a response never awaits, so it yields to other tasks after this many bytes.
const TURN_BYTES: usize = 1024 * 1024;

/// The size of one response, or of one event's response. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct ResponseBudget(Arc<Usage>);

#[derive(Debug)]
struct Usage {
    bytes: AtomicUsize,
    maximum: usize,
}

impl ResponseBudget {
    /// An empty budget of at most `maximum` bytes.
    pub(crate) fn at_most(maximum: usize) -> Self {
        Self(Arc::new(Usage {
            bytes: AtomicUsize::new(0),
            maximum,
        }))
    }

    /// Resets the count for the next event.
    pub(crate) fn clear(&self) {
        self.0.bytes.store(0, Ordering::Relaxed);
    }

    /// Fails once the limit is exceeded.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let maximum = self.0.maximum;
        if self.0.bytes.load(Ordering::Relaxed) <= maximum {
            return Ok(());
        }
        Err(Code::TooComplex.error(format!(
            "the response takes more than {maximum} bytes in memory; at most {maximum} are allowed \
             (GRAPHQL_MAX_ANSWER_BYTES): ask for shorter pages or fewer fields"
        )))
    }

    /// Counts the values of an object's fields; nested objects count their own. Returns whether it is time to yield to
    /// other tasks.
    pub(crate) fn count<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> bool {
        self.add(values.into_iter().map(size_of_field).sum())
    }

    /// Counts bytes. Returns whether it is time to yield to other tasks.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let before = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        before / TURN_BYTES != before.saturating_add(bytes) / TURN_BYTES
    }
}

/// Counts rows that the response is built from. If they exceed the limit, none of their fields is resolved.
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
        // Objects within count themselves.
        Value::List(items) => items.iter().map(size_of_text).sum(),
        // Inside a raw object.
        value => raw_text(value).map_or(0, |text| VALUE_BYTES.saturating_add(text.len())),
    };
    VALUE_BYTES.saturating_add(text)
}

fn size_of_text(value: &Value) -> usize {
    match value {
        Value::String(text) => VALUE_BYTES.saturating_add(text.len()),
        _ => 0,
    }
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
    fn a_response_over_the_limit_fails() {
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
