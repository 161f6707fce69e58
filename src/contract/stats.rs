//! `GalleryStats`: counts over the gallery; only selected counts are computed.

use async_graphql::{Context, Description, Object, SimpleObject};

use super::argument::IntOr;
use super::error::Result;
use super::intent::ImageIntent;
use super::scalar::{Date, Json};
use super::tags::TagCount;
use super::{caller, gallery};
use crate::auth::UserId;
use crate::entity::json;
use crate::gallery::{Collection, Filter, List};

/// Counts over the images that hold the filter; only selected counts are computed.
#[derive(Debug, Description)]
pub(super) struct GalleryStats {
    pub(super) user_id: Option<UserId>,
    pub(super) filter: Filter,
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
            .count_by_intent(caller(ctx), &self.list(Collection::Active))
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
            .created_per_day(caller(ctx), &self.list(Collection::Active), days.0)
            .await?;
        Ok(counts
            .into_iter()
            .map(|day| DayCount {
                date: Date(day.date),
                count: bounded(day.count),
            })
            .collect())
    }

    /// Tags by number of active images, most frequent first. Reads the newest 100,000 of the active images: with more, the
    /// counts are of these.
    async fn by_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "How many tags: 1 to 100.")] first: IntOr<20>,
    ) -> Result<Vec<TagCount>> {
        let list = self.list(Collection::Active);
        let counts = gallery(ctx).count_by_tag(caller(ctx), &list, first.0);
        let counts = Box::pin(counts).await?;
        Ok(counts.iter().map(TagCount::from).collect())
    }

    /// Values of a top-level key of the metadata, most frequent first; only strings, numbers and booleans are values.
    /// Equal numbers are one value (1 and 1.0). Reads the newest 100,000 of the active images: with more, the counts are
    /// of these.
    async fn by_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A top-level key of the metadata.")] key: String,
        #[graphql(default, desc = "How many values: 1 to 100.")] first: IntOr<20>,
    ) -> Result<Vec<MetadataCount>> {
        let list = self.list(Collection::Active);
        let counts = gallery(ctx)
            .count_by_metadata(caller(ctx), &list, &key, first.0)
            .await?;
        Ok(counts
            .into_iter()
            .map(|row| MetadataCount {
                value: Json::Text(json::readable(&row.value).into_owned()),
                count: bounded(row.count),
            })
            .collect())
    }

    /// Over the numbers under a top-level key; null sums when there are none. Reads the newest 100,000 of the active
    /// images.
    async fn metadata_sum(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A top-level key of the metadata.")] key: String,
    ) -> Result<MetadataSum> {
        let list = self.list(Collection::Active);
        let sum = gallery(ctx).sum_metadata(caller(ctx), &list, &key).await?;
        Ok(MetadataSum {
            count: bounded(sum.count),
            sum: sum.sum,
            min: sum.min,
            max: sum.max,
            average: sum.average,
        })
    }

    /// Owners by number of active images. Service or open access only: else FORBIDDEN.
    async fn by_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "How many owners: 1 to 100.")] first: IntOr<20>,
    ) -> Result<Vec<UserCount>> {
        let list = self.list(Collection::Active);
        let counts = gallery(ctx)
            .count_by_user(caller(ctx), &list, first.0)
            .await?;
        Ok(counts
            .into_iter()
            .map(|row| UserCount {
                user_id: row.user_id,
                count: bounded(row.count),
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

/// How many images have a value.
#[derive(Debug, SimpleObject)]
pub(super) struct MetadataCount {
    /// A string, a number or a boolean.
    value: Json,
    /// Active images with this value.
    count: i32,
}

/// Sums over numbers. On SQLite they are sums of doubles, on Postgres exact until the result is rounded to a double. A
/// number that no double can hold is null.
#[derive(Debug, SimpleObject)]
pub(super) struct MetadataSum {
    /// Active images with a number under the key.
    count: i32,
    /// The sum of the numbers.
    sum: Option<f64>,
    /// The smallest number.
    min: Option<f64>,
    /// The largest number.
    max: Option<f64>,
    /// The sum divided by the count.
    average: Option<f64>,
}

/// The images of one owner.
#[derive(Debug, SimpleObject)]
pub(super) struct UserCount {
    /// The owner.
    user_id: String,
    /// Active images.
    count: i32,
}

impl GalleryStats {
    fn list(&self, collection: Collection) -> List {
        List {
            collection,
            user_id: self.user_id.clone(),
            filter: self.filter.clone(),
        }
    }

    async fn count(&self, ctx: &Context<'_>, collection: Collection) -> Result<i32> {
        let list = self.list(collection);
        Ok(bounded(gallery(ctx).count(caller(ctx), &list).await?))
    }
}

/// GraphQL's Int ends at 2,147,483,647.
fn bounded(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
