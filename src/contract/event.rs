//! `GalleryEvent`: one change of an image, and pages of events.

use std::sync::Arc;

use async_graphql::{Context, Description, Enum, ID, Object, SimpleObject};
use async_trait::async_trait;

use super::budget::count_rows;
use super::connection::{PageInfo, Paged};
use super::error::{Failure, Result, nullable};
use super::image::Image;
use super::immediate::{Immediate, List, Ready};
use super::loader::events_of_image;
use super::page::PageArguments;
use super::scalar::{DateTime, Url};
use super::{caller, gallery};
use crate::gallery::{
    End, Event, EventBatch, EventFilter, EventId, ImageId, Kind, OwnedImage, TrailCursor,
    TrailPage, TrailSlice,
};

/// What happened to an image.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Kind")]
pub(super) enum GalleryEventType {
    /// It was stored.
    Created,
    /// A stored value changed (not `updatedAt` alone). A change of owner counts, and is reported to the new owner.
    Updated,
    /// It was moved to the trash.
    SoftDeleted,
    /// It was restored from the trash.
    Restored,
    /// It was permanently deleted.
    Purged,
}

/// One change of an image, by any application.
#[derive(Clone, Debug, Description)]
pub(super) struct GalleryEvent {
    page: Arc<EventBatch>,
    event: Event,
}

impl Ready for GalleryEvent {}

impl GalleryEvent {
    fn of_slice(slice: &TrailSlice) -> Vec<Self> {
        let events = slice.events().iter();
        let together = slice.read_together();
        events.map(|event| Self::new(together, event)).collect()
    }

    pub(super) fn new(page: &Arc<EventBatch>, event: &Event) -> Self {
        Self {
            page: Arc::clone(page),
            event: event.clone(),
        }
    }
}

#[Object(use_type_description)]
impl GalleryEvent {
    /// The event's own id: the key by which a client that may see it twice tells.
    pub async fn id(&self) -> ID {
        ID(EventId::of(&self.event).encode())
    }

    /// Opaque position in the trail. Resume from it: nothing is skipped, and one stream gives nothing twice.
    async fn cursor(&self) -> String {
        TrailCursor::of(&self.event).encode()
    }

    /// What happened.
    #[graphql(name = "type")]
    async fn kind(&self) -> GalleryEventType {
        self.event.kind.into()
    }

    /// The image's UUID; the image itself may be gone.
    async fn image_id(&self) -> ID {
        ID(self.event.image_id.to_string())
    }

    /// Owner, after the change; empty in the tombstone of an erased owner, like imageUrl.
    async fn user_id(&self) -> &str {
        &self.event.user_id
    }

    /// The image's URL at that moment: what a cleaner of purged assets needs.
    async fn image_url(&self) -> Url {
        Url(self.event.image_url.clone())
    }

    /// The image as it is now; null once purged, and where the caller may not see it (created anew by another owner).
    async fn image(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<Immediate<Image>>> {
        let image = (self.page).image(gallery(ctx), caller(ctx), self.event.image_id);
        let image = image.await.map_err(Failure::from);
        if let Ok(Some((image, _))) = &image {
            count_rows(ctx, [&**image]);
        }
        nullable(image.map(|image| image.map(|(row, group)| Immediate(Image::new(row, group)))))
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.event.occurred_at)
    }

    /// Who did it: the token's subject, or null where the writer is not known.
    async fn actor(&self) -> Option<&str> {
        self.event.actor.as_deref()
    }
}

/// An event and its position in the trail.
#[derive(Debug, SimpleObject)]
pub(super) struct GalleryEventEdge {
    /// The event's cursor.
    cursor: String,
    /// The event.
    node: Immediate<GalleryEvent>,
}

impl Ready for GalleryEventEdge {
    const OBJECTS: &'static [&'static str] = &["node"];
}

/// A page of the trail, oldest event first.
#[derive(Debug, Description)]
pub(super) struct GalleryEventConnection(Arc<PageResult>);

/// The requested page and its result.
#[derive(Debug)]
struct PageResult {
    filter: EventFilter,
    page: TrailPage,
    slice: TrailSlice,
}

impl GalleryEventConnection {
    /// Reads the page described by the arguments.
    pub(super) async fn read(
        ctx: &Context<'_>,
        filter: EventFilter,
        arguments: &PageArguments,
    ) -> Result<Self> {
        let page = arguments.trail_page()?;
        let slice = gallery(ctx).events(caller(ctx), &filter, page).await?;
        Ok(Self::new(filter, page, slice))
    }

    /// Reads a page of one image's events.
    pub(super) async fn of_image(
        ctx: &Context<'_>,
        image: OwnedImage,
        arguments: &PageArguments,
    ) -> Result<Self> {
        let page = arguments.trail_page()?;
        let slice = events_of_image(ctx, image.clone(), page).await?;
        let filter = EventFilter {
            image_id: Some(ImageId(image.image_id)),
            owner: Some(image.owner),
            ..EventFilter::default()
        };
        Ok(Self::new(filter, page, slice))
    }

    fn new(filter: EventFilter, page: TrailPage, slice: TrailSlice) -> Self {
        Self(Arc::new(PageResult {
            filter,
            page,
            slice,
        }))
    }
}

#[Object(use_type_description)]
impl GalleryEventConnection {
    /// For caches that paginate (Apollo, urql, Relay).
    async fn edges(&self) -> List<Vec<GalleryEventEdge>> {
        let edge = |event: GalleryEvent| GalleryEventEdge {
            cursor: TrailCursor::of(&event.event).encode(),
            node: Immediate(event),
        };
        let events = GalleryEvent::of_slice(&self.0.slice);
        List(events.into_iter().map(edge).collect())
    }

    /// For a single page.
    async fn nodes(&self) -> List<Vec<GalleryEvent>> {
        List(GalleryEvent::of_slice(&self.0.slice))
    }

    /// The page's position in the trail.
    async fn page_info(&self) -> PageInfo {
        let answer: Arc<PageResult> = Arc::clone(&self.0);
        PageInfo(answer)
    }
}

#[async_trait]
impl Paged for PageResult {
    fn cut_from(&self) -> Option<End> {
        self.slice.has_more.then_some(self.page.end)
    }

    async fn has_more_behind(&self, ctx: &Context<'_>) -> Result<bool> {
        let Some(before) = self.page.before else {
            return Ok(false);
        };
        let last = self.events().last().map(TrailCursor::of);
        self.has_beyond(ctx, last, before, End::Back).await
    }

    async fn has_more_before(&self, ctx: &Context<'_>) -> Result<bool> {
        let Some(after) = self.page.after else {
            return Ok(false);
        };
        let first = self.events().first().map(TrailCursor::of);
        self.has_beyond(ctx, first, after, End::Front).await
    }

    fn start_cursor(&self) -> Option<String> {
        let first = self.events().first()?;
        Some(TrailCursor::of(first).encode())
    }

    fn end_cursor(&self) -> Option<String> {
        let last = self.events().last()?;
        Some(TrailCursor::of(last).encode())
    }
}

impl PageResult {
    fn events(&self) -> &[Event] {
        self.slice.events()
    }

    /// Looks beyond the page's edge or, if the page is empty, from its cursor on, including the event at the cursor.
    async fn has_beyond(
        &self,
        ctx: &Context<'_>,
        edge: Option<TrailCursor>,
        bound: TrailCursor,
        side: End,
    ) -> Result<bool> {
        let (cursor, inclusive) = edge.map_or((bound, true), |edge| (edge, false));
        let found = gallery(ctx).has_events(caller(ctx), &self.filter, cursor, side, inclusive);
        Ok(found.await?)
    }
}
