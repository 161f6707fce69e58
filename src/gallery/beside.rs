//! What is stored beside images. Of images that were read together it is read together as well, when the first of them needs
//! it: one statement for a page, none for a page that shows nothing of it.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::QueryResult;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{Error, Gallery};
use crate::auth::Caller;
use crate::db::Sql;

/// Images that were read together.
#[derive(Debug, Default)]
pub struct ImageGroup {
    ids: Vec<Uuid>,
    tags: OnceCell<HashMap<Uuid, Tags>>,
    /// Their owners.
    favorites: OnceCell<HashMap<Uuid, String>>,
}

/// The tags of an image, and its owner at that moment.
#[derive(Debug)]
struct Tags {
    owner: String,
    /// In alphabetical order.
    tags: Vec<String>,
}

impl ImageGroup {
    /// A group of these images.
    pub fn new(ids: impl IntoIterator<Item = Uuid>) -> Arc<Self> {
        Arc::new(Self {
            ids: ids.into_iter().collect(),
            ..Self::default()
        })
    }
}

impl Gallery {
    /// The tags of an image of this group, in alphabetical order.
    pub async fn tags_of<'g>(
        &self,
        caller: &Caller,
        group: &'g ImageGroup,
        image: Uuid,
    ) -> Result<&'g [String], Error> {
        let scope = caller.scope(None)?;
        let tags = group.tags.get_or_try_init(|| self.read_tags(&group.ids));
        let tags = Box::pin(tags).await?.get(&image);
        // A group may be of several owners' images.
        let visible = tags.filter(|tags| scope.contains(&tags.owner));
        Ok(visible.map(|tags| tags.tags.as_slice()).unwrap_or_default())
    }

    /// Whether an image of this group is a favourite.
    pub async fn is_favorite(
        &self,
        caller: &Caller,
        group: &ImageGroup,
        image: Uuid,
    ) -> Result<bool, Error> {
        let scope = caller.scope(None)?;
        let favorites = &group.favorites;
        let favorites = favorites.get_or_try_init(|| self.read_favorites(&group.ids));
        let owner = Box::pin(favorites).await?.get(&image);
        Ok(owner.is_some_and(|owner| scope.contains(owner)))
    }

    async fn read_favorites(&self, images: &[Uuid]) -> Result<HashMap<Uuid, String>, Error> {
        let columns = "favorite.image_id, favorite.user_id FROM image_gallery_favorite AS favorite";
        let rows = self.rows_beside(columns, "favorite", images, "").await?;
        let owners = rows
            .iter()
            .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)));
        owners.collect()
    }

    async fn read_tags(&self, images: &[Uuid]) -> Result<HashMap<Uuid, Tags>, Error> {
        let columns = "label.image_id, label.user_id, label.tag FROM image_gallery_tag AS label";
        let rows = self.rows_beside(columns, "label", images, " ORDER BY label.folded");
        let mut tags: HashMap<Uuid, Tags> = HashMap::new();
        for row in rows.await? {
            let owner = row.try_get_by_index(1)?;
            let of_image = tags
                .entry(row.try_get_by_index(0)?)
                .or_insert_with(|| Tags {
                    owner,
                    tags: Vec::new(),
                });
            of_image.tags.push(row.try_get_by_index(2)?);
        }
        Ok(tags)
    }

    async fn rows_beside(
        &self,
        columns: &str,
        table: &str,
        images: &[Uuid],
        order: &str,
    ) -> Result<Vec<QueryResult>, Error> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(self.database.dialect(), "SELECT ");
        sql.text(columns)
            .text(" WHERE ")
            .text(table)
            .text(".image_id IN ")
            .values(images.iter().copied())
            .text(order);
        self.all_rows(sql.into_statement()).await
    }
}
