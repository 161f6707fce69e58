//! The subscription root.

use async_graphql::{Context, Description, ID, Subscription};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::budget::ResponseBudget;
use super::error::{Failure, Result};
use super::event::{GalleryEvent, GalleryEventType};
use super::immediate::Immediate;
use super::page::trail_cursor;
use super::query::event_filter;
use super::stream_state::StreamState;
use super::{caller, gallery};
use crate::gallery::{self, Start, TrailCursor};

/// All subscriptions. One field per operation.
#[derive(Debug, Description)]
pub(crate) struct Subscription;

#[Subscription(use_type_description)]
impl Subscription {
    /// Changes once they have committed, whoever wrote them. With `after`, first everything since that cursor (an empty
    /// string: all that is kept); without, from now on. A client library that reconnects sends its first `after` again:
    /// keep the last cursor, or tell repeats by `id`. `CURSOR_EXPIRED`: the cursor is older than what is kept;
    /// `SERVICE_UNAVAILABLE`: the server has reached its limit of subscribers.
    async fn gallery_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events under this owner.")] user_id: Option<String>,
        #[graphql(desc = "Only events of this image, which need not exist yet.")] image_id: Option<
            ID,
        >,
        #[graphql(desc = "Only events of these types; an empty list is no condition.")]
        types: Option<Vec<GalleryEventType>>,
        #[graphql(desc = "Start after this cursor; an empty string: all that is kept.")]
        after: Option<String>,
    ) -> Result<BoxStream<'static, Result<Immediate<GalleryEvent>>>> {
        caller(ctx).require_access()?;
        let stream_state = ctx.data_opt::<StreamState>().cloned().unwrap_or_default();
        let after = (stream_state.resume_after().map(ToOwned::to_owned)).or(after);
        let filter = event_filter(user_id.as_deref(), image_id.as_ref(), types)?;
        let start = match (after.as_deref(), trail_cursor("after", after.as_deref())?) {
            (_, Some(cursor)) => Start::After(cursor),
            (Some(_), None) => Start::Beginning,
            (None, None) => Start::Now,
        };
        // Boxed, because the memory of the start would be kept as long as the subscription.
        let subscription = Box::pin(gallery(ctx).subscribe(caller(ctx), filter, start)).await?;
        stream_state.begin();
        let budget = ctx.data_opt::<ResponseBudget>().cloned();
        Ok(events(subscription, stream_state, budget).boxed())
    }
}

/// Ends after an error.
fn events(
    subscription: gallery::Subscription,
    stream_state: StreamState,
    budget: Option<ResponseBudget>,
) -> impl stream::Stream<Item = Result<Immediate<GalleryEvent>>> {
    stream::unfold(
        (Some(subscription), stream_state, budget),
        async |(subscription, stream_state, budget)| {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(Some((page, event))) => {
                    stream_state.arrive_at(TrailCursor::of(&event).encode());
                    if let Some(budget) = &budget {
                        budget.clear();
                    }
                    let event = Immediate(GalleryEvent::new(&page, &event));
                    Some((Ok(event), (Some(subscription), stream_state, budget)))
                }
                Ok(None) => None,
                Err(error) => Some((Err(Failure::from(error)), (None, stream_state, budget))),
            }
        },
    )
}
