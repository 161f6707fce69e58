//! `image-gallery migrate up|down|status`: brings the database's schema to this program's, or takes it away again.

use crate::config::Settings;
use crate::db::Database;
use anyhow::Context;
use clap::Subcommand;

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Direction {
    /// Run every pending migration; on two machines at once is safe
    Up,
    /// Take away what the migrations added; the table `image_gallery` and its rows stay
    Down,
    /// List the migrations, and whether each is applied
    Status,
}

/// Runs migrations and prints a line for each.
pub(super) async fn run(settings: &Settings, direction: Direction) -> anyhow::Result<()> {
    let options = settings.database()?;
    let target = &options.target;
    let database = Database::connect(&options)
        .await
        .with_context(|| format!("cannot connect to {target}"))?;
    let lines = migrate(&database, direction)
        .await
        .with_context(|| format!("cannot migrate {target}"));
    database.close().await;
    super::print(&(lines?.join("\n") + "\n"))
}

/// Gives the lines to print.
async fn migrate(database: &Database, direction: Direction) -> anyhow::Result<Vec<String>> {
    let lines = match direction {
        Direction::Up => listed(
            "applied",
            database.migrate_up().await?,
            "nothing is pending",
        ),
        Direction::Down => listed(
            "taken back",
            database.migrate_down().await?,
            "nothing is applied",
        ),
        Direction::Status => status(database.migration_status().await?),
    };
    Ok(lines)
}

fn listed(done: &str, names: Vec<String>, nothing: &str) -> Vec<String> {
    if names.is_empty() {
        return vec![nothing.to_owned()];
    }
    names
        .into_iter()
        .map(|name| format!("{done} {name}"))
        .collect()
}

fn status(migrations: Vec<(String, bool)>) -> Vec<String> {
    let line = |(name, is_applied)| {
        let state = if is_applied { "applied" } else { "pending" };
        format!("{state} {name}")
    };
    migrations.into_iter().map(line).collect()
}
