//! Which documents run at all: by text or by name, trusted or not, with or without introspection.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Name, Request, ServerError};

use super::Executor;
use crate::front::code::Code;
use crate::front::document::first_operation;
use crate::front::introspection;
use crate::front::limits::{check, scan};
use crate::front::merge::merge;
use crate::front::operation::{Document, parse_hash};
use crate::front::persisted::DocumentHash;
use crate::front::trusted::{Mode, TrustedDocument, TrustedDocuments, shortened};
use crate::front::validation;

/// Which documents run at all.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Only these, or, in report mode, others with a line in the log. Without them, any.
    pub trusted: Option<TrustedDocuments>,
    /// Whether the schema may be asked for.
    pub has_introspection: bool,
}

impl Default for Admission {
    /// Every document, introspection too.
    fn default() -> Self {
        Self {
            trusted: None,
            has_introspection: true,
        }
    }
}

/// A document's text on its way to execution.
pub(super) struct Admitted {
    pub(super) text: String,
    /// Under this hash the text is kept once it has proved valid.
    pub(super) persist_as: Option<DocumentHash>,
    /// It runs only because nobody enforces what is trusted.
    is_untrusted: bool,
}

impl Admitted {
    fn trusted(text: &Arc<str>) -> Self {
        Self {
            text: text.to_string(),
            persist_as: None,
            is_untrusted: false,
        }
    }
}

impl Executor {
    /// The text of a document that may run.
    pub(super) fn admit(&self, document: Document) -> Result<Admitted, ServerError> {
        match document {
            Document::Text(text) => self.admit_text(text, None),
            Document::Persist(text, hash) if hash == DocumentHash::of(&text) => {
                self.admit_text(text, Some(hash))
            }
            Document::Persist(..) => Err(Code::BadUserInput
                .error("extensions.persistedQuery.sha256Hash: is not the SHA-256 hash of `query`")),
            Document::Persisted(hash) => self.admit_hash(&hash),
            Document::Trusted { parameter, id } => self.admit_id(parameter, &id),
        }
    }

    fn admit_text(
        &self,
        text: String,
        persist_as: Option<DocumentHash>,
    ) -> Result<Admitted, ServerError> {
        let Some(trusted) = &self.admission.trusted else {
            return Ok(Admitted {
                text,
                persist_as,
                is_untrusted: false,
            });
        };
        // Before anything else that takes its time with a text.
        scan(&text, &self.limits).map_err(|limit| super::refusal(&limit))?;
        if let Some(text) = trusted.of_text(&text) {
            return Ok(Admitted::trusted(&text));
        }
        match trusted.mode() {
            Mode::Enforce => Err(Code::Forbidden.error(
                "this document is not among the trusted documents of this server, which are all that it runs; its operator \
                 may add it (TRUSTED_DOCUMENTS)",
            )),
            Mode::Report => Ok(Admitted {
                text,
                persist_as,
                is_untrusted: true,
            }),
        }
    }

    /// Apollo's protocol. A trusted document may have been named by another hash than SHA-256.
    fn admit_hash(&self, hash: &str) -> Result<Admitted, ServerError> {
        let trusted = self.admission.trusted.as_ref();
        if let Some(text) = trusted.and_then(|trusted| trusted.of_id(hash)) {
            return Ok(Admitted::trusted(&text));
        }
        // Clients know the case by this very message.
        let unknown = || Code::PersistedQueryNotFound.error("PersistedQueryNotFound");
        let hash = match parse_hash(hash) {
            Err(_) if trusted.is_some() => return Err(unknown()),
            parsed => parsed?,
        };
        if let Some(text) = trusted.and_then(|trusted| trusted.of_hash(hash)) {
            return Ok(Admitted::trusted(&text));
        }
        // In enforce mode nothing is ever kept there.
        let text = self.persisted.find(hash).ok_or_else(unknown)?;
        self.admit_text(text.to_string(), None)
    }

    fn admit_id(&self, parameter: &str, id: &str) -> Result<Admitted, ServerError> {
        let Some(trusted) = &self.admission.trusted else {
            return Err(Code::BadUserInput.error(format!(
                "{parameter}: this server knows no documents by id (TRUSTED_DOCUMENTS is not set); the document has to be \
                 sent as `query`"
            )));
        };
        match trusted.of_id(id) {
            Some(text) => Ok(Admitted::trusted(&text)),
            None => Err(Code::PersistedQueryNotFound.error(format!(
                "{parameter}: `{}` is not the id of a trusted document of this server (TRUSTED_DOCUMENTS)",
                shortened(id)
            ))),
        }
    }

    /// Holds a parsed document against what is turned off, and reports it where it only runs for want of enforcement.
    pub(super) fn examine(
        &self,
        admitted: &Admitted,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
    ) -> Result<(), ServerError> {
        if !self.admission.has_introspection {
            introspection::refuse(document)?;
        }
        let trusted = self.admission.trusted.as_ref();
        if let Some(trusted) = trusted.filter(|_| admitted.is_untrusted) {
            report(trusted, &admitted.text, document, operation_name);
        }
        Ok(())
    }

    /// Logs each trusted document that does not fit the schema or the limits: it is refused whenever it is asked for.
    pub async fn look_through_trusted(&self) {
        let Some(trusted) = &self.admission.trusted else {
            return;
        };
        let mut documents = 0_usize;
        for document in trusted.iter() {
            documents += 1;
            if let Err(reason) = self.try_out(document).await {
                tracing::warn!(
                    document.id,
                    operation.name = reason.operation_name,
                    reason = reason.message,
                    "a trusted document will be refused whenever it is asked for (TRUSTED_DOCUMENTS)"
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

    /// What comes before execution, and no more.
    async fn try_out(&self, trusted: &TrustedDocument) -> Result<(), Unfit> {
        let mut document = parse_query(&*trusted.text).map_err(|error| Unfit::of(None, error))?;
        let name = first_operation(&document).map(ToString::to_string);
        let unfit = |message: String| Unfit::of(name.as_deref(), message);
        if !self.admission.has_introspection {
            introspection::refuse(&document).map_err(|error| unfit(error.message))?;
        }
        check(&document, None, &self.limits).map_err(|limit| unfit(limit.to_string()))?;
        validation::validate(&document).map_err(|error| unfit(error.message))?;
        merge(&mut document, &self.shape).map_err(|error| unfit(error.to_string()))?;
        let mut request = Request::new("");
        request.operation_name.clone_from(&name);
        request.set_parsed_query(document);
        let response = self.strict.execute(request).await;
        match response.errors.into_iter().next() {
            Some(error) => Err(unfit(error.message)),
            None => Ok(()),
        }
    }
}

struct Unfit {
    operation_name: Option<String>,
    message: String,
}

impl Unfit {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the form of an error on its way"
    )]
    fn of(operation_name: Option<&str>, message: impl ToString) -> Self {
        Self {
            operation_name: operation_name.map(ToOwned::to_owned),
            message: message.to_string(),
        }
    }
}

/// Tells the operator of a document that enforcement would refuse, once. Its text may hold what is nobody's business, so
/// the hash stands for it.
fn report(
    trusted: &TrustedDocuments,
    text: &str,
    document: &ExecutableDocument,
    operation_name: Option<&str>,
) {
    let hash = DocumentHash::of(text);
    if !trusted.is_news(hash) {
        return;
    }
    let first = first_operation(document).map(Name::as_str);
    tracing::warn!(
        document.sha256 = %hash,
        operation.name = operation_name.or(first),
        "a document that is not trusted runs; TRUSTED_DOCUMENTS_MODE=enforce would refuse it"
    );
}
