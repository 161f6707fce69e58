//! Settings: how long things are kept.

use std::time::Duration;

use clap::Args;

use super::value::{Checked, days};
use crate::gallery::Retention;

const RETENTION: &str = "Retention";

/// How long images in the trash and events are kept. Looked at on start and hourly, and by `image-gallery purge-expired`.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// `TRASH_RETENTION_DAYS`, unset by default: purge images that have been in the trash for so many days, 1 to 36500
    ///
    /// Looked at on start and hourly, whoever put them there. Unset, they are kept for ever. The audit trail names
    /// `system` as the one who purged them.
    #[arg(long = "trash-retention-days", env = "TRASH_RETENTION_DAYS", value_name = "DAYS", help_heading = RETENTION,
        value_parser = Checked(days))]
    trash: Option<Duration>,

    /// `EVENT_RETENTION_DAYS`, unset by default: drop events of the audit trail that are older than so many days,
    /// 1 to 36500
    ///
    /// Looked at on start and hourly. Unset, they are kept for ever. A cursor older than what is kept is
    /// `CURSOR_EXPIRED`.
    #[arg(long = "event-retention-days", env = "EVENT_RETENTION_DAYS", value_name = "DAYS", help_heading = RETENTION,
        value_parser = Checked(days))]
    events: Option<Duration>,
}

impl RetentionSettings {
    /// What the gallery keeps, for how long.
    pub fn policy(&self) -> Retention {
        Retention {
            trash: self.trash,
            events: self.events,
        }
    }
}
