//! The command line. One file per command.

mod doctor;
pub mod env_file;
mod migrate;
mod purge_expired;
mod schema;
pub mod serve;

use std::io::{self, ErrorKind, Write};

use crate::config::{self, SettingError, Settings};
use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// A GraphQL server for galleries of AI-generated images whose files are on Cloudinary
///
/// Each setting is a flag or a variable, from the environment or from the file `.env` in the working directory. Flags
/// override the environment, and the environment overrides the file. An empty variable counts as unset.
#[derive(Debug, Parser)]
#[command(name = "image-gallery", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    /// All settings.
    pub settings: Settings,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM; the default command
    Serve,
    /// Migrate the database's schema
    Migrate {
        #[command(subcommand)]
        direction: migrate::Direction,
    },
    /// Check the installation for common mistakes, and print how to fix each; changes nothing
    Doctor,
    /// Purge the images and delete the events that are due, once
    PurgeExpired,
    /// Print the API's schema, as in the file `schema.graphql`
    Schema,
}

impl Cli {
    /// Parses arguments and environment. Fails with a [`SettingError`], or with clap's own error, including `--help`.
    pub fn read() -> anyhow::Result<Self> {
        let command = config::with_environment(Self::command());
        let cli = command
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        cli.map_err(|error| match SettingError::from_usage(&error) {
            Some(setting) => setting.into(),
            None => error.into(),
        })
    }

    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::run(self.settings).await,
            Command::Migrate { direction } => migrate::run(&self.settings, direction).await,
            Command::Doctor => doctor::run(&self.settings).await,
            Command::PurgeExpired => purge_expired::run(&self.settings).await,
            Command::Schema => schema::run(),
        }
    }
}

/// Writes to the standard output. A closed pipe (`| head`) is not an error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the standard output")
        }
        _ => Ok(()),
    }
}
