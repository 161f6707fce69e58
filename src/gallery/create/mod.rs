//! Creates images: idempotent by the id in the URL and by the owner's key, with the same number of statements for a batch
//! of any size, but for those that update what is stored.

mod existing;
mod once;
mod record;
mod store;

use tokio::time::Instant;

use super::intent::Intent;
use super::{Error, Gallery, GivenJson, Image, InputError, Refusal};
use crate::auth::{Caller, Denied, UserId};
use record::Record;
use store::storing;

/// Input of a new image.
#[derive(Clone, Debug, Default)]
pub struct NewImage {
    /// Owner; the caller by default.
    pub user_id: Option<String>,
    /// Cloudinary delivery URL.
    pub image_url: String,
    /// At most [`MAX_PROMPT_CHARACTERS`](super::input::MAX_PROMPT_CHARACTERS).
    pub original_prompt: Option<String>,
    /// At most [`MAX_PROMPT_CHARACTERS`](super::input::MAX_PROMPT_CHARACTERS).
    pub refined_prompt: Option<String>,
    /// Either this or a label.
    pub intent: Option<Intent>,
    /// Either this or an intent.
    pub intent_label: Option<String>,
    /// A JSON object; `{}` by default.
    pub metadata: Option<GivenJson>,
    /// The owner's own name for the image, at most
    /// [`MAX_ONCE_KEY_CHARACTERS`](super::input::MAX_ONCE_KEY_CHARACTERS): one image for each owner and key.
    pub once_key: Option<String>,
    /// What becomes of an image that exists under the same id or key.
    pub if_exists: IfExists,
    /// At most [`MAX_TAGS`](super::MAX_TAGS), put on beside those that are there.
    pub tags: Vec<String>,
}

/// What becomes of an image that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Nothing.
    #[default]
    Keep,
    /// It takes the values of the input; metadata is merged.
    Update,
}

/// A stored image, and what this call did to it.
#[derive(Clone, Debug)]
pub struct Created {
    /// The stored image; it may be in the trash.
    pub image: Image,
    /// False where it existed before.
    pub is_new: bool,
    /// Whether it existed and a stored value changed.
    pub is_updated: bool,
}

impl Gallery {
    /// Creates the images that do not exist yet. Returns one result for each input, in their order; an invalid input does not
    /// affect the others.
    ///
    /// # Errors
    /// Fails as a whole where an input names an owner for whom the caller may not create.
    pub async fn create(
        &self,
        caller: &Caller,
        inputs: Vec<NewImage>,
    ) -> Result<Vec<Result<Created, Vec<InputError>>>, Error> {
        require_own(caller, &inputs)?;
        let mut records = Vec::with_capacity(inputs.len());
        let mut results = Vec::with_capacity(inputs.len());
        for input in inputs {
            let record = Record::check(caller, input, &self.hosts);
            results.push(record.map(|record| records.push(record)));
        }
        if records.is_empty() {
            return Ok(results
                .into_iter()
                .filter_map(|result| result.err().map(Err))
                .collect());
        }
        let items = records.len();
        let is_insert_alone = records.iter().all(Record::is_insert_alone);
        self.id_probe_limiter.check(caller, Instant::now())?;
        let work = storing(records);
        let stored = if is_insert_alone {
            let done = self.database.write_items(items, caller.actor(), work);
            done.await?
        } else {
            self.database.write(caller.actor(), work).await?
        };
        let taken = |outcome: &Result<_, InputError>| match outcome {
            Err(error) => match error.refusal {
                Refusal::IdTaken(id) => Some(id),
                _ => None,
            },
            Ok(_) => None,
        };
        for outcome in &stored {
            if let Some(id) = taken(outcome) {
                // A single one is chance; many show that somebody is probing for existing ids.
                tracing::warn!(
                    image.id = %id,
                    user.id = caller.actor(),
                    "an image was refused because its id is stored for another owner"
                );
            }
        }
        let taken = stored.iter().filter_map(taken).count();
        self.id_probe_limiter.note(caller, taken, Instant::now());
        let mut stored = stored.into_iter();
        Ok(results
            .into_iter()
            .filter_map(|result| match result {
                Err(errors) => Some(Err(errors)),
                Ok(()) => stored
                    .next()
                    .map(|outcome| outcome.map_err(|error| vec![error])),
            })
            .collect())
    }
}

/// Refuses the whole call where an input names an owner for whom the caller may not create.
fn require_own(caller: &Caller, inputs: &[NewImage]) -> Result<(), Denied> {
    caller.require_access()?;
    let named = inputs.iter().filter_map(|input| input.user_id.as_deref());
    // An invalid owner's id is an error of that input alone.
    for user_id in named.filter_map(|user_id| UserId::new(user_id).ok()) {
        caller.require_access_to(user_id)?;
    }
    Ok(())
}
