//! The original prompt as it is shown: the column's, or where that is null, the text under a key of the metadata.

use super::{Column, Columns, Gallery, PartialImage};

impl Gallery {
    /// The columns to read so that these can be shown.
    pub(super) fn needed(&self, columns: Columns) -> Columns {
        let prompt = Columns::of(&[Column::OriginalPrompt]);
        if self.database.prompt_metadata_key().is_some() && columns.and(prompt) == columns {
            return columns.and(Columns::of(&[Column::Metadata]));
        }
        columns
    }

    /// The text that replaces an image's missing original prompt, as far as its metadata was read. Only a string is one.
    pub fn prompt_of_metadata(&self, image: &PartialImage) -> Option<String> {
        let key = self.database.prompt_metadata_key()?;
        let metadata = image.metadata.try_as_ref()?;
        match metadata.read().remove(key)? {
            serde_json::Value::String(prompt) => Some(prompt),
            _ => None,
        }
    }
}
