//! One operation as a transport brought it, and how its JSON is read: the same in the body of a POST, in an entry of a
//! batch and in a message of a socket.

use async_graphql::{ServerError, Variables};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::code::Code;
use super::limits::{LimitExceeded, check_variables};
use super::numbers;
use super::persisted::DocumentHash;

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its text, or the hash by which the server may know it.
    pub document: Document,
    /// Which of the document's operations, where it has several.
    pub operation_name: Option<String>,
    /// Values of its variables, or the limit that they are over.
    pub variables: Result<Variables, LimitExceeded>,
}

/// A document, as text or by what the server may know it.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The text.
    Text(String),
    /// The text, to be kept under its hash.
    Persist(String, DocumentHash),
    /// Only `extensions.persistedQuery.sha256Hash`, as it was sent.
    Persisted(String),
    /// Only its id among the trusted documents.
    Trusted {
        /// The parameter that it was sent as.
        parameter: &'static str,
        /// The id.
        id: String,
    },
}

/// What a request may carry, by the names that
/// <https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters> gives them. Null counts as left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The document. An empty one counts as left out where it is named otherwise: some clients have to send it.
    pub query: Option<String>,
    /// Its id, as GraphQL over HTTP and graphql-codegen call it. With a `query`, no id says anything.
    pub document_id: Option<String>,
    /// The same, as Relay's documentation calls it.
    #[serde(rename = "doc_id")]
    pub doc_id: Option<String>,
    /// The same. Some clients number their requests by it, so it may be no text.
    pub id: Option<Box<RawValue>>,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// Values of its variables, by name.
    pub variables: Option<Box<RawValue>>,
    /// Anything else; `persistedQuery` is read.
    pub extensions: Option<Extensions>,
}

/// What is read of a request's `extensions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extensions {
    persisted_query: Option<PersistedQuery>,
}

/// Apollo's protocol,
/// <https://www.apollographql.com/docs/apollo-server/performance/apq>.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    version: u64,
    sha256_hash: String,
}

impl Parameters {
    /// Reads a JSON object; what else the JSON may be is refused.
    pub fn from_json(json: &[u8]) -> Result<Self, ServerError> {
        // A list of the fields' values would do for serde as well.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(not_a_request("it has to be a JSON object"));
        }
        serde_json::from_slice(json).map_err(|error| not_a_request(json_error(&error)))
    }

    /// The operation that they describe.
    pub fn into_operation(self) -> Result<Operation, ServerError> {
        let name = |parameter, id: Option<String>| id.map(|id| Document::Trusted { parameter, id });
        let persisted = match self.extensions {
            Some(Extensions {
                persisted_query: Some(persisted),
            }) => Some(persisted.hash()?),
            _ => None,
        };
        // The plainest name first: `id` may stand for something else.
        let named = name("documentId", self.document_id)
            .or_else(|| name("doc_id", self.doc_id))
            .or_else(|| persisted.clone().map(Document::Persisted))
            .or_else(|| {
                let id = self.id.as_deref().map(RawValue::get);
                name("id", id.and_then(|id| serde_json::from_str(id).ok()))
            });
        let document = match (self.query, named, persisted) {
            (None, Some(named), _) => named,
            (Some(text), Some(named), _) if text.is_empty() => named,
            (Some(text), _, Some(hash)) => Document::Persist(text, parse_hash(&hash)?),
            (Some(text), _, None) => Document::Text(text),
            (None, None, _) => {
                return Err(Code::BadUserInput.error("the request has no `query`"));
            }
        };
        Ok(Operation {
            document,
            // Some clients send an empty one in place of none.
            operation_name: self.operation_name.filter(|name| !name.is_empty()),
            variables: read_variables(self.variables.as_deref())?,
        })
    }
}

impl PersistedQuery {
    fn hash(self) -> Result<String, ServerError> {
        if self.version != 1 {
            return Err(Code::BadUserInput.error(format!(
                "extensions.persistedQuery.version: `{}` is not known; allowed is 1",
                self.version
            )));
        }
        Ok(self.sha256_hash)
    }
}

/// Reads the variables, unless they are over a limit.
fn read_variables(
    json: Option<&RawValue>,
) -> Result<Result<Variables, LimitExceeded>, ServerError> {
    let Some(json) = json else {
        return Ok(Ok(Variables::default()));
    };
    if let Err(limit) = check_variables(json.get()) {
        return Ok(Err(limit));
    }
    let variables = numbers::read_variables(json.get()).map_err(|error| {
        Code::BadUserInput.error(format!(
            "variables: must be a JSON object: {}",
            json_error(&error)
        ))
    })?;
    Ok(Ok(variables))
}

/// Reads `extensions.persistedQuery.sha256Hash`.
pub(crate) fn parse_hash(sha256_hash: &str) -> Result<DocumentHash, ServerError> {
    DocumentHash::parse(sha256_hash).ok_or_else(|| {
        Code::BadUserInput.error(
            "extensions.persistedQuery.sha256Hash: must be a SHA-256 hash, 64 hexadecimal digits",
        )
    })
}

/// What is wrong with JSON. The library would speak of its own recursion.
pub fn json_error(error: &serde_json::Error) -> String {
    let reason = error.to_string();
    if reason.starts_with("recursion limit exceeded") {
        return "it is nested too deeply; at most 127 levels are read".to_owned();
    }
    reason
}

fn not_a_request(reason: impl std::fmt::Display) -> ServerError {
    Code::BadUserInput.error(format!("the body is not a GraphQL request: {reason}"))
}
