//! The one way in: every operation, whatever transport brought it, is executed here and nowhere else.
//!
//! 1. The raw text is scanned for nesting and tokens, before anything parses it.
//! 2. It is parsed once, and its fragments are measured without walking them twice.
//! 3. Fields that it selects twice are made one.
//! 4. The schema executes it, within its time and without taking the server along when it panics.
//! 5. Every error gets its code; what is internal stays in the log, under the request's id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextValidation,
};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument};
use async_graphql::{
    Name, PathSegment, Request, Response, ServerError, ValidationResult, Value, Variables,
};
use async_trait::async_trait;
use futures_util::FutureExt;
use serde::Serialize;

use super::error::{Code, code_of, database_face, set_code};
use super::limits::{LimitExceeded, Limits, check, scan};
use super::merge::{FieldTypes, merge};
use super::{GallerySchema, builder, sdl};
use crate::auth::Caller;
use crate::gallery::{self, Gallery};

/// One operation, as a transport brought it.
#[derive(Debug)]
pub struct Operation {
    /// The document.
    pub query: String,
    /// Which of its operations, where it has several.
    pub operation_name: Option<String>,
    /// Values of its variables.
    pub variables: Variables,
    /// Names the request in the log and in internal errors.
    pub request_id: String,
}

/// What came of an operation.
#[derive(Debug, Serialize)]
pub struct Reply {
    /// Absent when the request failed before it was executed,
    /// <https://spec.graphql.org/October2021/#sec-Response-Format>.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
}

impl Reply {
    /// A request that failed before it was executed.
    pub fn refused(error: ServerError) -> Self {
        Self {
            data: None,
            errors: vec![error],
        }
    }

    /// The code for which nothing came of the request, where HTTP has a status for it: no root field, or all of them
    /// null, for want of a sign-in, of patience or of the database.
    pub fn failed_for(&self) -> Option<Code> {
        [Code::Unauthenticated, Code::RateLimited, Code::Unavailable]
            .into_iter()
            .find(|code| self.has_nothing_for(*code))
    }

    fn has_nothing_for(&self, code: Code) -> bool {
        let is_at_fault = |field: Option<&Name>| {
            self.errors.iter().any(|error| {
                let is_of_field = field.is_none_or(|field| {
                    matches!(error.path.first(), Some(PathSegment::Field(name)) if name == field.as_str())
                });
                is_of_field && code.is_of(error)
            })
        };
        match &self.data {
            None | Some(Value::Null) => {
                is_at_fault(None) && self.errors.iter().all(|error| code.is_of(error))
            }
            Some(Value::Object(fields)) => {
                !fields.is_empty()
                    && fields
                        .iter()
                        .all(|(field, value)| *value == Value::Null && is_at_fault(Some(field)))
            }
            Some(_) => false,
        }
    }
}

/// Executes operations.
#[derive(Clone)]
pub struct Executor {
    schema: GallerySchema,
    field_types: Arc<FieldTypes>,
    gallery: Arc<Gallery>,
    limits: Limits,
    time_out: Duration,
}

impl Executor {
    /// An executor over a gallery.
    pub fn new(gallery: Arc<Gallery>, limits: Limits, time_out: Duration) -> Self {
        let schema = builder()
            .data(Arc::clone(&gallery))
            .extension(Stages)
            .finish();
        Self {
            schema,
            field_types: Arc::new(FieldTypes::of_schema(&sdl())),
            gallery,
            limits,
            time_out,
        }
    }

    /// Executes one operation for a caller. Never panics, and never takes longer than the time-out.
    pub async fn execute(&self, caller: Caller, operation: Operation) -> Reply {
        let document = match self.prepare(&operation) {
            Ok(document) => document,
            Err(error) => return Reply::refused(error),
        };
        let request_id = operation.request_id.clone();
        let work = self.run(caller, operation, document);
        match tokio::time::timeout(self.time_out, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_panic)) => {
                tracing::error!(request.id = request_id, "a request panicked");
                let mut error = Code::Internal.error("internal server error");
                add_request_id(&mut error, &request_id);
                Reply::refused(error)
            }
            Err(_elapsed) => {
                let seconds = self.time_out.as_secs();
                Reply::refused(Code::Timeout.error(format!(
                    "the request took longer than {seconds} s, and was given up"
                )))
            }
        }
    }

    fn prepare(&self, operation: &Operation) -> Result<ExecutableDocument, ServerError> {
        scan(&operation.query, &self.limits).map_err(|limit| refusal(&limit))?;
        let mut document = parse_query(&operation.query).map_err(|error| {
            let mut error = ServerError::from(error);
            set_code(&mut error.extensions, Code::ParseFailed);
            error
        })?;
        let name = operation.operation_name.as_deref();
        require_operation(&document.operations, name)?;
        require_variables(&document.operations, name, &operation.variables)?;
        check(&document, name, &self.limits).map_err(|limit| refusal(&limit))?;
        merge(&mut document, &self.field_types)
            .map_err(|error| Code::TooComplex.error(error.to_string()))?;
        Ok(document)
    }

    async fn run(
        &self,
        caller: Caller,
        operation: Operation,
        document: ExecutableDocument,
    ) -> Reply {
        if let Err(error) = self.gallery.database().require_migrated().await {
            tracing::warn!(request.id = operation.request_id, %error, "the request was turned away");
            let (code, message) = database_face(&error);
            return Reply::refused(code.error(message));
        }
        let was_executed = Arc::new(AtomicBool::new(false));
        let mut request = Request::new(operation.query)
            .variables(operation.variables)
            .data(caller)
            .data(WasExecuted(Arc::clone(&was_executed)));
        request.operation_name = operation.operation_name;
        request.set_parsed_query(document);
        let response = self.schema.execute(request).await;
        finish(
            response,
            was_executed.load(Ordering::Relaxed),
            &operation.request_id,
        )
    }
}

fn refusal(limit: &LimitExceeded) -> ServerError {
    let code = match limit {
        LimitExceeded::FragmentCycle { .. } => Code::ValidationFailed,
        _ => Code::TooComplex,
    };
    code.error(limit.to_string())
}

/// Refuses a name that no operation has, and a document of several operations without a name.
fn require_operation(
    operations: &DocumentOperations,
    name: Option<&str>,
) -> Result<(), ServerError> {
    match (operations, name) {
        (DocumentOperations::Multiple(operations), Some(name)) if operations.contains_key(name) => {
            Ok(())
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => Ok(()),
        (DocumentOperations::Multiple(_), None) => Err(Code::BadUserInput.error(
            "the document has several operations: operationName must say which of them is meant",
        )),
        (DocumentOperations::Single(_), None) => Ok(()),
        (_, Some(name)) => Err(Code::BadUserInput.error(format!(
            "operationName: the document has no operation `{name}`"
        ))),
    }
}

/// Refuses a null for a variable that may not be null: the library would find it as late as at execution.
fn require_variables(
    operations: &DocumentOperations,
    name: Option<&str>,
    variables: &Variables,
) -> Result<(), ServerError> {
    let meant = |operation: Option<&Name>| name.is_none() || operation.map(Name::as_str) == name;
    let operation = operations.iter().find(|(name, _)| meant(*name));
    let definitions = operation.map(|(_, operation)| &operation.node.variable_definitions);
    for definition in definitions.into_iter().flatten() {
        let variable = &definition.node;
        let given = variables.get(&variable.name.node);
        let is_lacking = match given {
            Some(value) => *value == Value::Null,
            None => variable.default_value.is_none(),
        };
        if is_lacking && !variable.var_type.node.nullable {
            let mut error = Code::BadUserInput.error(format!(
                "variable `${}` of type `{}` has to be given, and may not be null",
                variable.name.node, variable.var_type.node
            ));
            error.locations = vec![definition.pos];
            return Err(error);
        }
    }
    Ok(())
}

/// Gives every error its code, and tells the log what the client is not told.
fn finish(response: Response, was_executed: bool, request_id: &str) -> Reply {
    let mut errors = response.errors;
    for error in &mut errors {
        if code_of(error).is_none() {
            // Values that do not fit their type are found by the library as late as at execution.
            set_code(&mut error.extensions, Code::BadUserInput);
        }
        log_cause(error, request_id);
        if Code::Internal.is_of(error) {
            add_request_id(error, request_id);
        }
    }
    Reply {
        data: was_executed.then_some(response.data),
        errors,
    }
}

fn log_cause(error: &ServerError, request_id: &str) {
    let Some(gallery::Error::Database(cause)) = error.source::<gallery::Error>() else {
        return;
    };
    if Code::Internal.is_of(error) {
        tracing::error!(request.id = request_id, error = %cause, "a request failed");
    } else {
        tracing::warn!(request.id = request_id, error = %cause, "the database could not serve a request");
    }
}

fn add_request_id(error: &mut ServerError, request_id: &str) {
    error
        .extensions
        .get_or_insert_default()
        .set("requestId", request_id);
}

/// Set once execution begins: what fails before is a request error, and has no `data`.
struct WasExecuted(Arc<AtomicBool>);

/// Tells the stages of a request apart.
struct Stages;

impl ExtensionFactory for Stages {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Stages {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            for error in &mut errors {
                set_code(&mut error.extensions, Code::ValidationFailed);
            }
            errors
        })
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Ok(WasExecuted(flag)) = ctx.data::<WasExecuted>() {
            flag.store(true, Ordering::Relaxed);
        }
        next.run(ctx, operation_name).await
    }
}
