//! Lists of images, read by keyset: a page costs the same wherever it lies, and stays right while rows come and go.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect, Select};

use super::{Error, Filter, Gallery, Image, visible};
use crate::auth::{Caller, Denied, UserId};
use crate::db::page::{End, Order, Page, Position, Side};
use crate::db::{Dialect, Unit};
use crate::entity::image;

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// The active gallery.
    Active,
    /// The trash.
    Trash,
}

/// A list: what is in it, without a page of it.
#[derive(Clone, Debug)]
pub struct List {
    /// The gallery or the trash.
    pub shelf: Shelf,
    /// One owner's only.
    pub user_id: Option<UserId>,
    /// What has to hold of each.
    pub filter: Filter,
}

/// A page as it was answered.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The images, in the list's order.
    pub images: Vec<Image>,
    /// Whether a row was found beyond the far end of the page.
    pub has_more: bool,
}

impl Gallery {
    /// One page of a list.
    pub async fn list(&self, caller: &Caller, list: &List, page: &Page) -> Result<Slice, Error> {
        let query = self.rows(caller, list)?;
        let page = page.clone();
        self.database
            .read(move |unit| Box::pin(read_page(unit, query.clone(), page.clone())))
            .await
    }

    /// How many images the list has.
    pub async fn count(&self, caller: &Caller, list: &List) -> Result<u64, Error> {
        let query = self.rows(caller, list)?;
        self.database
            .read(move |unit| Box::pin(count(unit, query.clone())))
            .await
    }

    /// Whether the list has a row on that side of a position.
    pub async fn has_beyond(
        &self,
        caller: &Caller,
        list: &List,
        order: Order,
        position: Position,
        side: Side,
    ) -> Result<bool, Error> {
        let beyond = order.beyond(position, side, self.dialect());
        let query = self.rows(caller, list)?.filter(beyond);
        // The nearest one, so that the index is read from here and not from its end.
        let from = match side {
            Side::After | Side::FromOn => End::Front,
            Side::Before | Side::UpTo => End::Back,
        };
        let query = order
            .sort(query, from)
            .select_only()
            .column(image::Column::ImageId)
            .limit(1);
        self.database
            .read(move |unit| {
                let query = query.clone();
                Box::pin(async move {
                    let nearest: Option<uuid::Uuid> = query.into_tuple().one(unit).await?;
                    Ok(nearest.is_some())
                })
            })
            .await
    }

    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    fn rows(&self, caller: &Caller, list: &List) -> Result<Select<image::Entity>, Denied> {
        let scope = caller.scope(list.user_id.clone())?;
        let deleted_at = image::Column::DeletedAt;
        let shelf = match list.shelf {
            Shelf::Active => deleted_at.is_null(),
            Shelf::Trash => deleted_at.is_not_null(),
        };
        Ok(visible(&scope)
            .filter(shelf)
            .filter(list.filter.condition(self.dialect())))
    }
}

async fn read_page(unit: &Unit, query: Select<image::Entity>, page: Page) -> Result<Slice, Error> {
    let order = page.order;
    let bounds = [(page.after, Side::After), (page.before, Side::Before)];
    let mut query = order
        .sort(query, page.end)
        .limit(page.limit.saturating_add(1));
    for (position, side) in bounds {
        if let Some(position) = position {
            query = query.filter(order.beyond(position, side, unit.dialect()));
        }
    }
    let mut images = query.all(unit).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = images.len() > limit;
    images.truncate(limit);
    if page.end == End::Back {
        images.reverse();
    }
    Ok(Slice { images, has_more })
}

pub(super) async fn count(unit: &Unit, query: Select<image::Entity>) -> Result<u64, Error> {
    let rows = Func::count(Expr::col(Asterisk)).cast_as("bigint");
    let counted: Option<i64> = query
        .select_only()
        .expr_as(rows, "rows")
        .into_tuple()
        .one(unit)
        .await?;
    Ok(counted
        .and_then(|rows| u64::try_from(rows).ok())
        .unwrap_or(0))
}
