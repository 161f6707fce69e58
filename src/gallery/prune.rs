//! Dropping old events. A cursor that points before what is left has expired.

use std::time::Duration;

use super::{Error, Gallery, now};
use crate::entity::Timestamp;

impl Gallery {
    /// Drops the events that are older than `age`, from the trail's beginning up to the first younger one, in small
    /// transactions, and counts them. Two processes at once do each other no harm.
    pub async fn prune_trail(&self, age: Duration) -> Result<u64, Error> {
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let before = now().microseconds().saturating_sub(age);
        let before = Timestamp::from_microseconds(before);
        Ok(self.database.prune_trail(before).await?)
    }
}
