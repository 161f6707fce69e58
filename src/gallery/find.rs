//! Single images by id.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

use super::{Error, Gallery, Image, ImageId, visible};
use crate::auth::Caller;
use crate::entity::image;

impl Gallery {
    /// The images of these ids, active or in the trash, in their order; none in the place of each that the caller may
    /// not see or that is not there.
    pub async fn find(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
    ) -> Result<Vec<Option<Image>>, Error> {
        let scope = caller.scope(None)?;
        let known: Vec<Uuid> = ids.iter().flatten().map(|id| id.0).collect();
        if known.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let rows = self
            .database
            .read(move |unit| {
                let rows = visible(&scope).filter(image::Column::ImageId.is_in(known.clone()));
                Box::pin(async move { Ok::<_, Error>(rows.all(unit).await?) })
            })
            .await?;
        let by_id: HashMap<Uuid, Image> = rows.into_iter().map(|row| (row.image_id, row)).collect();
        Ok(ids
            .iter()
            .map(|id| id.and_then(|id| by_id.get(&id.0).cloned()))
            .collect())
    }
}
