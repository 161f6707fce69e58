//! Counts over the gallery.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect, Select};

use super::intent::Intent;
use super::intent_aliases::IntentAliases;
use super::{ArgumentError, Error, Gallery, now, visible};
use crate::auth::{Caller, Denied, UserId};
use crate::db::UnitOfWork;
use crate::entity::{Timestamp, image};

/// Maximum number of days.
pub const MAX_DAYS: u16 = 366;

/// Number of active images with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCount {
    /// The most frequent spelling; none for images without a label.
    pub label: Option<String>,
    /// The intent of the label.
    pub intent: Option<Intent>,
    /// Images.
    pub count: u64,
}

/// Number of active images created on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// UTC.
    pub date: NaiveDate,
    /// Images.
    pub count: u64,
}

impl Gallery {
    /// Counts active images by label, compared without letter case; the most frequent first.
    pub async fn count_by_intent(
        &self,
        caller: &Caller,
        user_id: Option<UserId>,
    ) -> Result<Vec<LabelCount>, Error> {
        let query = active(caller, user_id)?
            .select_only()
            .column(image::Column::Intent)
            .expr_as(row_count(), "rows")
            .group_by(image::Column::Intent);
        let spellings = self
            .database
            .read(move |unit| {
                let query = query.clone();
                Box::pin(async move {
                    let rows: Vec<(Option<String>, i64)> = query.into_tuple().all(unit).await?;
                    Ok::<_, Error>(rows)
                })
            })
            .await?;
        Ok(by_label(spellings, &self.intent_aliases))
    }

    /// Counts active images created on each of the last `days` UTC days, oldest first, today included.
    pub async fn created_per_day(
        &self,
        caller: &Caller,
        user_id: Option<UserId>,
        days: i32,
    ) -> Result<Vec<DayCount>, Error> {
        let days = u64::try_from(days)
            .ok()
            .filter(|days| (1..=u64::from(MAX_DAYS)).contains(days))
            .ok_or(ArgumentError::Days(days))?;
        let today = now().to_datetime().date_naive();
        let (first, tomorrow) = (today - Days::new(days - 1), today + Days::new(1));
        let day = self.database.dialect().day_of_creation();
        let query = active(caller, user_id)?
            .filter(image::Column::CreatedAt.gte(midnight(first)))
            .filter(image::Column::CreatedAt.lt(midnight(tomorrow)))
            .select_only()
            .expr_as(day, "day")
            .expr_as(row_count(), "rows")
            // The day, by its place in the select list.
            .group_by(Expr::cust("1"));
        let counts = self
            .database
            .read(move |unit| Box::pin(count_days(unit, query.clone())))
            .await?;
        let dates = first.iter_days().take_while(|date| *date < tomorrow);
        Ok(dates
            .map(|date| DayCount {
                date,
                count: counts.get(&date.to_string()).copied().unwrap_or(0),
            })
            .collect())
    }
}

fn active(caller: &Caller, user_id: Option<UserId>) -> Result<Select<image::Entity>, Denied> {
    let scope = caller.scope(user_id)?;
    Ok(visible(&scope).filter(image::Column::DeletedAt.is_null()))
}

fn row_count() -> SimpleExpr {
    Func::count(Expr::col(Asterisk)).cast_as("bigint")
}

fn midnight(date: NaiveDate) -> Timestamp {
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    Timestamp::from_microseconds(midnight.timestamp_micros())
}

async fn count_days(
    unit: &UnitOfWork,
    query: Select<image::Entity>,
) -> Result<HashMap<String, u64>, Error> {
    let rows: Vec<(String, i64)> = query.into_tuple().all(unit).await?;
    Ok(rows
        .into_iter()
        .map(|(day, rows)| (day, natural(rows)))
        .collect())
}

/// Merges the spellings of each label under the most frequent one.
fn by_label(spellings: Vec<(Option<String>, i64)>, aliases: &IntentAliases) -> Vec<LabelCount> {
    let mut groups: HashMap<Option<String>, Vec<(Option<String>, u64)>> = HashMap::new();
    for (spelling, rows) in spellings {
        let spelling = spelling.filter(|spelling| !spelling.is_empty());
        let label = spelling.as_ref().map(|spelling| spelling.to_lowercase());
        groups
            .entry(label)
            .or_default()
            .push((spelling, natural(rows)));
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

fn natural(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
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
