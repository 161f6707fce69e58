//! Which documents are allowed: by text or by id, trusted or not, with or without introspection.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Name, ServerError};

use super::code::Code;
use super::document::first_operation;
use super::introspection;
use super::limits::{Limits, scan};
use super::naming::{InParentheses, shortened};
use super::operation::{Document, parse_hash};
use super::persisted::{DocumentHash, PersistedDocuments};
use super::trusted::{Mode, TrustedDocuments};

/// Which documents are allowed.
#[derive(Clone, Debug)]
pub struct DocumentPolicy {
    /// If set, only these run; in report mode, others are logged.
    pub trusted: Option<TrustedDocuments>,
    /// Whether introspection is allowed.
    pub has_introspection: bool,
    /// The settings that change them, for errors.
    pub names: PolicyNames,
}

/// Names of the embedding server's settings that change the policy. Errors contain them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyNames {
    /// Of [`DocumentPolicy::trusted`].
    pub trusted: Option<&'static str>,
    /// Of [`DocumentPolicy::has_introspection`].
    pub introspection: Option<&'static str>,
}

impl Default for DocumentPolicy {
    /// All documents, with introspection.
    fn default() -> Self {
        Self {
            trusted: None,
            has_introspection: true,
            names: PolicyNames::default(),
        }
    }
}

/// The text of a document that is allowed.
pub(super) struct AllowedText {
    pub(super) text: String,
    /// The text is stored under this hash once it is known to be valid.
    pub(super) persist_as: Option<DocumentHash>,
    /// The number of its tokens, if it has been scanned.
    pub(super) tokens: Option<usize>,
    /// It is allowed only because of report mode.
    is_untrusted: bool,
}

impl AllowedText {
    pub(super) fn trusted(text: &Arc<str>) -> Self {
        Self {
            text: text.to_string(),
            persist_as: None,
            tokens: None,
            is_untrusted: false,
        }
    }
}

impl DocumentPolicy {
    /// The text of a document, if it is allowed.
    pub(super) fn allow(
        &self,
        document: Document,
        persisted: &PersistedDocuments,
        limits: &Limits,
    ) -> Result<AllowedText, ServerError> {
        match document {
            Document::Text(text) => self.allow_text(text, None, limits),
            Document::Persist(text, hash) if hash == DocumentHash::of(&text) => {
                self.allow_text(text, Some(hash), limits)
            }
            Document::Persist(..) => Err(Code::BadUserInput
                .error("extensions.persistedQuery.sha256Hash: is not the SHA-256 hash of `query`")),
            Document::Persisted(hash) => self.allow_hash(&hash, persisted, limits),
            Document::Trusted { parameter, id } => self.allow_id(parameter, &id),
        }
    }

    fn allow_text(
        &self,
        text: String,
        persist_as: Option<DocumentHash>,
        limits: &Limits,
    ) -> Result<AllowedText, ServerError> {
        let Some(trusted) = &self.trusted else {
            return Ok(AllowedText {
                text,
                persist_as,
                tokens: None,
                is_untrusted: false,
            });
        };
        // Before hashing, which takes time proportional to the text.
        let tokens = scan(&text, limits).map_err(|limit| limit.to_error())?;
        if let Some(text) = trusted.of_text(&text) {
            return Ok(AllowedText::trusted(&text));
        }
        match trusted.mode() {
            Mode::Enforce => Err(Code::Forbidden.error(format!(
                "this document is not among the trusted documents of this server, which are all that it runs; its operator \
                 may add it{}",
                self.trusted_name()
            ))),
            Mode::Report => Ok(AllowedText {
                text,
                persist_as,
                tokens: Some(tokens),
                is_untrusted: true,
            }),
        }
    }

    /// Apollo's protocol. The id of a trusted document may be another hash than SHA-256.
    fn allow_hash(
        &self,
        hash: &str,
        persisted: &PersistedDocuments,
        limits: &Limits,
    ) -> Result<AllowedText, ServerError> {
        let trusted = self.trusted.as_ref();
        if let Some(text) = trusted.and_then(|trusted| trusted.of_id(hash)) {
            return Ok(AllowedText::trusted(&text));
        }
        // Clients check for this message.
        let unknown = || Code::PersistedQueryNotFound.error("PersistedQueryNotFound");
        let hash = match parse_hash(hash) {
            Err(_) if trusted.is_some() => return Err(unknown()),
            parsed => parsed?,
        };
        if let Some(text) = trusted.and_then(|trusted| trusted.of_hash(hash)) {
            return Ok(AllowedText::trusted(&text));
        }
        // In enforce mode this store is empty.
        let text = persisted.find(hash).ok_or_else(unknown)?;
        self.allow_text(text.to_string(), None, limits)
    }

    fn allow_id(&self, parameter: &str, id: &str) -> Result<AllowedText, ServerError> {
        let Some(trusted) = &self.trusted else {
            return Err(Code::BadUserInput.error(format!(
                "{parameter}: this server knows no documents by id{}; the document must be sent as `query`",
                self.trusted_name()
            )));
        };
        match trusted.of_id(id) {
            Some(text) => Ok(AllowedText::trusted(&text)),
            None => Err(Code::PersistedQueryNotFound.error(format!(
                "{parameter}: `{}` is not the id of a trusted document of this server{}",
                shortened(id),
                self.trusted_name()
            ))),
        }
    }

    fn trusted_name(&self) -> InParentheses {
        InParentheses(self.names.trusted)
    }

    /// Rejects introspection if it is disabled, and logs documents that are not trusted in report mode.
    pub(super) fn check_policy(
        &self,
        allowed: &AllowedText,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
    ) -> Result<(), ServerError> {
        if !self.has_introspection {
            introspection::refuse(document, self.names.introspection)?;
        }
        let trusted = self.trusted.as_ref();
        if let Some(trusted) = trusted.filter(|_| allowed.is_untrusted) {
            report(trusted, &allowed.text, document, operation_name);
        }
        Ok(())
    }
}

/// Logs a document that enforce mode would reject, once. Its text may contain private data, so only its hash is logged.
fn report(
    trusted: &TrustedDocuments,
    text: &str,
    document: &ExecutableDocument,
    operation_name: Option<&str>,
) {
    let hash = DocumentHash::of(text);
    if !trusted.mark_reported(hash) {
        return;
    }
    let first = first_operation(document).map(Name::as_str);
    tracing::warn!(
        document.sha256 = %hash,
        operation.name = operation_name.or(first),
        "a document that is not trusted runs; in enforce mode it would be refused"
    );
}
