//! Settings: which documents may run.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use graphql_front::limits::Limits;
use graphql_front::trusted::{MAX_BYTES, ManifestError, Mode, TrustedDocuments};
use graphql_front::{DocumentPolicy, PolicyNames};

use super::SettingError;
use super::value::{Checked, boolean};
use crate::db::options::readable_file;

const DOCUMENTS: &str = "Trusted documents and introspection";

/// Which documents may run.
#[derive(Args, Clone, Debug)]
pub struct DocumentSettings {
    /// `TRUSTED_DOCUMENTS`, unset by default: manifest of the only documents that may run
    ///
    /// A JSON file in the format of Apollo's `generate-persisted-query-manifest`, Relay's compiler or graphql-codegen's
    /// client preset, read at startup. Clients send `documentId`, `doc_id`, `id`, Apollo's `extensions.persistedQuery`,
    /// or the full text. Other documents are `FORBIDDEN`, including those of GraphiQL.
    #[arg(long, env, value_name = "FILE", help_heading = DOCUMENTS, value_parser = Checked(readable_file))]
    trusted_documents: Option<PathBuf>,

    /// `TRUSTED_DOCUMENTS_MODE`, default `enforce`: `enforce` rejects other documents; `report` runs them and logs each
    /// once
    #[arg(long, env, value_name = "MODE", help_heading = DOCUMENTS, default_value = "enforce",
        value_parser = Checked(mode))]
    trusted_documents_mode: Mode,

    /// `GRAPHQL_INTROSPECTION`, default `true`: allow introspection
    ///
    /// If `false`, `__schema` and `__type` are `GRAPHQL_VALIDATION_FAILED`, for GraphiQL too, and errors suggest no
    /// names.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = DOCUMENTS, default_value = "true",
        value_parser = Checked(boolean), action = clap::ArgAction::Set)]
    pub(super) graphql_introspection: bool,
}

fn mode(value: &str) -> Result<Mode, String> {
    match value {
        "enforce" => Ok(Mode::Enforce),
        "report" => Ok(Mode::Report),
        _ => Err("is not `enforce` or `report`".to_owned()),
    }
}

impl DocumentSettings {
    /// Reads the manifest, whose documents must be within the limits.
    pub fn policy(&self, limits: &Limits) -> Result<DocumentPolicy, SettingError> {
        let trusted = match &self.trusted_documents {
            Some(path) => Some(self.read(path, limits)?),
            None => None,
        };
        Ok(DocumentPolicy {
            trusted,
            has_introspection: self.graphql_introspection,
            names: PolicyNames {
                trusted: Some("TRUSTED_DOCUMENTS"),
                introspection: Some("GRAPHQL_INTROSPECTION"),
            },
        })
    }

    fn read(&self, path: &Path, limits: &Limits) -> Result<TrustedDocuments, SettingError> {
        let refused = |reason: String| {
            SettingError::new(format!("TRUSTED_DOCUMENTS: `{}` {reason}", path.display()))
        };
        let manifest =
            content(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
        TrustedDocuments::from_manifest(&manifest, self.trusted_documents_mode, limits)
            .map_err(|error: ManifestError| refused(error.to_string()))
    }
}

/// A file's content; a file that is too large is read only slightly beyond the limit.
fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}
