//! Lists of images with keyset paging: a page costs the same wherever it lies, and stays correct under inserts and deletes.

use sea_orm::sea_query::{ExprTrait, SimpleExpr};
use sea_orm::{Condition, ConnectionTrait, DbErr, QueryResult, Statement};

use super::page::{Direction, End, Field, Order, Page, Side, SortKey};
use super::{Error, Filter, Gallery, PartialImage, favorite, from_rows_in};
use crate::auth::{Caller, Denied, Scope, UserId};
use crate::db::{Dialect, Sql};
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
        self.read_page(&rows, page, parts).await
    }

    /// Reads a page of rows.
    pub(super) async fn read_page(
        &self,
        rows: &Rows,
        page: &Page,
        parts: Parts,
    ) -> Result<Slice, Error> {
        let parts = Parts {
            // The page's cursors contain it.
            columns: self
                .needed(parts.columns)
                .and(Columns::of(&[page.order.column()])),
            ..parts
        };
        let statement = rows.page(page, parts);
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
        self.count_rows(&self.rows(caller, list)?).await
    }

    /// Counts rows.
    pub(super) async fn count_rows(&self, rows: &Rows) -> Result<u64, Error> {
        let row = self.one_row(rows.count()).await?;
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
        self.has_row_beyond(&rows, order, key, side).await
    }

    /// Whether there is a row on that side of a sort key.
    pub(super) async fn has_row_beyond(
        &self,
        rows: &Rows,
        order: Order,
        key: SortKey,
        side: Side,
    ) -> Result<bool, Error> {
        let nearest = rows.nearest(order, key, side);
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

    /// All rows of a statement.
    pub(super) async fn all_rows(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        self.database
            .read(move |unit| {
                let statement = statement.clone();
                Box::pin(async move { Ok(unit.query_all_raw(statement).await?) })
            })
            .await
    }

    /// The rows of a list, if the caller may see them.
    pub(super) fn rows(&self, caller: &Caller, list: &List) -> Result<Rows, Denied> {
        let scope = caller.scope(list.user_id.clone())?;
        Ok(self.rows_in(scope, list.collection, &list.filter))
    }

    /// The rows of a scope that hold a filter.
    pub(super) fn rows_in(&self, scope: Scope, collection: Collection, filter: &Filter) -> Rows {
        let dialect = self.database.dialect();
        let filter = filter.condition(
            dialect,
            &self.intent_aliases,
            self.database.prompt_metadata_key(),
            scope.owner(),
        );
        Rows {
            scope,
            collection,
            filter: (!filter.is_empty()).then(|| Condition::into(filter)),
            dialect,
        }
    }
}

/// The order of the gallery.
pub const NEWEST_FIRST: Order = Order {
    field: Field::CreatedAt,
    direction: Direction::Descending,
};

/// The rows of a list.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    scope: Scope,
    collection: Collection,
    filter: Option<SimpleExpr>,
    dialect: Dialect,
}

impl Rows {
    /// One statement for a page. Values of the list as a whole are repeated in each row, behind the image's columns.
    fn page(&self, page: &Page, parts: Parts) -> Statement {
        let order = page.order;
        let mut sql = Sql::new(self.dialect, "SELECT ");
        sql.columns(parts.columns.iter());
        if parts.total_count {
            sql.text(", (");
            self.write_count(&mut sql);
            sql.text(")");
        }
        let before = page.after.filter(|_| parts.has_before);
        let behind = page.before.filter(|_| parts.has_behind);
        for (key, side) in [(before, Side::UpTo), (behind, Side::FromOn)] {
            if let Some(key) = key {
                sql.text(", (");
                self.write_nearest(order, key, side, &mut sql);
                sql.text(") IS NOT NULL");
            }
        }
        self.write_from(&mut sql);
        for (key, side) in [(page.after, Side::After), (page.before, Side::Before)] {
            if let Some(key) = key {
                sql.text(" AND ");
                order.write_beyond(key, side, &mut sql);
            }
        }
        order.write(page.end, &mut sql);
        // Not as a value: without the limit Postgres cannot plan for it, so it would plan each execution anew.
        let limit = page.limit.saturating_add(1);
        sql.text(" LIMIT ").text(&limit.to_string());
        sql.into_statement()
    }

    /// Those of the rows that are not favourites.
    pub(super) fn without_favorites(self) -> Self {
        let condition = favorite::is_favorite(false, self.scope.owner());
        self.and(condition)
    }

    /// Those of the rows that meet a condition.
    pub(super) fn and(mut self, condition: SimpleExpr) -> Self {
        self.filter = Some(match self.filter {
            Some(filter) => filter.and(condition),
            None => condition,
        });
        self
    }

    /// Whether the filter holds of every row.
    pub(super) fn has_no_condition(&self) -> bool {
        self.filter.is_none()
    }

    /// Locks the newest rows behind a sort key, of those that are not locked, until the transaction ends.
    pub(super) fn lock_newest(
        &self,
        columns: Columns,
        after: Option<SortKey>,
        limit: u64,
    ) -> Statement {
        let mut sql = Sql::new(self.dialect, "SELECT ");
        sql.columns(columns.iter());
        self.write_from(&mut sql);
        if let Some(key) = after {
            sql.text(" AND ");
            NEWEST_FIRST.write_beyond(key, Side::After, &mut sql);
        }
        NEWEST_FIRST.write(End::Front, &mut sql);
        sql.text(" LIMIT ").text(&limit.to_string());
        sql.text(self.dialect.skipping_locked());
        sql.into_statement()
    }

    fn count(&self) -> Statement {
        let mut sql = Sql::new(self.dialect, "");
        self.write_count(&mut sql);
        sql.into_statement()
    }

    fn nearest(&self, order: Order, key: SortKey, side: Side) -> Statement {
        let mut sql = Sql::new(self.dialect, "");
        self.write_nearest(order, key, side, &mut sql);
        sql.into_statement()
    }

    fn write_count(&self, sql: &mut Sql) {
        sql.text("SELECT count(*)");
        self.write_from(sql);
    }

    /// The row on that side of a sort key that is nearest to it: the index is read from there and not from its end.
    fn write_nearest(&self, order: Order, key: SortKey, side: Side, sql: &mut Sql) {
        let from = match side {
            Side::After | Side::FromOn => End::Front,
            Side::Before | Side::UpTo => End::Back,
        };
        sql.text("SELECT ").columns(Columns::KEY.iter());
        self.write_from(sql);
        sql.text(" AND ");
        order.write_beyond(key, side, sql);
        order.write(from, sql);
        sql.text(" LIMIT 1");
    }

    /// Appends `FROM` for at most this many rows, the newest.
    pub(super) fn write_newest(&self, limit: i32, sql: &mut Sql) {
        self.write_from(sql);
        NEWEST_FIRST.write(End::Front, sql);
        sql.text(" LIMIT ").value(limit);
    }

    /// Appends `FROM` and the conditions.
    pub(super) fn write_from(&self, sql: &mut Sql) {
        from_rows_in(&self.scope, sql);
        sql.text(" AND ")
            .column(image::Column::DeletedAt)
            .text(match self.collection {
                Collection::Active => " IS NULL",
                Collection::Trash => " IS NOT NULL",
            });
        if let Some(filter) = &self.filter {
            sql.text(" AND (").expression(filter).text(")");
        }
    }
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

/// A count, which is never negative.
pub(super) fn to_count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
