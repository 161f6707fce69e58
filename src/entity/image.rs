//! Table `image_gallery`: one row for each image, active or in the trash.

use sea_orm::entity::prelude::*;

use super::{Metadata, Timestamp};

/// One stored image.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "image_gallery")]
pub struct Model {
    /// UUID taken from the Cloudinary URL.
    #[sea_orm(primary_key, auto_increment = false)]
    pub image_id: Uuid,
    /// Owner; at most 255 characters.
    pub user_id: String,
    /// Cloudinary delivery URL; at most 1024 characters.
    pub image_url: String,
    /// What the person typed.
    pub original_prompt: Option<String>,
    /// What the model was given.
    pub refined_prompt: Option<String>,
    /// Label such as `generate`; another application may store it in any letter case, and none as `''`.
    pub intent: Option<String>,
    /// Free JSON object.
    pub metadata: Metadata,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed; always moves forward.
    pub updated_at: Timestamp,
    /// When it was put in the trash; none while it is active.
    pub deleted_at: Option<Timestamp>,
}

/// The table stands alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
