//! Checks that a SQLite file is readable and writable.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;

use super::report::Finding;
use crate::config::Settings;
use crate::db::inspect;
use crate::db::options::Options;

/// Checks the file and, if it exists, its tables.
pub(super) async fn look(
    settings: &Settings,
    options: &Options,
    target: &SqliteConnectOptions,
) -> Vec<Finding> {
    let file = target.get_filename();
    let mut findings = vec![directory(file)];
    if !file.exists() {
        let shown = file.display();
        findings.push(
            Finding::warning("connection", format!("there is no file `{shown}` yet"))
                .with_remedy("`serve` creates it if DATABASE_URL ends with `?mode=rwc`; if it should exist, check the path \
                         and the working directory"),
        );
        return findings;
    }
    match inspect::sqlite(target, options.prompt_metadata_key.as_deref()).await {
        Ok(facts) => {
            let journal = match facts.journal.as_str() {
                "wal" => "with write-ahead logging".to_owned(),
                other => format!(
                    "with the journal mode `{other}`, which the server changes to write-ahead logging at startup"
                ),
            };
            let shown = file.display();
            findings.push(Finding::ok(
                "connection",
                format!("`{shown}` can be read and written, {journal}"),
            ));
            let is_automatic = settings.database.auto_migrate(&options.target);
            findings.extend(super::surveyed(facts.survey, is_automatic));
        }
        Err(error) => {
            let what = format!("`{}` cannot be used: {error}", file.display());
            findings.push(Finding::wrong("connection", what).with_remedy(
                "check that it is a SQLite file, that this user may write it, and that no other program locks it for \
                 long",
            ));
        }
    }
    findings
}

/// SQLite creates further files beside it, such as its log.
fn directory(file: &Path) -> Finding {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let shown = directory.display();
    match inspect::can_make_files(directory) {
        Ok(()) => Finding::ok("directory", format!("files can be created in `{shown}`")),
        Err(error) => Finding::wrong(
            "directory",
            format!("no file can be created in `{shown}`: {error}"),
        )
        .with_remedy(
            "create it, or give this user write access: SQLite writes its log beside the database",
        ),
    }
}
