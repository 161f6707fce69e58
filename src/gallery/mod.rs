//! The operations of the gallery, one verb or noun to a file. The caller is the first argument of each;
//! [`crate::auth::Caller::scope`] decides which rows it may see, and `visible` applies that to every query.

mod argument;
mod beside;
mod change;
mod create;
mod cursor;
mod erase;
mod events;
mod favorite;
mod feed;
mod filter;
mod find;
mod id_probe_limiter;
pub mod input;
pub mod intent;
mod intent_aliases;
mod list;
mod matching;
mod metadata;
mod page;
mod prompt;
mod prompts;
mod retention;
mod snapshot;
mod stats;
mod sweep;
mod tags;
mod touch;
mod trail;
mod trash;
mod undo;
mod update;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Query, ReturningClause};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, IntoSimpleExpr,
    Iterable, QueryFilter, Select, StatementBuilder,
};
use uuid::Uuid;

use crate::auth::{Denied, Scope, UserId, UserIdError};
use crate::cloudinary::hosts::HostPatterns;
use crate::cloudinary::url::UrlError;
use crate::db::{self, Database, Sql, UnitOfWork};
use crate::entity::{Timestamp, image};
use feed::Feed;
use id_probe_limiter::IdProbeLimiter;
use intent::{Intent, IntentError};

pub use crate::entity::gallery_event::Kind;
pub use crate::entity::image::{Column, Columns, Model as Image, Partial as PartialImage};
pub use argument::ArgumentError;
pub use beside::ImageGroup;
pub use change::Change;
pub use create::{Created, IfExists, NewImage};
pub use cursor::{CursorError, EventId, ListCursor, TagCursor, TrailCursor};
pub use erase::{ErasedEvents, Erasure};
pub use events::EventBatch;
pub use feed::{Start, Subscription};
pub use filter::{Filter, NumberRange};
pub use input::{GivenJson, InexactNumber};
pub use intent_aliases::IntentAliases;
pub use list::{Collection, List, NEWEST_FIRST, Parts, Slice};
pub use matching::{MAX_SAMPLE, Matching, MatchingDeleted, MatchingFound};
pub use page::{Direction, End, Field, Order, Page, Side, SortKey};
pub use prompts::{PromptKind, PromptSelection, PromptUse};
pub use retention::{Expired, Retention};
pub use snapshot::{FeedSnapshot, Snapshot, StoredSnapshot};
pub use stats::{
    DayCount, LabelCount, MAX_COUNTED, MAX_DAYS, MAX_ROWS, NumberSum, UserCount, ValueCount,
};
pub use sweep::{BulkOutcome, OwnerSelection, TrashSelection};
pub use tags::{
    InvalidTags, MAX_TAG_CHARACTERS, MAX_TAGS, Renamed, Tag, TagChange, TagCount, TagError,
    TagFilter, TagKey, TagList, TagPage, TagSelection, TagSlice,
};
pub use trail::{Event, EventFilter, OwnedImage, TrailPage, TrailSlice};
pub use trash::{Moved, Purged, SoftDeleted};
pub use undo::{OperationId, Undone};
pub use update::ImageUpdate;

/// Maximum number of items in a batch.
pub const MAX_BATCH: usize = 100;

/// The gallery; every operation is a method.
#[derive(Debug)]
pub struct Gallery {
    database: Arc<Database>,
    hosts: HostPatterns,
    feed: Feed,
    id_probe_limiter: IdProbeLimiter,
    /// The time in which a bulk call starts new transactions.
    sweep_time: Duration,
    retention: Retention,
    erased_events: ErasedEvents,
    intent_aliases: IntentAliases,
}

/// What the gallery is set to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hosts that image URLs may have.
    pub hosts: HostPatterns,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long rows are kept.
    pub retention: Retention,
    /// What becomes of the events of an erased owner.
    pub erased_events: ErasedEvents,
    /// Maximum number of subscribers of this process.
    pub max_subscribers: usize,
    /// Labels that count as a known intent when images are read.
    pub intent_aliases: IntentAliases,
}

/// An image's identifier: the UUID taken from its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub Uuid);

impl ImageId {
    /// Parses the hyphenated form, in any letter case; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hyphenated(text).map(Self)
    }
}

/// Parses the hyphenated form of a UUID, in any letter case.
fn hyphenated(text: &str) -> Option<Uuid> {
    const LENGTH: usize = 36;
    if text.len() != LENGTH {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// Why an operation failed without any effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is invalid.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The trail no longer has every event behind a cursor.
    #[error("the cursor is older than what the trail keeps, or is not of this trail")]
    CursorExpired,
    /// The maximum number of subscribers is reached.
    #[error("the server has as many subscribers as it takes; try again later")]
    TooManySubscribers,
    /// The caller has probed too many ids that are stored for other owners.
    #[error(
        "more than {MAX_BATCH} images were refused within a minute because their ids are stored for other owners; try again in a minute"
    )]
    TooManyTaken,
    /// The caller has no access.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Database(error.into())
    }
}

/// Why one input was refused: an error that the caller can fix, and that does not affect other inputs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The URL is not allowed, or contains no id.
    #[error(transparent)]
    ImageUrl(#[from] UrlError),
    /// The new URL belongs to another image.
    #[error(
        "this URL is of the image {0}; an image keeps its id, so only another URL of the same asset can replace its URL"
    )]
    AnotherAsset(Uuid),
    /// The id is stored for another owner.
    #[error("the image {0} is already stored for another owner")]
    IdTaken(Uuid),
    /// The image does not exist or is not visible to the caller.
    #[error("there is no image with this id")]
    NotFound,
    /// The image is in the trash.
    #[error("the image is in the trash: restore it first")]
    Deleted(Box<Image>),
    /// The image is not in the trash.
    #[error("the image is active: soft-delete it first, or purge it with force")]
    NotDeleted,
    /// The image has changed since the caller read it.
    #[error("the image has changed at {}", .0.updated_at)]
    Conflict(Box<Image>),
    /// The metadata is invalid.
    #[error("{0}")]
    Metadata(String),
    /// The text contains U+0000.
    #[error("contains U+0000, which cannot be stored")]
    Nul,
    /// The key is blank.
    #[error("must not be blank; omit it, or send null, for none")]
    BlankOnceKey,
    /// Intent and label are invalid together.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// The owner's identifier is invalid.
    #[error(transparent)]
    UserId(UserIdError),
    /// No owner was given, and the caller is no user.
    #[error("is required: the caller is not signed in as a user, who would own the image")]
    OwnerMissing,
    /// A text is too long.
    #[error("has {characters} characters; at most {maximum} are allowed")]
    TooLong {
        /// Unicode scalar values given.
        characters: usize,
        /// Unicode scalar values allowed.
        maximum: usize,
    },
    /// The caller has no operation with this id that can be undone.
    #[error(
        "there is nothing to take back under this id: it is no operationId of yours, or it is older than the events that \
         are kept"
    )]
    OperationNotFound,
    /// A text is not a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// An image would have too many tags.
    #[error("the image would have {0} tags; at most {MAX_TAGS} are allowed")]
    TooManyTags(usize),
    /// A batch has too many items.
    #[error("{0} items were given; at most 100 are allowed, and nothing was done")]
    TooMany(usize),
}

/// A field of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputField {
    /// The image's id.
    Id,
    /// The owner's id.
    UserId,
    /// The URL.
    ImageUrl,
    /// The user's prompt.
    OriginalPrompt,
    /// The prompt given to the model.
    RefinedPrompt,
    /// The label of the intent.
    IntentLabel,
    /// The owner's own name for an image.
    OnceKey,
    /// The metadata.
    Metadata,
    /// The merge patch of the metadata.
    MetadataPatch,
    /// The expected time of the last change.
    IfUpdatedAt,
    /// The tags.
    Tags,
}

/// A refusal and the input field that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct InputError {
    /// The invalid field.
    pub field: InputField,
    /// The reason.
    pub refusal: Refusal,
}

impl InputError {
    fn of(field: InputField, refusal: Refusal) -> Self {
        Self { field, refusal }
    }
}

impl Gallery {
    /// A gallery in `database`.
    pub fn new(database: Database, options: Options) -> Self {
        let database = Arc::new(database);
        Self {
            feed: Feed::new(Arc::clone(&database), options.max_subscribers),
            database,
            hosts: options.hosts,
            id_probe_limiter: IdProbeLimiter::new(),
            sweep_time: sweep::time_within(options.request_timeout),
            retention: options.retention,
            erased_events: options.erased_events,
            intent_aliases: options.intent_aliases,
        }
    }

    /// What a stored label counts as; none for the empty label.
    pub fn intent_of(&self, label: &str) -> Option<Intent> {
        self.intent_aliases.intent_of(label)
    }

    /// The database, for monitoring.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// Refuses a batch that is larger than [`MAX_BATCH`].
pub fn check_batch(items: usize) -> Result<(), Refusal> {
    if items > MAX_BATCH {
        return Err(Refusal::TooMany(items));
    }
    Ok(())
}

/// The rows in a scope; every query of the gallery starts here.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that selects rows"
)]
fn visible(scope: &Scope) -> Select<image::Entity> {
    image::Entity::find().filter(is_in_scope(scope))
}

/// As [`visible`], for statements that are written as text: appends `FROM` and `WHERE` with a condition, to which others can
/// be added by `AND`.
fn from_rows_in(scope: &Scope, sql: &mut Sql) {
    sql.text(" FROM image_gallery WHERE ");
    match scope.owner() {
        Some(owner) => sql.column(Column::UserId).text(" = ").value(owner.as_str()),
        None => sql.text("true"),
    };
}

/// The condition of [`visible`].
fn is_in_scope(scope: &Scope) -> Condition {
    let owner = scope.owner();
    Condition::all().add_option(owner.map(|owner| Column::UserId.eq(owner.as_str())))
}

/// Applies the same scope to an image that has been read.
fn is_visible(scope: &Scope, image: &PartialImage) -> bool {
    let is_owned_by = |owner: &UserId| {
        image
            .user_id
            .try_as_ref()
            .is_some_and(|id| id == owner.as_str())
    };
    scope.owner().is_none_or(is_owned_by)
}

/// The current time in microseconds, the precision of both databases.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn now() -> Timestamp {
    let now: DateTime<Utc> = Utc::now();
    Timestamp::from_microseconds(now.timestamp_micros())
}

/// Returns every column of the changed rows.
fn returning_rows(unit: &UnitOfWork) -> ReturningClause {
    let columns = Column::iter().map(IntoSimpleExpr::into_simple_expr);
    Query::returning().exprs(columns.chain(unit.signature()))
}

/// Returns the ids of the changed rows.
fn returning_ids(unit: &UnitOfWork) -> ReturningClause {
    let id = Column::ImageId.into_simple_expr();
    Query::returning().exprs([id].into_iter().chain(unit.signature()))
}

/// Runs a statement and reads the images that it returns.
async fn images<S: StatementBuilder>(
    unit: &UnitOfWork,
    statement: &S,
) -> Result<Vec<Image>, Error> {
    let rows = unit.query_all(statement).await?;
    let images = rows.iter().map(|row| Image::from_query_result(row, ""));
    Ok(images.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::ImageId;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(ImageId::parse(&id.to_uppercase()), ImageId::parse(id));
        assert!(ImageId::parse(id).is_some());
        for text in [
            "",
            "123e4567e89b12d3a456426614174000",
            "{123e4567-e89b-12d3-a456-426614174000}",
            "x23e4567-e89b-12d3-a456-426614174000",
        ] {
            assert_eq!(ImageId::parse(text), None, "{text}");
        }
    }
}
