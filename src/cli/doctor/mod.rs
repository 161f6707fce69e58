//! `image-gallery doctor`: checks an installation for common mistakes, and prints how to fix each. Changes nothing.

mod access;
mod postgres;
mod report;
mod sqlite;

use crate::config::{SettingError, Settings};
use crate::db::options::{Options, Target};
use crate::db::{self, Database};
use report::{Finding, Report};

/// Prints a line for each finding; fails if one of them is wrong.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.add(settings_that_disagree(settings));
    match settings.database() {
        Ok(options) => report.add(database(settings, &options).await),
        Err(error) => report.add([Finding::wrong("settings", error.to_string())]),
    }
    report.add(access::look(settings).await);
    super::print(&report.text())?;
    match report.wrong() {
        0 => Ok(()),
        1 => anyhow::bail!("one of these is wrong"),
        wrong => anyhow::bail!("{wrong} of these are wrong"),
    }
}

/// Each single setting was validated before.
fn settings_that_disagree(settings: &Settings) -> Vec<Finding> {
    let listening = settings.listen_address().map(|address| {
        Finding::ok(
            "settings",
            format!("they can be read; it listens on {address}"),
        )
    });
    let documents = settings.documents.policy(&settings.limits.of_operations());
    let wrong = |error: SettingError| Finding::wrong("settings", error.to_string());
    let mut findings = vec![listening.unwrap_or_else(wrong)];
    findings.extend(documents.err().map(wrong));
    findings
}

async fn database(settings: &Settings, options: &Options) -> Vec<Finding> {
    match &options.target {
        Target::Postgres(target) => postgres::look(settings, options, target).await,
        Target::Sqlite(target) => sqlite::look(settings, options, target).await,
    }
}

/// Checks the tables on Postgres.
async fn schema(settings: &Settings, options: &Options) -> Vec<Finding> {
    let survey = async {
        let database = Database::connect(options).await?;
        let survey = database.survey().await;
        database.close().await;
        survey
    };
    match survey.await {
        Ok(survey) => surveyed(survey, settings.database.auto_migrate(&options.target)),
        Err(error) => vec![Finding::wrong("migrations", unreadable(&error))],
    }
}

fn unreadable(error: &db::Error) -> String {
    format!("the tables cannot be checked: {error}")
}

/// Migrations, the table's shape, and the other checks of `migrate up`.
fn surveyed(survey: migration::Survey, is_automatic: bool) -> Vec<Finding> {
    let pending: Vec<String> = (survey.migrations.iter())
        .filter(|(_, is_applied)| !is_applied)
        .map(|(name, _)| name.clone())
        .collect();
    let mut findings = Vec::new();
    if pending.is_empty() {
        let count = survey.migrations.len();
        findings.push(Finding::ok(
            "migrations",
            format!("all {count} are applied"),
        ));
        if survey.differences.is_empty() && survey.plan.is_empty() {
            findings.push(Finding::ok(
                "table",
                "`image_gallery` has the expected columns and indexes",
            ));
        }
        let amiss =
            |what| Finding::wrong("table", what).with_remedy("run `image-gallery migrate up`");
        findings.extend(survey.plan.into_iter().map(amiss));
    } else {
        let what = format!("pending: {}", pending.join(", "));
        findings.push(if is_automatic && survey.differences.is_empty() {
            Finding::ok("migrations", format!("{what}; the next start runs them"))
        } else {
            Finding::wrong("migrations", what).with_remedy(
                "run `image-gallery migrate up` (`migrate status` says what it would do)",
            )
        });
    }
    let other = |what| {
        Finding::wrong("table", what).with_remedy(
            "change the table (README, Beside Django); until then `migrate up` does nothing",
        )
    };
    findings.extend(survey.differences.into_iter().map(other));
    findings.extend(
        (survey.doubled_indexes.into_iter())
            .map(|index| Finding::warning("indexes", index.what).with_remedy(index.drop)),
    );
    // Each warning includes its fix.
    findings.extend(
        (survey.warnings.into_iter()).map(|warning| Finding::wrong("row security", warning)),
    );
    findings
}
