//! Validates the documents of the manifest at startup.

use async_graphql::ServerError;
use graphql_front::trusted::{Mode, TrustedDocument};

use super::Executor;

/// An operation of a trusted document that can never be executed.
struct InvalidDocument {
    operation_name: Option<String>,
    error: ServerError,
}

impl Executor {
    /// Logs each trusted document that does not match the schema or the limits: requests for it will be rejected.
    pub async fn validate_all_trusted(&self) {
        let Some(trusted) = &self.front.policy().trusted else {
            return;
        };
        let mut documents = 0_usize;
        for document in trusted.iter() {
            documents += 1;
            if let Err(InvalidDocument {
                operation_name,
                error,
            }) = self.validate_trusted(document).await
            {
                tracing::warn!(
                    document.id,
                    operation.name = operation_name,
                    reason = error.message,
                    "requests for this trusted document will be rejected (TRUSTED_DOCUMENTS)"
                );
            }
        }
        match trusted.mode() {
            Mode::Enforce => {
                tracing::info!(documents, "only trusted documents run (TRUSTED_DOCUMENTS)");
            }
            Mode::Report => tracing::info!(
                documents,
                "documents that are not trusted run, and are logged (TRUSTED_DOCUMENTS_MODE=report)"
            ),
        }
    }

    /// Runs all checks before execution for each operation of the document.
    async fn validate_trusted(&self, trusted: &TrustedDocument) -> Result<(), InvalidDocument> {
        for name in trusted.operation_names() {
            let invalid = |error| InvalidDocument {
                operation_name: name.clone(),
                error,
            };
            let prepared = self.front.prepare_trusted(trusted, name.as_deref());
            let prepared = prepared.map_err(invalid)?;
            let errors = self.schema_errors(&prepared).await.map_err(invalid)?;
            if let Some(error) = errors.into_iter().next() {
                return Err(invalid(error));
            }
        }
        Ok(())
    }
}
