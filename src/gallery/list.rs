//! Lists of images with keyset paging: a page costs the same wherever it lies, and stays correct under inserts and deletes.

use sea_orm::sea_query::{
    Asterisk, Expr, ExprTrait, Func, QueryStatementBuilder, SelectStatement, SimpleExpr,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryResult, Statement, StatementBuilder};

use super::page::{End, Order, Page, Side, SortKey};
use super::{Error, Filter, Gallery, PartialImage, rows_in};
use crate::auth::{Caller, Denied, UserId};
use crate::db::Dialect;
use crate::entity::image::{self, Columns};

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// The active gallery.
    Active,
    /// The trash.
    Trash,
}

/// Which images a list has; a page of it is asked for by [`Page`].
#[derive(Clone, Debug)]
pub struct List {
    /// The gallery or the trash.
    pub collection: Collection,
    /// The images of this owner only.
    pub user_id: Option<UserId>,
    /// The conditions.
    pub filter: Filter,
}

/// What to read of a page, in one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The columns of its images.
    pub columns: Columns,
    /// The number of images in the list.
    pub total_count: bool,
    /// Whether the list has images before the page.
    pub has_before: bool,
    /// Whether the list has images behind the page.
    pub has_behind: bool,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The images, in the list's order.
    pub images: Vec<PartialImage>,
    /// Whether a row was found beyond the far end of the page.
    pub has_more: bool,
    /// The number of images in the list. This and the following are none where they were not asked for, or the page is
    /// empty.
    pub total_count: Option<u64>,
    /// Whether the list has images before the cursor at which the page begins.
    pub has_before: Option<bool>,
    /// Whether the list has images behind the cursor at which the page ends.
    pub has_behind: Option<bool>,
}

impl Gallery {
    /// Reads a page of a list.
    pub async fn list(
        &self,
        caller: &Caller,
        list: &List,
        page: &Page,
        parts: Parts,
    ) -> Result<Slice, Error> {
        let rows = self.rows(caller, list)?;
        let parts = Parts {
            // The page's cursors contain it.
            columns: parts.columns.and(Columns::of(&[page.order.column()])),
            ..parts
        };
        let statement = statement(&rows, page, parts, self.dialect());
        let rows = self
            .database
            .read(move |unit| {
                let statement = statement.clone();
                Box::pin(async move { Ok::<_, Error>(unit.query_all_raw(statement).await?) })
            })
            .await?;
        Ok(slice(&rows, page, parts)?)
    }

    /// Counts the images of a list.
    pub async fn count(&self, caller: &Caller, list: &List) -> Result<u64, Error> {
        let count = counting(self.rows(caller, list)?);
        let count = StatementBuilder::build(&count, &self.dialect().backend());
        let row = self.one_row(count).await?;
        let count = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(count.map_or(0, to_count))
    }

    /// Whether the list has a row on that side of a sort key.
    pub async fn has_beyond(
        &self,
        caller: &Caller,
        list: &List,
        order: Order,
        key: SortKey,
        side: Side,
    ) -> Result<bool, Error> {
        let rows = self.rows(caller, list)?;
        let nearest = nearest(rows, order, key, side, self.dialect());
        let nearest = StatementBuilder::build(&nearest, &self.dialect().backend());
        Ok(self.one_row(nearest).await?.is_some())
    }

    async fn one_row(&self, statement: Statement) -> Result<Option<QueryResult>, Error> {
        self.database
            .read(move |unit| {
                let statement = statement.clone();
                Box::pin(async move { Ok(unit.query_one_raw(statement).await?) })
            })
            .await
    }

    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    fn rows(&self, caller: &Caller, list: &List) -> Result<SelectStatement, Denied> {
        let scope = caller.scope(list.user_id.clone())?;
        let deleted_at = image::Column::DeletedAt;
        let is_in_collection = match list.collection {
            Collection::Active => deleted_at.is_null(),
            Collection::Trash => deleted_at.is_not_null(),
        };
        let mut rows = rows_in(&scope);
        rows.and_where(is_in_collection)
            .cond_where(list.filter.condition(self.dialect()));
        Ok(rows)
    }
}

/// One statement for a page. Values of the list as a whole are repeated in each row, behind the image's columns.
fn statement(rows: &SelectStatement, page: &Page, parts: Parts, dialect: Dialect) -> Statement {
    let order = page.order;
    let mut query = rows.clone();
    order.sort(parts.columns.select(&mut query), page.end);
    for (key, side) in [(page.after, Side::After), (page.before, Side::Before)] {
        if let Some(key) = key {
            query.and_where(order.beyond(key, side, dialect));
        }
    }
    if parts.total_count {
        query.expr_as(subquery(counting(rows.clone())), "total_count");
    }
    if let Some(after) = page.after.filter(|_| parts.has_before) {
        let nearest = nearest(rows.clone(), order, after, Side::UpTo, dialect);
        query.expr_as(subquery(nearest).is_not_null(), "has_before");
    }
    if let Some(before) = page.before.filter(|_| parts.has_behind) {
        let nearest = nearest(rows.clone(), order, before, Side::FromOn, dialect);
        query.expr_as(subquery(nearest).is_not_null(), "has_behind");
    }
    query.limit(page.limit.saturating_add(1));
    StatementBuilder::build(&query, &dialect.backend())
}

fn slice(rows: &[QueryResult], page: &Page, parts: Parts) -> Result<Slice, DbErr> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let images = rows.iter().take(limit).map(|row| parts.columns.read(row));
    let mut images = images.collect::<Result<Vec<_>, _>>()?;
    if page.end == End::Back {
        images.reverse();
    }
    let mut place = parts.columns.count();
    let first = rows.first();
    let mut next = |is_there: bool| {
        let row = first.filter(|_| is_there)?;
        place += 1;
        Some((row, place - 1))
    };
    let total_count = next(parts.total_count);
    let has_before = next(parts.has_before && page.after.is_some());
    let has_behind = next(parts.has_behind && page.before.is_some());
    Ok(Slice {
        images,
        has_more: rows.len() > limit,
        total_count: total_count
            .map(|(row, place)| row.try_get_by_index(place).map(to_count))
            .transpose()?,
        has_before: has_before
            .map(|(row, place)| row.try_get_by_index(place))
            .transpose()?,
        has_behind: has_behind
            .map(|(row, place)| row.try_get_by_index(place))
            .transpose()?,
    })
}

/// The row on that side of a sort key that is nearest to it: the index is read from there and not from its end.
fn nearest(
    mut rows: SelectStatement,
    order: Order,
    key: SortKey,
    side: Side,
    dialect: Dialect,
) -> SelectStatement {
    let from = match side {
        Side::After | Side::FromOn => End::Front,
        Side::Before | Side::UpTo => End::Back,
    };
    rows.and_where(order.beyond(key, side, dialect));
    order.sort(Columns::KEY.select(&mut rows), from).limit(1);
    rows
}

fn subquery(query: SelectStatement) -> SimpleExpr {
    SimpleExpr::SubQuery(None, Box::new(query.into_sub_query_statement()))
}

fn counting(mut rows: SelectStatement) -> SelectStatement {
    rows.expr(Func::count(Expr::col(Asterisk)).cast_as("bigint"));
    rows
}

fn to_count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
