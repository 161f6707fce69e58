//! Counts over the gallery.

mod metadata;

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use sea_orm::DbErr;

use super::intent::Intent;
use super::intent_aliases::IntentAliases;
use super::list::to_count;
use super::{ArgumentError, Error, Gallery, List, now};
use crate::auth::{Caller, Denied};
use crate::db::Sql;
use crate::entity::Timestamp;
use crate::entity::image::Column;

pub use metadata::{MAX_COUNTED, NumberSum, ValueCount};

/// Maximum number of days.
pub const MAX_DAYS: u16 = 366;
/// Maximum number of values, tags or owners.
pub const MAX_ROWS: u16 = 100;

/// Number of images with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCount {
    /// The most frequent spelling; none for images without a label.
    pub label: Option<String>,
    /// The intent of the label.
    pub intent: Option<Intent>,
    /// Images.
    pub count: u64,
}

/// Number of images created on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// UTC.
    pub date: NaiveDate,
    /// Images.
    pub count: u64,
}

/// Number of images of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCount {
    /// The owner.
    pub user_id: String,
    /// Images.
    pub count: u64,
}

impl Gallery {
    /// Counts the images of a list by label, compared without letter case; the most frequent first.
    pub async fn count_by_intent(
        &self,
        caller: &Caller,
        list: &List,
    ) -> Result<Vec<LabelCount>, Error> {
        let mut sql = Sql::new(self.database.dialect(), "SELECT ");
        sql.column(Column::Intent).text(", count(*)");
        self.rows(caller, list)?.write_from(&mut sql);
        sql.text(" GROUP BY ").column(Column::Intent);
        let rows = self.all_rows(sql.into_statement()).await?;
        let spellings = rows.iter().map(|row| {
            let rows = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index(0)?, to_count(rows)))
        });
        let spellings = spellings.collect::<Result<Vec<_>, DbErr>>()?;
        Ok(by_label(spellings, &self.intent_aliases))
    }

    /// Counts the images of a list created on each of the last `days` UTC days, oldest first, today included.
    pub async fn created_per_day(
        &self,
        caller: &Caller,
        list: &List,
        days: i32,
    ) -> Result<Vec<DayCount>, Error> {
        let days = u64::try_from(days)
            .ok()
            .filter(|days| (1..=u64::from(MAX_DAYS)).contains(days))
            .ok_or(ArgumentError::Days(days))?;
        let today = now().to_datetime().date_naive();
        let (first, tomorrow) = (today - Days::new(days - 1), today + Days::new(1));
        let dialect = self.database.dialect();
        let mut sql = Sql::new(dialect, "SELECT ");
        sql.expression(&dialect.day_of_creation())
            .text(", count(*)");
        self.rows(caller, list)?.write_from(&mut sql);
        for (comparison, date) in [(" >= ", first), (" < ", tomorrow)] {
            let midnight = dialect.timestamp(midnight(date));
            sql.text(" AND ").column(Column::CreatedAt).text(comparison);
            sql.expression(&midnight);
        }
        // The day, by its place in the select list.
        sql.text(" GROUP BY 1");
        let rows = self.all_rows(sql.into_statement()).await?;
        let counts = rows.iter().map(|row| {
            let rows = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index(0)?, to_count(rows)))
        });
        let counts = counts.collect::<Result<HashMap<String, u64>, DbErr>>()?;
        let dates = first.iter_days().take_while(|date| *date < tomorrow);
        Ok(dates
            .map(|date| DayCount {
                date,
                count: counts.get(&date.to_string()).copied().unwrap_or(0),
            })
            .collect())
    }

    /// The owners of most images of a list. Only for callers with access to all owners' images.
    pub async fn count_by_user(
        &self,
        caller: &Caller,
        list: &List,
        first: i32,
    ) -> Result<Vec<UserCount>, Error> {
        if caller.own_id().is_some() {
            return Err(Denied::Forbidden("counts by owner require a service token").into());
        }
        let first = first_rows(first)?;
        let dialect = self.database.dialect();
        let mut sql = Sql::new(dialect, "SELECT ");
        sql.column(Column::UserId).text(", count(*)");
        self.rows(caller, list)?.write_from(&mut sql);
        sql.text(" GROUP BY 1 ORDER BY 2 DESC, ")
            .column(Column::UserId);
        sql.text(dialect.by_bytes()).text(" LIMIT ").value(first);
        let rows = self.all_rows(sql.into_statement()).await?;
        let counts = rows.iter().map(|row| {
            Ok(UserCount {
                user_id: row.try_get_by_index(0)?,
                count: to_count(row.try_get_by_index(1)?),
            })
        });
        counts.collect()
    }
}

/// Checks the number of rows of a count.
pub(super) fn first_rows(first: i32) -> Result<i32, ArgumentError> {
    if !(1..=i32::from(MAX_ROWS)).contains(&first) {
        return Err(ArgumentError::Rows(first));
    }
    Ok(first)
}

fn midnight(date: NaiveDate) -> Timestamp {
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    Timestamp::from_microseconds(midnight.timestamp_micros())
}

/// Merges the spellings of each label under the most frequent one.
fn by_label(spellings: Vec<(Option<String>, u64)>, aliases: &IntentAliases) -> Vec<LabelCount> {
    let mut groups: HashMap<Option<String>, Vec<(Option<String>, u64)>> = HashMap::new();
    for (spelling, rows) in spellings {
        let spelling = spelling.filter(|spelling| !spelling.is_empty());
        let label = spelling.as_ref().map(|spelling| spelling.to_lowercase());
        groups.entry(label).or_default().push((spelling, rows));
    }
    let mut counts: Vec<_> = groups
        .into_iter()
        .map(|(label, mut spellings)| {
            spellings.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
            LabelCount {
                intent: label.as_deref().and_then(|label| aliases.intent_of(label)),
                count: spellings.iter().map(|(_, rows)| rows).sum(),
                label: spellings
                    .into_iter()
                    .next()
                    .and_then(|(spelling, _)| spelling),
            }
        })
        .collect();
    counts.sort_by(|one, other| {
        other
            .count
            .cmp(&one.count)
            .then_with(|| one.label.cmp(&other.label))
    });
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_label_count_together_under_the_commonest() {
        let stored = |label: &str, rows| (Some(label.to_owned()), rows);
        let spellings = vec![
            stored("generate", 2),
            stored("Generate", 3),
            stored("ÄPFEL", 1),
            stored("äpfel", 1),
            stored("", 4),
            (None, 5),
        ];
        let row = |label: Option<&str>, intent, count| LabelCount {
            label: label.map(str::to_owned),
            intent,
            count,
        };
        let expected = [
            row(None, None, 9),
            row(Some("Generate"), Some(Intent::Generate), 5),
            row(Some("ÄPFEL"), Some(Intent::Other), 2),
        ];
        assert_eq!(by_label(spellings, &IntentAliases::default()), expected);
    }
}
