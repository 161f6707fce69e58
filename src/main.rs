//! The program `image-gallery`: reads `.env`, arguments and environment, and runs the command. Exits with 0; with 1 if
//! the command failed; with 2 if a setting or an argument is invalid.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use image_gallery::cli::{self, Cli};
use image_gallery::config::SettingError;
use image_gallery::db;
use image_gallery::telemetry;

/// A page of images makes hundreds of small allocations, which take a quarter of its time with the C library's
/// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FAILED: u8 = 1;
const WRONG_SETTING: u8 = 2;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn start() -> anyhow::Result<()> {
    // Not `#[tokio::main]`: the environment may be changed only while there is a single thread.
    cli::env_file::load(Path::new(".env"))?;
    let cli = Cli::read()?;
    let telemetry = telemetry::start(&cli.settings.telemetry.options())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let outcome = runtime.block_on(cli.run());
    telemetry.stop();
    outcome
}

/// Prints an error in one line; clap's own (including `--help`) unchanged, and the reasons that stop a migration one
/// per line.
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // There is no way to report a failure of this.
        let _ = usage.print();
        return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(WRONG_SETTING));
    }
    let text = format!("{error:#}");
    let lines: Vec<&str> = match error.downcast_ref() {
        Some(db::Error::MigrationStopped(_)) => text.lines().collect(),
        _ => vec![&text],
    };
    for line in lines {
        let _ = writeln!(io::stderr(), "{}", line.replace(char::is_control, " "));
    }
    if error.is::<SettingError>() {
        ExitCode::from(WRONG_SETTING)
    } else {
        ExitCode::from(FAILED)
    }
}
