//! Counts and sums over one key of the metadata.

use sea_orm::{DbErr, QueryResult};

use super::first_rows;
use crate::auth::Caller;
use crate::db::Sql;
use crate::entity::image::Column;
use crate::gallery::list::to_count;
use crate::gallery::{ArgumentError, Error, Gallery, List};

/// Maximum number of images whose metadata is read: the newest ones.
pub const MAX_COUNTED: i32 = 100_000;

/// Number of images with a value under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueCount {
    /// JSON text of a string, a number or a boolean.
    pub value: String,
    /// Images.
    pub count: u64,
}

/// Sums over the numbers under a key; none where there are no numbers, or where a double cannot hold the result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NumberSum {
    /// Images with a number.
    pub count: u64,
    /// The sum.
    pub sum: Option<f64>,
    /// The smallest number.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
    /// The arithmetic mean.
    pub average: Option<f64>,
}

impl Gallery {
    /// The most frequent values under a top-level key, in the newest [`MAX_COUNTED`] images of the list.
    pub async fn count_by_metadata(
        &self,
        caller: &Caller,
        list: &List,
        key: &str,
        first: i32,
    ) -> Result<Vec<ValueCount>, Error> {
        let first = first_rows(first)?;
        let [before_key, behind_key] = self.database.dialect().count_metadata_values();
        let mut sql = self.metadata_of(caller, list, key)?;
        sql.text(before_key)
            .value(key)
            .text(behind_key)
            .value(first);
        let rows = self.all_rows(sql.into_statement()).await?;
        let counts = rows.iter().map(|row| {
            Ok(ValueCount {
                value: row.try_get_by_index(0)?,
                count: to_count(row.try_get_by_index(1)?),
            })
        });
        counts.collect()
    }

    /// The sum and the bounds of the numbers under a top-level key, in the newest [`MAX_COUNTED`] images of the list.
    pub async fn sum_metadata(
        &self,
        caller: &Caller,
        list: &List,
        key: &str,
    ) -> Result<NumberSum, Error> {
        let [before_key, behind_key] = self.database.dialect().sum_metadata_numbers();
        let mut sql = self.metadata_of(caller, list, key)?;
        sql.text(before_key).value(key).text(behind_key);
        let rows = self.all_rows(sql.into_statement()).await?;
        let sum = rows.first().map(number_sum).transpose()?;
        Ok(sum.unwrap_or_default())
    }

    /// `WITH counted`: the metadata of the newest images.
    fn metadata_of(&self, caller: &Caller, list: &List, key: &str) -> Result<Sql, Error> {
        if key.contains('\0') {
            return Err(ArgumentError::NulInKey.into());
        }
        let mut sql = Sql::new(self.database.dialect(), "WITH counted AS (SELECT ");
        sql.column(Column::Metadata);
        self.rows(caller, list)?.write_newest(MAX_COUNTED, &mut sql);
        sql.text(")");
        Ok(sql)
    }
}

fn number_sum(row: &QueryResult) -> Result<NumberSum, DbErr> {
    let count = to_count(row.try_get_by_index(0)?);
    if count == 0 {
        return Ok(NumberSum::default());
    }
    Ok(NumberSum {
        count,
        sum: number_at(row, 1)?,
        min: number_at(row, 2)?,
        max: number_at(row, 3)?,
        average: number_at(row, 4)?,
    })
}

/// A number that was read as text, because Postgres' numbers may be beyond a double's range.
fn number_at(row: &QueryResult, place: usize) -> Result<Option<f64>, DbErr> {
    let text: String = row.try_get_by_index(place)?;
    Ok(text.parse().ok().filter(|number: &f64| number.is_finite()))
}
