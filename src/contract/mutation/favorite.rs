//! `setFavorite`.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::trash::{divide, in_list, too_many};
use crate::contract::error::Result;
use crate::contract::image::Image;
use crate::contract::immediate::List;
use crate::contract::query::image_ids;
use crate::contract::user_error::UserError;
use crate::contract::{caller, gallery};

/// Those that already were so are among them; so it is safe to repeat.
#[derive(Debug, SimpleObject)]
pub(super) struct SetFavoritePayload {
    /// Each image that is so now, in the order of the ids.
    images: List<Vec<Image>>,
    /// Each id that could not be done.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(super) struct FavoriteMutation;

#[Object]
impl FavoriteMutation {
    /// Marks up to 100 images as favourites, or unmarks them; in one transaction, as softDeleteImages. An image in the
    /// trash is `IMAGE_DELETED`.
    async fn set_favorite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids.")] ids: Vec<ID>,
        #[graphql(desc = "False unmarks them.")] is_favorite: bool,
    ) -> Result<SetFavoritePayload> {
        caller(ctx).require_access()?;
        if let Some(user_errors) = too_many(&ids) {
            return Ok(SetFavoritePayload {
                images: List(Vec::new()),
                user_errors,
            });
        }
        let ids = image_ids(&ids);
        let outcomes = gallery(ctx).set_favorite(caller(ctx), &ids, is_favorite);
        let (marked, refused) = divide(&ids, Box::pin(outcomes).await?);
        Ok(SetFavoritePayload {
            images: List(Image::whole_list(marked)),
            user_errors: in_list(&refused),
        })
    }
}
