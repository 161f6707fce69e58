//! `image-gallery migrate up|down|status`: migrates the database's schema, or reverts the migrations.

use crate::config::Settings;
use crate::db::Database;
use anyhow::Context;
use clap::Subcommand;

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Direction {
    /// Run every pending migration; concurrent runs are safe
    Up,
    /// Revert all migrations; the table `image_gallery` and its rows stay
    Down,
    /// List the migrations, whether each is applied, and what `up` would do; changes nothing
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

/// Returns the lines to print.
async fn migrate(database: &Database, direction: Direction) -> anyhow::Result<Vec<String>> {
    let lines = match direction {
        Direction::Up => applied(database.migrate_up().await?),
        Direction::Down => {
            let taken_back = each("taken back", database.migrate_down().await?);
            or_nothing(taken_back, "nothing is applied")
        }
        Direction::Status => status(database.survey().await?),
    };
    Ok(lines)
}

fn applied(applied: migration::Applied) -> Vec<String> {
    let mut done = each("applied", applied.migrations);
    done.extend(each("built the index", applied.indexes));
    let mut lines = or_nothing(done, "nothing is pending");
    lines.extend(each("warning:", applied.warnings));
    lines
}

fn status(survey: migration::Survey) -> Vec<String> {
    let state = |(name, is_applied)| {
        let state = if is_applied { "applied" } else { "pending" };
        format!("{state} {name}")
    };
    let mut lines: Vec<String> = survey.migrations.into_iter().map(state).collect();
    lines.extend(survey.plan);
    if !survey.differences.is_empty() {
        lines.push("`migrate up` would change nothing, because of this:".to_owned());
        lines.extend(survey.differences);
    }
    lines.extend(each("warning:", survey.warnings));
    lines
}

/// A line for each name, with a prefix.
fn each(said: &str, names: Vec<String>) -> Vec<String> {
    let line = |name| format!("{said} {name}");
    names.into_iter().map(line).collect()
}

fn or_nothing(lines: Vec<String>, nothing: &str) -> Vec<String> {
    if lines.is_empty() {
        return vec![nothing.to_owned()];
    }
    lines
}
