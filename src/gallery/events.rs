//! Events that were read together, and their images, which are read once for all callers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ColumnTrait, QueryFilter};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Error, Gallery, ImageGroup, PartialImage, is_visible, visible};
use crate::auth::{Caller, Scope};
use crate::entity::gallery_event::Model as Event;
use crate::entity::image;

/// How long an image that was read counts as current.
const FRESH: Duration = Duration::from_secs(1);

/// Events in the order of the trail, with their images.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// The events.
    pub events: Vec<Event>,
    images: Mutex<Option<Loaded>>,
}

/// The images of a page. A failure is shared as well: a hundred subscribers must not wait for a hundred timeouts.
#[derive(Debug)]
struct Loaded {
    at: Instant,
    images: Result<Arc<Images>, Arc<Error>>,
}

/// The images, and their group.
#[derive(Debug)]
struct Images {
    rows: HashMap<Uuid, Arc<PartialImage>>,
    group: Arc<ImageGroup>,
}

impl EventBatch {
    pub(super) fn new(events: Vec<Event>) -> Arc<Self> {
        Arc::new(Self {
            events,
            images: Mutex::new(None),
        })
    }

    /// The current image of an event, with those that were read together with it; none where it was purged or is not visible to the caller.
    pub async fn image(
        &self,
        gallery: &Gallery,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Option<(Arc<PartialImage>, Arc<ImageGroup>)>, Arc<Error>> {
        let scope = caller
            .scope(None)
            .map_err(|denied| Arc::new(denied.into()))?;
        let images = self.fresh_images(gallery).await?;
        let image = images.rows.get(&id);
        let image = image.filter(|image| is_visible(&scope, image));
        Ok(image.map(|image| (Arc::clone(image), Arc::clone(&images.group))))
    }

    /// Callers that arrive while the images are being read wait for that read.
    async fn fresh_images(&self, gallery: &Gallery) -> Result<Arc<Images>, Arc<Error>> {
        let mut loaded = self.images.lock().await;
        if let Some(loaded) = &*loaded
            && loaded.at.elapsed() < FRESH
        {
            return loaded.images.clone();
        }
        // Boxed: a thousand subscribers may wait here for the one that reads.
        let images = Box::pin(gallery.images_of(&self.events)).await;
        let images = images.map(Arc::new).map_err(Arc::new);
        *loaded = Some(Loaded {
            // Measured from the end of the read: after a slow read the images would be stale at once, and each waiting caller
            // would read them again.
            at: Instant::now(),
            images: images.clone(),
        });
        images
    }

    /// Frees images that are too old to be returned.
    pub(super) fn forget_stale_images(&self) {
        if let Ok(mut loaded) = self.images.try_lock()
            && (loaded.as_ref()).is_some_and(|loaded| loaded.at.elapsed() >= FRESH)
        {
            *loaded = None;
        }
    }
}

impl Gallery {
    /// Reads the images without a scope; each caller's scope is applied afterwards.
    async fn images_of(&self, events: &[Event]) -> Result<Images, Error> {
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
        let group = ImageGroup::new(rows.iter().map(|row| row.image_id));
        let rows = rows.into_iter();
        let rows = rows.map(|row| (row.image_id, Arc::new(row.into())));
        Ok(Images {
            rows: rows.collect(),
            group,
        })
    }
}
