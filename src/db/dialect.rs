//! The SQL dialects: everything that differs between Postgres and SQLite at run time, one function per difference.

use std::cmp::Ordering;

use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, SimpleExpr, Value};
use serde_json::{Map, Value as Json};

use super::containment;
use super::search::{self, Fts5, Query};
use crate::entity::{Metadata, Timestamp, image};

/// The SQL dialect of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Postgres 15 or newer.
    Postgres,
    /// Embedded SQLite.
    Sqlite,
}

impl Dialect {
    /// The prefix of each word in Postgres' index: see `image_gallery_search_text` in migration `m0002_search`.
    pub(super) const INDEXED_WORD_PREFIX: &str = "x";

    /// sea-orm's name of the database.
    pub fn backend(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// A timestamp as a value. Only Postgres supports infinite ones, and those before the year 0 or after 9999.
    pub fn timestamp(self, timestamp: Timestamp) -> SimpleExpr {
        match (self, timestamp) {
            (Self::Postgres, Timestamp::INFINITY) => Expr::cust("'infinity'::timestamptz"),
            (Self::Postgres, Timestamp::NEGATIVE_INFINITY) => {
                Expr::cust("'-infinity'::timestamptz")
            }
            (Self::Postgres, finite) => match finite.unprintable_postgres() {
                None => Expr::value(finite),
                Some(microseconds) => Expr::cust(format!(
                    "('2000-01-01Z'::timestamptz + interval '{microseconds} microseconds')"
                )),
            },
            (Self::Sqlite, _) => Expr::value(timestamp),
        }
    }

    /// Whether a timestamp was readable. SQLite has no infinite ones: there `NEGATIVE_INFINITY` means unreadable text.
    pub fn is_known(self, read: Timestamp) -> bool {
        self == Self::Postgres || read != Timestamp::NEGATIVE_INFINITY
    }

    /// The row was moved to the trash at this time or earlier. False if the time is not known ([`Dialect::is_known`]).
    pub fn is_deleted_by(self, instant: Timestamp) -> SimpleExpr {
        match self {
            Self::Postgres => Expr::col(image::Column::DeletedAt).lte(instant),
            // Timestamps written by other programs may sort before their value: `2026-01-15 23:00`, or with an offset.
            Self::Sqlite => Expr::cust_with_values(
                "deleted_at <= ? AND length(deleted_at) >= 19 \
                 AND strftime('%Y-%m-%dT%H:%M:%S', deleted_at) <= substr(?, 1, 19)",
                [instant, instant],
            ),
        }
    }

    /// Acquires the lock of retention work, or returns false. It is a transaction lock, not a session lock, so it works
    /// behind a transaction pooler and is released when a process dies. SQLite has only one writer and needs no lock.
    pub(super) fn turn(self) -> Option<&'static str> {
        match self {
            // An arbitrary constant, different from that of the migrations.
            Self::Postgres => Some("pg_try_advisory_xact_lock(7598265189632274028)"),
            Self::Sqlite => None,
        }
    }

    /// The end of a query that locks its rows until the transaction ends, and skips those that others have locked.
    pub fn skipping_locked(self) -> &'static str {
        match self {
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
            // The transaction is the only writer.
            Self::Sqlite => "",
        }
    }

    /// The column of the trail that orders the events of an image, those without a position included.
    pub fn order_of_events(self) -> &'static str {
        match self {
            Self::Postgres => "sequence",
            Self::Sqlite => "position",
        }
    }

    /// The next `updated_at`: `now`, or one microsecond after the current value if that is not earlier.
    pub fn next_updated_at(self, now: Timestamp) -> SimpleExpr {
        match self {
            Self::Postgres => Expr::cust_with_values(
                "GREATEST($1, image_gallery.updated_at + interval '1 microsecond')",
                [now],
            ),
            // SQLite's arithmetic has millisecond precision, so the six digits are incremented separately.
            Self::Sqlite => Expr::cust_with_values(
                "CASE WHEN updated_at < ? THEN ? ELSE coalesce(\
                 strftime('%Y-%m-%dT%H:%M:%S', substr(updated_at, 1, 19), \
                 CASE substr(updated_at, 21, 6) WHEN '999999' THEN '+1 second' ELSE '+0 seconds' END) \
                 || printf('.%06dZ', (CAST(substr(updated_at, 21, 6) AS INTEGER) + 1) % 1000000), ?) END",
                [now, now, now],
            ),
        }
    }

    /// The row still has the `updated_at` that this transaction read. None on SQLite, where no other writer is
    /// possible, and where another program's text may differ from ours for the same time.
    pub fn is_still_updated_at(self, read: Timestamp) -> Option<SimpleExpr> {
        match self {
            Self::Postgres => Some(Expr::col(image::Column::UpdatedAt).eq(self.timestamp(read))),
            Self::Sqlite => None,
        }
    }

    /// The UTC day of `created_at` as text, e.g. `2026-01-15`.
    pub fn day_of_creation(self) -> SimpleExpr {
        match self {
            Self::Postgres => Expr::cust("to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"),
            Self::Sqlite => Expr::cust("substr(created_at, 1, 10)"),
        }
    }

    /// The collation that orders text by its bytes. On SQLite it is the default.
    pub fn by_bytes(self) -> &'static str {
        match self {
            Self::Postgres => r#" COLLATE "C""#,
            Self::Sqlite => "",
        }
    }

    /// The stored label is one of these, ignoring case: both have the same Unicode lower case.
    pub fn has_label<'l>(self, labels: impl IntoIterator<Item = &'l str>) -> SimpleExpr {
        let label = match self {
            // The database's own collation may be C, which supports ASCII only.
            Self::Postgres => r#"lower(intent COLLATE "und-x-icu")"#,
            Self::Sqlite => "intent COLLATE letter_case",
        };
        Expr::cust(label).is_in(labels.into_iter().map(str::to_lowercase))
    }

    /// The collation name that [`Dialect::has_label`] uses for [`Dialect::compare_labels`] on SQLite, whose `lower`
    /// supports ASCII only.
    pub(super) const LETTER_CASE: &str = "letter_case";

    /// Compares two labels, ignoring case.
    pub(super) fn compare_labels(one: &str, other: &str) -> Ordering {
        one.to_lowercase().cmp(&other.to_lowercase())
    }

    /// The row has one of these URLs, which does not contain the row's id. Along the index of migration `m0008_stored_urls`,
    /// which has the same expressions.
    pub fn has_stored_url<'u>(self, urls: impl IntoIterator<Item = &'u str> + Clone) -> Condition {
        let is_one = Expr::col((image::Entity, image::Column::ImageUrl)).is_in(urls.clone());
        match self {
            Self::Postgres => {
                let hashes = urls
                    .into_iter()
                    .map(|url| Expr::cust_with_values("hashtextextended($1, 0)", [url]));
                Condition::all()
                    .add(Expr::cust("hashtextextended(image_url, 0)").is_in(hashes))
                    .add(is_one)
                    .add(Expr::cust(
                        "position(image_id::text in lower(image_url)) = 0",
                    ))
            }
            Self::Sqlite => Condition::all().add(is_one).add(Expr::cust(
                "instr(replace(upper(image_url), '-', ''), hex(image_id)) = 0",
            )),
        }
    }

    /// JSON from its text: as a bound value, a number would be rounded to a double.
    pub fn json(self, metadata: Metadata) -> SimpleExpr {
        let text = metadata.into_string();
        match self {
            Self::Postgres => Expr::cust_with_values("CAST($1 AS jsonb)", [text]),
            Self::Sqlite => Expr::value(text),
        }
    }

    /// The prompts match a search; None if every row does. `prompt_key` is that of [`super::Database::prompt_metadata_key`].
    pub fn matches(self, query: &Query, prompt_key: Option<&str>) -> Option<SimpleExpr> {
        match self {
            Self::Postgres => {
                let conditions = query.to_postgres(Self::INDEXED_WORD_PREFIX)?;
                search::postgres(conditions, prompt_key)
            }
            Self::Sqlite => Self::fts5(query.to_fts5()?),
        }
    }

    /// SQLite's search index finds the row.
    pub(super) fn fts5(query: Fts5) -> Option<SimpleExpr> {
        let rows = "SELECT rowid FROM image_gallery_search WHERE image_gallery_search MATCH ?";
        let matching = query
            .matching
            .map(|matching| Expr::cust_with_values(format!("row_key IN ({rows})"), [matching]));
        let without = query
            .without
            .into_iter()
            .map(|without| Expr::cust_with_values(format!("row_key NOT IN ({rows})"), [without]));
        matching.into_iter().chain(without).reduce(ExprTrait::or)
    }

    /// `metadata` contains every key and value of `part`, as in Postgres' jsonb containment.
    pub fn metadata_contains(self, part: &Map<String, Json>) -> SimpleExpr {
        match self {
            // Uses the GIN index.
            Self::Postgres => {
                Expr::cust_with_values("metadata @> $1", [Json::Object(part.clone())])
            }
            Self::Sqlite => containment::sqlite(part),
        }
    }

    /// `metadata` is an object with this key.
    pub fn metadata_has_key(self, key: &str) -> SimpleExpr {
        match self {
            // The function of the operator `?`, which is a placeholder for some drivers.
            Self::Postgres => Expr::cust_with_values(
                "(jsonb_typeof(metadata) = 'object' AND jsonb_exists(metadata, $1))",
                [key],
            ),
            Self::Sqlite => Expr::cust_with_values(
                "EXISTS (SELECT 1 FROM json_each(metadata) AS member \
                 WHERE json_type(metadata) = 'object' AND member.key = ?)",
                [key],
            ),
        }
    }

    /// `metadata` is an object with a number under this key, within the bounds. On Postgres bounds are compared by their
    /// decimal digits, as numbers are stored.
    pub fn metadata_number_within(
        self,
        key: &str,
        min: Option<f64>,
        max: Option<f64>,
    ) -> SimpleExpr {
        let bounds = [(">=", min), ("<=", max)];
        let bounds = bounds.into_iter();
        let bounds = bounds.filter_map(|(comparison, bound)| Some((comparison, bound?)));
        let mut values: Vec<Value> = vec![key.into()];
        let mut conditions = String::new();
        for (comparison, bound) in bounds {
            let condition = match self {
                Self::Postgres => {
                    values.push(bound.to_string().into());
                    let (key, bound) = ("CAST($1 AS text)", values.len());
                    format!(
                        " AND CAST(metadata ->> {key} AS numeric) {comparison} CAST(${bound} AS numeric)"
                    )
                }
                Self::Sqlite => {
                    values.push(bound.into());
                    format!(" AND member.atom {comparison} ?")
                }
            };
            conditions.push_str(&condition);
        }
        let sql = match self {
            // The condition is evaluated only for numbers.
            Self::Postgres => format!(
                "CASE WHEN jsonb_typeof(metadata -> CAST($1 AS text)) = 'number' THEN true{conditions} ELSE false END"
            ),
            Self::Sqlite => format!(
                "EXISTS (SELECT 1 FROM json_each(metadata) AS member WHERE json_type(metadata) = 'object' \
                 AND member.key = ? AND member.type IN ('integer', 'real'){conditions})"
            ),
        };
        Expr::cust_with_values(sql, values)
    }

    /// Counts the values under a key in the rows `counted`, most frequent first: the statement's parts before and behind
    /// the key, then the limit. Each value is JSON text; equal numbers are one value.
    pub fn count_metadata_values(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => [
                r#" SELECT min(CAST(value AS text) COLLATE "C"), count(*)
                FROM (SELECT metadata -> CAST("#,
                r" AS text) AS value FROM counted) AS member
                WHERE jsonb_typeof(value) IN ('string', 'number', 'boolean')
                GROUP BY value ORDER BY 2 DESC, 1 LIMIT ",
            ],
            Self::Sqlite => [
                " SELECT min(value), count(*) FROM (
                    SELECT CASE member.type WHEN 'text' THEN 'string' WHEN 'integer' THEN 'number' WHEN 'real' THEN 'number'
                            ELSE 'boolean' END AS kind,
                        member.atom AS atom,
                        CASE member.type WHEN 'text' THEN json_quote(member.atom) WHEN 'true' THEN 'true'
                            WHEN 'false' THEN 'false'
                            ELSE coalesce(member.json -> member.fullkey, json_quote(member.atom)) END AS value
                    FROM counted, json_each(counted.metadata) AS member
                    WHERE json_type(counted.metadata) = 'object'
                        AND member.type IN ('text', 'integer', 'real', 'true', 'false') AND member.key = ",
                ") AS member GROUP BY kind, atom ORDER BY 2 DESC, 1 LIMIT ",
            ],
        }
    }

    /// The count, sum, minimum, maximum and average of the numbers under a key in the rows `counted`, all but the count as
    /// text: the statement's parts before and behind the key. On SQLite they are sums of doubles.
    pub fn sum_metadata_numbers(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => [
                " SELECT count(*), CAST(sum(number) AS text), CAST(min(number) AS text), CAST(max(number) AS text),
                    CAST(avg(number) AS text)
                FROM (
                    SELECT CASE WHEN jsonb_typeof(value) = 'number' THEN CAST(value #>> '{}' AS numeric) END AS number
                    FROM (SELECT metadata -> CAST(",
                " AS text) AS value FROM counted) AS member) AS numbers
                WHERE number IS NOT NULL",
            ],
            Self::Sqlite => [
                " SELECT count(*), printf('%!.17g', total(member.atom)), printf('%!.17g', min(member.atom)),
                    printf('%!.17g', max(member.atom)), printf('%!.17g', avg(member.atom))
                FROM counted, json_each(counted.metadata) AS member
                WHERE json_type(counted.metadata) = 'object' AND member.type IN ('integer', 'real') AND member.key = ",
                "",
            ],
        }
    }
}
