//! Parses the operations of an HTTP request, <https://graphql.github.io/graphql-over-http/draft/#sec-Request>.

use async_graphql::ServerError;
use graphql_front::{Parameters, json_error};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::contract::code::Code;
use crate::execution::OperationRequest;
use crate::telemetry::RequestId;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The body of a POST.
#[derive(Debug)]
pub(super) enum Requested {
    /// A JSON object.
    One(OperationRequest),
    /// A JSON array of objects, answered with an array.
    Batch(Vec<OperationRequest>),
}

impl Requested {
    /// The number of operations.
    pub(super) fn operations(&self) -> u32 {
        match self {
            Self::One(_) => 1,
            Self::Batch(operations) => u32::try_from(operations.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Parses the body of a POST.
pub(super) fn from_body(
    body: &[u8],
    max_batch: usize,
    request_id: RequestId,
    shows_cost: bool,
) -> Result<Requested, ServerError> {
    // Not allowed in JSON, but some tools send it: https://www.rfc-editor.org/rfc/rfc8259#section-8.1
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if body.trim_ascii_start().first() != Some(&b'[') {
        let parameters = Parameters::from_json(body)?;
        let operation = OperationRequest::new(parameters, request_id, shows_cost);
        return operation.map(Requested::One);
    }
    let entries: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        Code::BadUserInput.error(format!("the body is not a batch of requests: {error}"))
    })?;
    if entries.is_empty() {
        return Err(Code::BadUserInput.error("the batch is empty"));
    }
    if entries.len() > max_batch {
        return Err(Code::TooComplex.error(format!(
            "the batch has {} operations; at most {max_batch} are allowed (GRAPHQL_MAX_BATCH)",
            entries.len()
        )));
    }
    let operations = entries.iter().enumerate().map(|(place, entry)| {
        Parameters::from_json(entry.get().as_bytes())
            .and_then(|parameters| OperationRequest::new(parameters, request_id, shows_cost))
            .map_err(|mut error| {
                error.message = format!("[{place}]: {}", error.message);
                error
            })
    });
    operations.collect::<Result<_, _>>().map(Requested::Batch)
}

/// Parses the query string of a GET.
pub(super) fn from_query(
    query: &str,
    request_id: RequestId,
    shows_cost: bool,
) -> Result<OperationRequest, ServerError> {
    let mut parameters = Parameters::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "query" => set(&mut parameters.query, &name, &value, text)?,
            "documentId" => set(&mut parameters.document_id, &name, &value, text)?,
            "doc_id" => set(&mut parameters.doc_id, &name, &value, text)?,
            "id" => set(&mut parameters.id, &name, &value, id)?,
            "operationName" => set(&mut parameters.operation_name, &name, &value, text)?,
            "variables" => set(&mut parameters.variables, &name, &value, json)?,
            "extensions" => set(&mut parameters.extensions, &name, &value, json)?,
            _ => {}
        }
    }
    OperationRequest::new(parameters, request_id, shows_cost)
}

/// Sets a parameter, at most once. An empty one counts as absent.
fn set<T>(
    parameter: &mut Option<T>,
    name: &str,
    value: &str,
    read: impl FnOnce(&str) -> Result<Option<T>, String>,
) -> Result<(), ServerError> {
    let refused = |reason: &str| Code::BadUserInput.error(format!("{name}: {reason}"));
    if value.is_empty() {
        return Ok(());
    }
    if parameter.is_some() {
        return Err(refused("is given more than once"));
    }
    *parameter = read(value).map_err(|reason| refused(&reason))?;
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a reader")]
fn text(value: &str) -> Result<Option<String>, String> {
    Ok(Some(value.to_owned()))
}

fn id(value: &str) -> Result<Option<Box<RawValue>>, String> {
    let text = serde_json::value::to_raw_value(value);
    text.map(Some).map_err(|error| json_error(&error))
}

fn json<T: DeserializeOwned>(value: &str) -> Result<Option<T>, String> {
    // serde would also accept a list of the fields' values.
    if !value.trim_start().starts_with(['{', 'n']) {
        return Err("must be a JSON object".to_owned());
    }
    serde_json::from_str(value)
        .map_err(|error| format!("must be a JSON object: {}", json_error(&error)))
}
