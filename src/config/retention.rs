//! Settings: retention.

use std::time::Duration;

use clap::Args;

use super::value::{Checked, boolean, days};
use crate::gallery::{ErasedEvents, Retention};

const RETENTION: &str = "Retention";

/// Retention of images in the trash and of events. Runs at startup and hourly, and with `image-gallery purge-expired`.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// `TRASH_RETENTION_DAYS`, unset by default: purge images that have been in the trash for this many days, 1 to
    /// 36500
    ///
    /// Runs at startup and hourly, for images of all applications. Unset: never. The audit trail records the actor
    /// `system`.
    #[arg(long = "trash-retention-days", env = "TRASH_RETENTION_DAYS", value_name = "DAYS", help_heading = RETENTION,
        value_parser = Checked(days))]
    trash: Option<Duration>,

    /// `EVENT_RETENTION_DAYS`, unset by default: delete events of the audit trail that are older than this many days, 1
    /// to 36500
    ///
    /// Runs at startup and hourly. Unset: never. Older cursors are `CURSOR_EXPIRED`.
    #[arg(long = "event-retention-days", env = "EVENT_RETENTION_DAYS", value_name = "DAYS", help_heading = RETENTION,
        value_parser = Checked(days))]
    events: Option<Duration>,

    /// `ERASURE_KEEPS_TRAIL`, default true: `eraseUser` leaves the owner's events under their cursors, without owner, URL
    /// and actor; false: it deletes them
    #[arg(long = "erasure-keeps-trail", env = "ERASURE_KEEPS_TRAIL", value_name = "BOOLEAN", help_heading = RETENTION,
        default_value = "true", value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    erasure_keeps_trail: bool,
}

impl RetentionSettings {
    /// The gallery's retention policy.
    pub fn policy(&self) -> Retention {
        Retention {
            trash: self.trash,
            events: self.events,
        }
    }

    /// What becomes of the events of an erased owner.
    pub fn erased_events(&self) -> ErasedEvents {
        if self.erasure_keeps_trail {
            ErasedEvents::Tombstones
        } else {
            ErasedEvents::Dropped
        }
    }
}
