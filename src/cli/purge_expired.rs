//! `image-gallery purge-expired`: runs one pass of retention.

use anyhow::Context;

use crate::config::Settings;
use crate::db::Database;
use crate::gallery::{Expired, Gallery, Retention};

/// Purges images and deletes events that are due, and prints their numbers, also if it fails halfway.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let retention = settings.retention.policy();
    if retention.is_off() {
        return super::print(
            "nothing to do: neither TRASH_RETENTION_DAYS nor EVENT_RETENTION_DAYS is set, so everything is kept \
             forever\n",
        );
    }
    let options = settings.database()?;
    let target = &options.target;
    let database = Database::connect(&options)
        .await
        .with_context(|| format!("cannot connect to {target}"))?;
    let gallery = Gallery::new(database, settings.gallery());
    let (expired, outcome) = pass(&gallery).await;
    gallery.database().close().await;
    super::print(&lines(retention, expired))?;
    outcome.with_context(|| format!("the pass of retention on {target} did not complete"))
}

async fn pass(gallery: &Gallery) -> (Expired, anyhow::Result<()>) {
    let mut expired = Expired::default();
    if let Err(error) = gallery.database().require_migrated().await {
        return (expired, Err(error.into()));
    }
    let outcome = gallery.expire(&mut expired).await;
    (expired, outcome.map_err(Into::into))
}

fn lines(retention: Retention, expired: Expired) -> String {
    let purged = match retention.trash {
        Some(_) => format!("purged images: {}", expired.images),
        None => "purged images: none, TRASH_RETENTION_DAYS is not set".to_owned(),
    };
    let dropped = match retention.events {
        Some(_) => format!("dropped events: {}", expired.events),
        None => "dropped events: none, EVENT_RETENTION_DAYS is not set".to_owned(),
    };
    format!("{purged}\n{dropped}\n")
}
