//! Batches the reads of a list's objects.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::TokioTimer;
use futures_util::task::{FutureObj, Spawn, SpawnError};

use super::caller;
use super::error::Result;
use crate::auth::Caller;
use crate::gallery::{self, Gallery, OwnedImage, TrailPage, TrailSlice};
use crate::telemetry::in_current_request;

/// The data loaders of a request, created on first use.
#[derive(Default)]
pub(crate) struct Loaders {
    events: OnceLock<DataLoader<EventsOfImages>>,
}

/// Spawns tasks that belong to the request, for logs and traces.
struct InCurrentRequest;

impl Spawn for InCurrentRequest {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        tokio::spawn(in_current_request(future));
        Ok(())
    }
}

/// Loads a page of events for each image.
struct EventsOfImages {
    gallery: Arc<Gallery>,
    caller: Caller,
}

/// Images that request the same page are loaded together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct EventsOfImage {
    image: OwnedImage,
    page: TrailPage,
}

impl Loader<EventsOfImage> for EventsOfImages {
    type Value = TrailSlice;
    type Error = Arc<gallery::Error>;

    async fn load(
        &self,
        keys: &[EventsOfImage],
    ) -> std::result::Result<HashMap<EventsOfImage, TrailSlice>, Self::Error> {
        let mut by_page: HashMap<TrailPage, Vec<OwnedImage>> = HashMap::new();
        for EventsOfImage { image, page } in keys {
            by_page.entry(*page).or_default().push(image.clone());
        }
        let mut loaded = HashMap::with_capacity(keys.len());
        for (page, images) in by_page {
            let slices = self.gallery.events_of_images(&self.caller, images, page);
            for (image, slice) in slices.await? {
                loaded.insert(EventsOfImage { image, page }, slice);
            }
        }
        Ok(loaded)
    }
}

/// Loads a page of an image's events, together with those of other images requested at the same time.
pub(super) async fn events_of_image(
    ctx: &Context<'_>,
    image: OwnedImage,
    page: TrailPage,
) -> Result<TrailSlice> {
    let loaders = ctx.data_unchecked::<Loaders>();
    let loader = loaders.events.get_or_init(|| {
        let events = EventsOfImages {
            gallery: Arc::clone(ctx.data_unchecked::<Arc<Gallery>>()),
            caller: caller(ctx).clone(),
        };
        DataLoader::new(events, InCurrentRequest, TokioTimer::default())
    });
    let loaded = loader.load_one(EventsOfImage { image, page }).await?;
    Ok(loaded.unwrap_or_default())
}
