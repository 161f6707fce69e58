//! One operation of a request, and how its JSON is read: from the body of a POST, an entry of a batch or a message of a
//! WebSocket.

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
    /// Its text, hash or id.
    pub document: Document,
    /// Selects one of the document's operations.
    pub operation_name: Option<String>,
    /// Values of its variables, or the limit that they exceed.
    pub variables: Result<Variables, LimitExceeded>,
}

/// A document, as text or by its hash or id.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The text.
    Text(String),
    /// The text, to be stored under its hash.
    Persist(String, DocumentHash),
    /// Only `extensions.persistedQuery.sha256Hash`, as sent.
    Persisted(String),
    /// Only the id of a trusted document.
    Trusted {
        /// The request's parameter.
        parameter: &'static str,
        /// The id.
        id: String,
    },
}

/// The parameters of a request, <https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters>. Null counts as
/// absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The document. An empty one counts as absent if there is an id or a hash: some clients always send it.
    pub query: Option<String>,
    /// Its id, as GraphQL over HTTP and graphql-codegen call it. Ids are ignored if there is a `query`.
    pub document_id: Option<String>,
    /// The same, as named by Relay's documentation.
    #[serde(rename = "doc_id")]
    pub doc_id: Option<String>,
    /// The same. Some clients number their requests with it, so it may be a number.
    pub id: Option<Box<RawValue>>,
    /// Selects one of its operations.
    pub operation_name: Option<String>,
    /// The values of its variables, by name.
    pub variables: Option<Box<RawValue>>,
    /// Extensions; only `persistedQuery` is read.
    pub extensions: Option<Extensions>,
}

/// The part of a request's `extensions` that is read.
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
    /// Reads a JSON object. Other JSON is rejected.
    pub fn from_json(json: &[u8]) -> Result<Self, ServerError> {
        // serde would accept a list of the fields' values as well.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(not_a_request("it must be a JSON object"));
        }
        serde_json::from_slice(json).map_err(|error| not_a_request(json_error(&error)))
    }

    /// The operation of these parameters.
    pub fn into_operation(self) -> Result<Operation, ServerError> {
        let name = |parameter, id: Option<String>| id.map(|id| Document::Trusted { parameter, id });
        let persisted = match self.extensions {
            Some(Extensions {
                persisted_query: Some(persisted),
            }) => Some(persisted.hash()?),
            _ => None,
        };
        // The most specific name first: `id` may be something else.
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
            // Some clients send an empty one instead of none.
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

/// Reads the variables, unless they exceed a limit.
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

/// Parses `extensions.persistedQuery.sha256Hash`.
pub(crate) fn parse_hash(sha256_hash: &str) -> Result<DocumentHash, ServerError> {
    DocumentHash::parse(sha256_hash).ok_or_else(|| {
        Code::BadUserInput.error(
            "extensions.persistedQuery.sha256Hash: must be a SHA-256 hash, 64 hexadecimal digits",
        )
    })
}

/// What is wrong with JSON. The JSON library's own message would mention its recursion limit.
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
