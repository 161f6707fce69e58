//! Indexes of another application on Postgres' `image_gallery` that duplicate ours: each slows down every write and
//! speeds up no read.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, FromQueryResult, Statement};

use crate::indexes;

/// An index that can be dropped.
#[derive(Debug)]
pub struct DoubledIndex {
    /// The index, its duplicate, and the condition for dropping it; one sentence.
    pub what: String,
    /// The statement that drops it without blocking writers.
    pub drop: String,
}

/// A plain index of the table: a B-tree of columns in default order.
#[derive(Debug, FromQueryResult)]
struct Found {
    name: String,
    /// Its name in SQL, with the schema if needed.
    written: String,
    columns: String,
    /// The predicate of a partial index.
    condition: Option<String>,
    is_unique: bool,
    scans: i64,
}

const ACTIVE: &str = "(deleted_at IS NULL)";
const TRASH: &str = "(deleted_at IS NOT NULL)";

const FOUND: &str = "
    SELECT relname::text AS name, indexrelid::regclass::text AS written,
        (
            SELECT string_agg(attname, ', ' ORDER BY place)
            FROM unnest((indkey::smallint[])[0:indnkeyatts - 1]) WITH ORDINALITY AS key (attnum, place)
            JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum
        ) AS columns,
        pg_get_expr(indpred, indrelid) AS condition, indisunique AS is_unique,
        coalesce(pg_stat_get_numscans(indexrelid), 0) AS scans
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    WHERE indrelid = to_regclass('image_gallery') AND amname = 'btree' AND indexprs IS NULL AND indisvalid
        AND NOT EXISTS (SELECT FROM pg_opclass WHERE oid = ANY (indclass) AND NOT opcdefault)
    ORDER BY relname";

/// All indexes that can be dropped, by name.
pub(crate) async fn find(connection: &impl ConnectionTrait) -> Result<Vec<DoubledIndex>, DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(Vec::new());
    }
    let statement = Statement::from_string(DbBackend::Postgres, FOUND);
    let found = Found::find_by_statement(statement).all(connection).await?;
    Ok(found
        .iter()
        .filter(|index| !index.is_ours() && !index.is_unique)
        .filter_map(|index| doubled(index, &found))
        .collect())
}

fn doubled(index: &Found, all: &[Found]) -> Option<DoubledIndex> {
    let others = || all.iter().filter(|other| other.name != index.name);
    let reason = if let Some(other) = others().find(|other| index.is_covered_by(other)) {
        format!("`{}` does all of its work: it may go", other.name)
    } else {
        if index.condition.is_some() {
            return None;
        }
        let ours = |condition: &str| {
            others().find(|other| {
                other.is_ours()
                    && other.condition.as_deref() == Some(condition)
                    && index.is_led_by(other, condition)
            })
        };
        let active = &ours(ACTIVE)?.name;
        match ours(TRASH) {
            Some(trash) => format!(
                "`{active}` does its work for active images, and `{}` for the trash: it may go, unless the other \
                 application reads rows without a condition on deleted_at",
                trash.name
            ),
            None => format!(
                "`{active}` does its work for active images: it may go, unless the other application reads the trash, \
                 or rows without a condition on deleted_at, in this order"
            ),
        }
    };
    let scans = index.scans;
    Some(DoubledIndex {
        what: format!(
            "the index `{}` ({}) is doubled: {reason} (used {scans} time{} since statistics were reset)",
            index.name,
            index.columns,
            if scans == 1 { "" } else { "s" }
        ),
        drop: format!("DROP INDEX CONCURRENTLY {}", index.written),
    })
}

impl Found {
    fn is_ours(&self) -> bool {
        indexes(None).iter().any(|index| index.name == self.name)
    }

    /// Of two identical indexes, the first by name stays.
    fn is_covered_by(&self, other: &Self) -> bool {
        let has_its_rows = other.condition.is_none() || other.condition == self.condition;
        let is_same = other.columns == self.columns && other.condition == self.condition;
        let stays = other.is_ours() || other.is_unique || other.name < self.name;
        has_its_rows && other.begins_with(self.columns()) && (!is_same || stays)
    }

    /// Whether, among the rows of a condition on `deleted_at`, the other index starts with this one's columns.
    fn is_led_by(&self, other: &Self, condition: &str) -> bool {
        // The column has the same value in all active rows.
        let is_constant = |column: &&str| condition == ACTIVE && *column == "deleted_at";
        other.begins_with(self.columns().filter(|column| !is_constant(column)))
    }

    fn begins_with<'c>(&self, columns: impl Iterator<Item = &'c str>) -> bool {
        let mut own = self.columns();
        columns.into_iter().all(|column| own.next() == Some(column))
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.split(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, columns: &str, condition: Option<&str>) -> Found {
        Found {
            name: name.to_owned(),
            written: name.to_owned(),
            columns: columns.to_owned(),
            condition: condition.map(str::to_owned),
            is_unique: false,
            scans: 0,
        }
    }

    #[test]
    fn indexes_covered_by_ours_or_longer_ones_are_duplicates() {
        let all = [
            found(
                "image_gallery_active_created",
                "created_at, image_id",
                Some(ACTIVE),
            ),
            found(
                "image_gallery_owner_active_created",
                "user_id, created_at, image_id",
                Some(ACTIVE),
            ),
            found("image_gallery_trash", "deleted_at, image_id", Some(TRASH)),
            found(
                "image_gallery_owner_trash",
                "user_id, deleted_at, image_id",
                Some(TRASH),
            ),
            found("a_user_created", "user_id, created_at", None),
            found("b_user", "user_id", None),
            found("c_user_deleted", "user_id, deleted_at", None),
            found("d_deleted", "deleted_at", None),
            found("e_intent", "intent", None),
            found("f_intent", "intent", None),
            found("g_url", "image_url", Some(ACTIVE)),
        ];
        let reason = |name: &str| {
            let index = all
                .iter()
                .find(|index| index.name == name)
                .expect("it is there");
            doubled(index, &all).map(|doubled| doubled.what)
        };
        for (name, expected) in [
            (
                "a_user_created",
                Some(
                    "`image_gallery_owner_active_created` does its work for active images: it may go, unless",
                ),
            ),
            ("b_user", Some("`a_user_created` does all of its work")),
            (
                "c_user_deleted",
                Some("and `image_gallery_owner_trash` for the trash"),
            ),
            ("d_deleted", Some("and `image_gallery_trash` for the trash")),
            ("e_intent", None),
            ("f_intent", Some("`e_intent` does all of its work")),
            ("g_url", None),
        ] {
            let reason = reason(name);
            let is_expected = match (&reason, expected) {
                (Some(reason), Some(expected)) => reason.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(is_expected, "{name}: {reason:?}");
        }
    }
}
