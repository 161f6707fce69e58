//! Table `image_gallery_once_key`: the keys under which owners create images once.

use sea_orm::entity::prelude::*;

/// An owner's key, and the image that was created under it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "image_gallery_once_key")]
pub struct Model {
    /// The image's owner.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// The owner's own name for the image.
    #[sea_orm(primary_key, auto_increment = false)]
    pub once_key: String,
    /// The image. When another application has given it to another owner, the key has no image.
    pub image_id: Uuid,
}

/// The table has no foreign keys.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
