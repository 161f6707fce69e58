//! Events that were read together, and the images that they are of: read once for all of them, whoever looks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ColumnTrait, QueryFilter};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::trail::Event;
use super::{Error, Gallery, PartialImage, is_visible, visible};
use crate::auth::{Caller, Scope};
use crate::entity::image;

/// For so long after it was read an image counts as what it is now.
const FRESH: Duration = Duration::from_secs(1);

/// Events in their order.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// The events.
    pub events: Vec<Event>,
    images: Mutex<Option<Loaded>>,
}

/// The images of a page; a failure is shared as well, or a hundred subscribers would wait for a hundred time-outs.
#[derive(Debug)]
struct Loaded {
    at: Instant,
    images: Result<Arc<HashMap<Uuid, Arc<PartialImage>>>, Arc<Error>>,
}

impl EventBatch {
    pub(super) fn new(events: Vec<Event>) -> Arc<Self> {
        Arc::new(Self {
            events,
            images: Mutex::new(None),
        })
    }

    /// The image of an event as it is now; none where it is gone or the caller may not see it.
    pub async fn image(
        &self,
        gallery: &Gallery,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Option<Arc<PartialImage>>, Arc<Error>> {
        let scope = caller
            .scope(None)
            .map_err(|denied| Arc::new(denied.into()))?;
        let images = self.fresh_images(gallery).await?;
        Ok(images
            .get(&id)
            .filter(|image| is_visible(&scope, image))
            .cloned())
    }

    /// Those who come while the images are being read wait for them.
    async fn fresh_images(
        &self,
        gallery: &Gallery,
    ) -> Result<Arc<HashMap<Uuid, Arc<PartialImage>>>, Arc<Error>> {
        let mut loaded = self.images.lock().await;
        if let Some(loaded) = &*loaded
            && loaded.at.elapsed() < FRESH
        {
            return loaded.images.clone();
        }
        // Boxed: a thousand subscribers may wait here, of whom one reads.
        let images = Box::pin(gallery.images_of(&self.events)).await;
        let images = images.map(Arc::new).map_err(Arc::new);
        *loaded = Some(Loaded {
            // From the end on: images that take longer to read would be stale already, and read anew for each who waits.
            at: Instant::now(),
            images: images.clone(),
        });
        images
    }

    /// Gives back the memory of images that nobody will be shown any more.
    pub(super) fn forget_stale_images(&self) {
        if let Ok(mut loaded) = self.images.try_lock()
            && (loaded.as_ref()).is_some_and(|loaded| loaded.at.elapsed() >= FRESH)
        {
            *loaded = None;
        }
    }
}

impl Gallery {
    /// Everybody's: each caller's scope is held against them afterwards.
    async fn images_of(&self, events: &[Event]) -> Result<HashMap<Uuid, Arc<PartialImage>>, Error> {
        let ids: HashSet<Uuid> = events.iter().map(|event| event.image_id).collect();
        let every_row =
            Scope::unchecked("read once for all callers; `image` applies each one's scope");
        let query = visible(&every_row).filter(image::Column::ImageId.is_in(ids));
        let rows = self
            .database
            .read_primary(move |unit| {
                let query = query.clone();
                Box::pin(async move { Ok::<_, Error>(query.all(unit).await?) })
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.image_id, Arc::new(row.into())))
            .collect())
    }
}
