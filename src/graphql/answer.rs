//! How large an answer may grow while it is made. What a row holds is known only once it is read: complexity counts fields,
//! and a thousand of them may be a thousand booleans, or a thousand times 64 KiB of metadata.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::Context;
use serde_json::Value as Json;

use super::error::Result;
use crate::gallery::{self, Image};

/// The most memory of one answer, about: rows as they were read, and the long values that are given of them. Two pages of
/// a hundred images need it whose 64 KiB of metadata are single digits; of ordinary ones a few megabytes are enough.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// What a row takes beside its texts and its metadata.
const ROW_BYTES: usize = 512;
/// What a value within metadata takes beside its text, and what one more does in an object beside its name.
const VALUE_BYTES: usize = size_of::<Json>();
const ENTRY_BYTES: usize = 64;

/// What an answer takes so far; clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerSize(Arc<AtomicUsize>);

impl AnswerSize {
    /// The next answer begins, of the same operation.
    pub(super) fn begin_anew(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) -> bool {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= MAX_BYTES
    }
}

/// Counts what is about to become part of the answer, and refuses it where that is too much.
pub(super) fn charge(ctx: &Context<'_>, bytes: usize) -> Result<()> {
    let has_room = ctx
        .data_opt::<AnswerSize>()
        .is_none_or(|size| size.add(bytes));
    if has_room {
        return Ok(());
    }
    Err(gallery::Error::AnswerTooLarge { maximum: MAX_BYTES }.into())
}

/// About as many bytes as rows take in memory.
pub(super) fn weight_of_rows<'i>(images: impl IntoIterator<Item = &'i Image>) -> usize {
    images.into_iter().map(weight_of_row).sum()
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
    VALUE_BYTES
        + match value {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(weight_of_value).sum(),
            Json::Object(fields) => fields.iter().map(weight_of_entry).sum(),
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        }
}
