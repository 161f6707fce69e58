//! `GalleryStats`: counts over the gallery; only selected counts are computed.

use async_graphql::{Context, Description, Object, SimpleObject};

use super::argument::IntOr;
use super::error::Result;
use super::intent::ImageIntent;
use super::scalar::Date;
use super::{caller, gallery};
use crate::auth::UserId;
use crate::gallery::{Collection, Filter, List};

/// Counts over the gallery, or over one owner's images; only selected counts are computed.
#[derive(Debug, Description)]
pub(super) struct GalleryStats {
    pub(super) user_id: Option<UserId>,
}

#[Object(use_type_description)]
impl GalleryStats {
    /// Active images.
    async fn active_count(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, Collection::Active).await
    }

    /// Images in the trash.
    async fn deleted_count(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, Collection::Trash).await
    }

    /// Of the active images; the most frequent label first.
    async fn by_intent(&self, ctx: &Context<'_>) -> Result<Vec<IntentCount>> {
        let counts = gallery(ctx)
            .count_by_intent(caller(ctx), self.user_id.clone())
            .await?;
        Ok(counts
            .into_iter()
            .map(|row| IntentCount {
                intent: row.intent.map(Into::into),
                intent_label: row.label,
                count: bounded(row.count),
            })
            .collect())
    }

    /// Active images created per UTC day over the last `days` days (1 to 366), oldest first, days without any included.
    async fn created_per_day(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "How many days, today included: 1 to 366.")] days: IntOr<30>,
    ) -> Result<Vec<DayCount>> {
        let counts = gallery(ctx)
            .created_per_day(caller(ctx), self.user_id.clone(), days.0)
            .await?;
        Ok(counts
            .into_iter()
            .map(|day| DayCount {
                date: Date(day.date),
                count: bounded(day.count),
            })
            .collect())
    }
}

/// One row for each label, letter case aside, under its commonest spelling; images without an intent come as nulls.
#[derive(Debug, SimpleObject)]
pub(super) struct IntentCount {
    /// The intent that the label means.
    intent: Option<ImageIntent>,
    /// The label in its commonest spelling.
    intent_label: Option<String>,
    /// Active images.
    count: i32,
}

/// The images of one day.
#[derive(Debug, SimpleObject)]
pub(super) struct DayCount {
    /// The day, in UTC.
    date: Date,
    /// Active images created on it.
    count: i32,
}

impl GalleryStats {
    async fn count(&self, ctx: &Context<'_>, collection: Collection) -> Result<i32> {
        let list = List {
            collection,
            user_id: self.user_id.clone(),
            filter: Filter::default(),
        };
        Ok(bounded(gallery(ctx).count(caller(ctx), &list).await?))
    }
}

/// GraphQL's Int ends at 2,147,483,647.
fn bounded(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
