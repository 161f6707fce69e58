//! Errors of settings, in one line: the variable, the value, and what is allowed.

use std::ffi::OsStr;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::db::options::without_password;

/// An invalid setting: one line with the variable, its value (unless secret), and what is allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{line}")]
pub struct SettingError {
    line: String,
}

impl SettingError {
    /// Creates an error with this line.
    pub fn new(line: impl Into<String>) -> Self {
        let line: String = line.into();
        Self {
            line: line.replace(char::is_control, " "),
        }
    }

    /// The invalid setting in an error of command line parsing; None for other errors, such as `--help`.
    pub fn from_usage(error: &clap::Error) -> Option<Self> {
        match error.get(ContextKind::Custom) {
            Some(ContextValue::String(line)) => Some(Self::new(line)),
            _ => None,
        }
    }
}

/// The error of a setting with an invalid value.
pub(super) fn wrong_value(argument: Option<&Arg>, value: &OsStr, reason: &str) -> clap::Error {
    let variable = argument.map(variable).unwrap_or_default();
    let is_secret = argument.is_some_and(Arg::is_hide_env_values_set);
    let value = if is_secret {
        "…".to_owned()
    } else {
        shown(&value.to_string_lossy())
    };
    let mut error = clap::Error::new(ErrorKind::ValueValidation);
    error.insert(
        ContextKind::Custom,
        ContextValue::String(format!("{variable}: `{value}` {reason}")),
    );
    error
}

/// A value for display: instead of a host, it may be a whole URL with its password.
fn shown(value: &str) -> String {
    let login = value.rsplit_once('@').map(|(login, _)| login);
    if login.is_some_and(|login| login.contains(':')) {
        return without_password(value);
    }
    value.to_owned()
}

/// The first line of clap's errors that are not about a setting's value.
pub(super) fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The variable of a setting: its flag in capitals.
pub(super) fn variable(argument: &Arg) -> String {
    let flag = argument.get_long().unwrap_or_default();
    flag.to_ascii_uppercase().replace('-', "_")
}
