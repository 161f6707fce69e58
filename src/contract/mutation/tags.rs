//! `tagImages`, `renameTag`.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::trash::{divide, in_list, too_many};
use crate::contract::error::Result;
use crate::contract::filter::user_id as checked_user_id;
use crate::contract::image::Image;
use crate::contract::immediate::List;
use crate::contract::query::image_ids;
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};
use crate::gallery::{InvalidTags, TagChange, TagList};

/// Those that already were so are among them; so it is safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct TagImagesPayload {
    /// Each image that has the tags now, in the order of the ids.
    images: List<Vec<Image>>,
    /// Each id that could not be done; or what is wrong with the tags, and then nothing was done.
    user_errors: Vec<UserError>,
}

impl TagImagesPayload {
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            images: List(Vec::new()),
            user_errors,
        }
    }
}

/// hasMore: the bound of one call (10,000 images, or its time) was reached; call again.
#[derive(Debug, SimpleObject)]
pub(super) struct RenameTagPayload {
    /// How many images this call changed, those in the trash included.
    changed_count: i32,
    /// Whether there may be some left; if so, call again.
    has_more: bool,
    /// What is wrong with the names; then nothing was done.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct TagMutation;

#[Object]
impl TagMutation {
    /// Puts tags on and takes others off, up to 100 images and 50 tags an image; in one transaction, as softDeleteImages.
    /// White space at both ends of a tag does not count, nor does letter case; the owner's first spelling is shown. An image
    /// in the trash is `IMAGE_DELETED`.
    async fn tag_images(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids.")] ids: Vec<ID>,
        #[graphql(
            desc = "At most 50 tags of at most 100 characters, put on beside those that are there."
        )]
        add: Option<Vec<String>>,
        #[graphql(desc = "At most 100 tags. One that is added as well stays.")] remove: Option<
            Vec<String>,
        >,
    ) -> Result<TagImagesPayload> {
        caller(ctx).require_access()?;
        if let Some(user_errors) = too_many(&ids) {
            return Ok(TagImagesPayload::refused(user_errors));
        }
        let ids = image_ids(&ids);
        let change = TagChange {
            add: add.unwrap_or_default(),
            remove: remove.unwrap_or_default(),
        };
        let outcomes = match Box::pin(gallery(ctx).tag(caller(ctx), &ids, &change)).await? {
            Ok(outcomes) => outcomes,
            Err(invalid) => {
                let user_errors = invalid.iter().map(in_tags).collect();
                return Ok(TagImagesPayload::refused(user_errors));
            }
        };
        let (tagged, refused) = divide(&ids, outcomes);
        Ok(TagImagesPayload {
            images: List(Image::whole_list(tagged)),
            user_errors: in_list(&refused),
        })
    }

    /// On all of the owner's images, those in the trash included; into one that is there already: they become one. A new
    /// spelling of the same tag is shown from then on. `BAD_USER_INPUT`: no userId from a caller who is not a user. Safe to
    /// repeat.
    async fn rename_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The owner; the caller if left out.")] user_id: Option<String>,
        #[graphql(desc = "The tag to rename, in any letter case.")] from: String,
        #[graphql(desc = "Its new name, at most 100 characters.")] to: String,
    ) -> Result<RenameTagPayload> {
        caller(ctx).require_access()?;
        let user_id = checked_user_id(user_id.as_deref())?;
        let renamed = gallery(ctx).rename_tag(caller(ctx), user_id, &from, &to);
        let renamed = Box::pin(renamed).await?;
        let user_errors = renamed.as_ref().err();
        let user_errors = user_errors.map(|invalid| invalid.iter().map(in_tags).collect());
        let renamed = renamed.unwrap_or_default();
        Ok(RenameTagPayload {
            changed_count: i32::try_from(renamed.count).unwrap_or(i32::MAX),
            has_more: renamed.has_more,
            user_errors: user_errors.unwrap_or_default(),
        })
    }
}

/// The error of tags in an argument.
fn in_tags(invalid: &InvalidTags) -> UserError {
    let list = match invalid.list {
        TagList::Add => "add",
        TagList::Remove => "remove",
        TagList::From => "from",
        TagList::To => "to",
    };
    match invalid.place {
        Some(place) => UserError::new(&invalid.refusal, &[list, &place.to_string()]),
        None => UserError::new(&invalid.refusal, &[list]),
    }
}
