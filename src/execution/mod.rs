//! The only place where operations are executed, for all transports.
//!
//! 1. The raw text is scanned for nesting and tokens before anything parses it. With trusted documents, it must be one
//!    of them.
//! 2. It is parsed once, and each of its fragments is measured once.
//! 3. Repeated fields are merged, and the cost of the result is computed.
//! 4. The schema executes it with a timeout; panics are caught.
//! 5. Every error gets a code; internal details only go to the log, with the request's id.

pub mod call;
mod instrumented;
pub mod reply;
mod request_errors;
mod schema_description;
mod subscribe;
mod trusted;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Request, Response, ServerError};
use futures_util::FutureExt;
use graphql_front::limits::{Cost, Limits};
use graphql_front::{
    DocumentPolicy, Front, Operation, Options, Parameters, PreparedOperation, SkipValidation,
    ValidateOnly, code_of,
};
use tokio::time::{Instant, timeout_at};

use self::reply::Reply;
use self::request_errors::ExecutedPart;
use crate::auth::Caller;
use crate::contract::budget::ResponseBudget;
use crate::contract::code::{Code, set_code};
use crate::contract::error::database_error;
use crate::contract::loader::Loaders;
use crate::contract::prices::PRICES;
use crate::contract::scalar::CHECKED_SCALARS;
use crate::contract::trail_end::TrailEnd;
use crate::contract::{GallerySchema, builder, types_sdl};
use crate::db::ReadPreference;
use crate::gallery::{self, Gallery};
use crate::telemetry::RequestId;

use schema_description::description_keys;

pub use instrumented::InstrumentedExecutor;

/// An operation as received by a transport.
#[derive(Debug)]
pub struct OperationRequest {
    /// The operation.
    pub operation: Operation,
    /// Identifies the request in the log and in internal errors.
    pub request_id: RequestId,
    /// Whether replies include the operation's cost.
    pub shows_cost: bool,
}

impl OperationRequest {
    /// Parses the parameters of a request.
    pub fn new(
        parameters: Parameters,
        request_id: RequestId,
        shows_cost: bool,
    ) -> Result<Self, ServerError> {
        Ok(Self {
            operation: parameters.into_operation()?,
            request_id,
            shows_cost,
        })
    }
}

/// An operation that passed all checks.
#[derive(Clone, Debug)]
pub struct Prepared {
    operation: PreparedOperation,
    request_id: RequestId,
    /// The cost, if the client asked for it in the replies.
    shown_cost: Option<Cost>,
}

impl Prepared {
    /// Whether it is a query, a mutation or a subscription.
    pub fn operation_type(&self) -> OperationType {
        self.operation.operation_type()
    }

    /// Rejects an operation that is valid, but not allowed with this transport.
    pub fn refuse(&self, error: ServerError) -> Reply {
        Reply::refused(error).with_cost(self.shown_cost)
    }

    fn document(&self) -> &ExecutableDocument {
        self.operation.document()
    }
}

/// A rejected operation.
#[derive(Debug)]
pub struct Refused {
    /// The errors.
    pub reply: Reply,
    /// The operation's type, if known.
    pub operation_type: Option<OperationType>,
}

impl Refused {
    /// Replaces its errors with one of higher priority.
    pub fn replaced_by(self, error: ServerError) -> Reply {
        let shown_cost = self.reply.shown_cost();
        Reply::refused(error).with_cost(shown_cost)
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        refused.reply
    }
}

/// Executes operations.
#[derive(Clone)]
pub struct Executor {
    /// Executes validated documents.
    schema: GallerySchema,
    /// Validates documents.
    validating: GallerySchema,
    front: Front,
    gallery: Arc<Gallery>,
    max_answer_bytes: usize,
    time_out: Duration,
}

impl Executor {
    /// Default limit of a response's memory.
    pub const DEFAULT_MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

    /// Creates an executor. `max_answer_bytes` limits the memory of a response while it is built.
    pub fn new(
        gallery: Arc<Gallery>,
        policy: DocumentPolicy,
        limits: Limits,
        max_answer_bytes: usize,
        time_out: Duration,
    ) -> Self {
        let has_introspection = policy.has_introspection;
        let schema = || {
            let schema = builder().data(Arc::clone(&gallery));
            if has_introspection {
                return schema;
            }
            // `Did you mean …` would reveal the schema.
            schema.disable_introspection().disable_suggestions()
        };
        Self {
            validating: schema().extension(ValidateOnly).finish(),
            schema: schema().extension(SkipValidation).finish(),
            front: front(policy, limits),
            gallery,
            max_answer_bytes,
            time_out,
        }
    }

    /// Parses an operation and checks the limits, without executing it.
    pub fn prepare(&self, request: OperationRequest) -> Result<Prepared, Refused> {
        let OperationRequest {
            operation,
            request_id,
            shows_cost,
        } = request;
        match self.front.prepare(operation) {
            Ok(operation) => Ok(Prepared {
                shown_cost: shows_cost.then(|| operation.cost()),
                operation,
                request_id,
            }),
            Err(rejection) => Err(Refused {
                reply: Reply::refused(rejection.error)
                    .with_cost(shows_cost.then_some(rejection.cost)),
                operation_type: rejection.operation_type,
            }),
        }
    }

    /// Validates a document that is not cached; valid ones are cached.
    async fn validate(&self, prepared: &Prepared) -> Result<(), Reply> {
        let operation = &prepared.operation;
        if !operation.is_valid() {
            // In a box, because it is rare, and each request would copy its state.
            let errors = Box::pin(self.schema_errors(operation)).await;
            let errors = errors.map_err(Reply::refused)?;
            if !errors.is_empty() {
                let invalid = Response::from_errors(errors);
                return Err(finish(invalid, None, prepared.request_id));
            }
        }
        self.front.keep_valid(operation);
        Ok(())
    }

    /// Validation errors of a document.
    async fn schema_errors(
        &self,
        prepared: &PreparedOperation,
    ) -> Result<Vec<ServerError>, ServerError> {
        let request = self.front.validation_request(prepared)?;
        Ok(self.validating.execute(request).await.errors)
    }

    /// Timeout of a request.
    pub fn time_out(&self) -> Duration {
        self.time_out
    }

    /// The deadline of a request that starts now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.time_out
    }

    /// Executes a query or a mutation for a caller. Never panics, and stops at the deadline.
    pub async fn execute(&self, caller: Caller, prepared: Prepared, deadline: Instant) -> Reply {
        if prepared.operation_type() == OperationType::Subscription {
            return prepared.refuse(Code::BadUserInput.error(
                "a subscription has several results, which this transport does not support",
            ));
        }
        let shown_cost = prepared.shown_cost;
        if Instant::now() >= deadline {
            // A change started now would complete in the database after the client got a timeout.
            return self.timed_out().with_cost(shown_cost);
        }
        let request_id = prepared.request_id;
        let work = Box::pin(self.run_or_turn_to_primary(caller, prepared));
        let work = self.gallery.database().for_one_request(work);
        let work = AssertUnwindSafe(work).catch_unwind();
        let reply = match timeout_at(deadline, work).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_panic)) => panicked(request_id),
            Err(_elapsed) => self.timed_out(),
        };
        reply.with_cost(shown_cost)
    }

    async fn run_or_turn_to_primary(&self, caller: Caller, prepared: Prepared) -> Reply {
        let reads = ReadPreference::current().filter(ReadPreference::may_use_replica);
        match (reads, prepared.operation_type()) {
            (Some(reads), OperationType::Query) => {
                Box::pin(self.run_on_replica(caller, prepared, reads)).await
            }
            (reads, _) => {
                if let Some(reads) = reads {
                    reads.use_primary();
                }
                self.run(caller, prepared).await
            }
        }
    }

    /// If the replica fails during the query, the whole query is executed again on the primary.
    async fn run_on_replica(
        &self,
        caller: Caller,
        prepared: Prepared,
        reads: ReadPreference,
    ) -> Reply {
        let reply = self.run(caller.clone(), prepared.clone()).await;
        if reads.has_failed() {
            return self.run(caller, prepared).await;
        }
        reply
    }

    fn timed_out(&self) -> Reply {
        let seconds = self.time_out.as_secs();
        Reply::with_null_data(Code::Timeout.error(format!(
            "the request took longer than {seconds} s and was cancelled"
        )))
    }

    async fn run(&self, caller: Caller, prepared: Prepared) -> Reply {
        if let Err(refused) = self.require_migrated().await {
            return refused;
        }
        if let Err(invalid) = self.validate(&prepared).await {
            return invalid;
        }
        let document = prepared.document();
        let executed = match prepared.operation.operation() {
            Ok(operation) => ExecutedPart::of(&operation.node),
            Err(error) => return Reply::refused(error),
        };
        let description_keys = description_keys(&prepared);
        let trail_end = TrailEnd::read_for(document, &self.gallery, &caller).await;
        let budget = ResponseBudget::at_most(self.max_answer_bytes);
        let request_id = prepared.request_id;
        let request = prepared.into_request(caller).data(budget.clone());
        let request = TrailEnd::add_to(trail_end, request);
        let mut response = self.schema.execute(request).await;
        if let Err(too_large) = budget.check() {
            return Reply::with_null_data(too_large);
        }
        description_keys.describe(&mut response.data);
        self.check_migrations(&mut response.errors).await;
        finish(response, Some(&executed), request_id)
    }

    /// If a statement misses a table or column, another process may have reverted a migration: reports that instead.
    async fn check_migrations(&self, errors: &mut [ServerError]) {
        let is_of_schema = |error: &ServerError| {
            let source = error.source::<gallery::Error>();
            matches!(source, Some(gallery::Error::Database(cause)) if cause.is_of_schema())
        };
        if !errors.iter().any(is_of_schema) {
            return;
        }
        if let Err(pending) = self.gallery.database().check_migrations().await {
            let (code, message) = database_error(&pending);
            for error in errors.iter_mut().filter(|error| is_of_schema(error)) {
                error.message.clone_from(&message);
                set_code(&mut error.extensions, code);
            }
        }
    }

    async fn require_migrated(&self) -> Result<(), Reply> {
        let migrated = self.gallery.database().require_migrated().await;
        migrated.map_err(|error| {
            tracing::warn!(%error, "the request was rejected");
            let (code, message) = database_error(&error);
            Reply::refused(code.error(message))
        })
    }
}

impl Prepared {
    fn into_request(self, caller: Caller) -> Request {
        let request = self.operation.into_request();
        request.data(caller).data(Loaders::default())
    }
}

/// The checks before the library, with this schema and its prices.
fn front(policy: DocumentPolicy, limits: Limits) -> Front {
    let options = Options {
        policy,
        limits,
        prices: &PRICES,
        scalars: &CHECKED_SCALARS,
    };
    let front = Front::new(&types_sdl(), options);
    front.expect(
        "the library reads the schema that it prints, and a test holds its prices against it",
    )
}

fn panicked(request_id: RequestId) -> Reply {
    tracing::error!("a request panicked");
    let mut error = Code::Internal.error("internal server error");
    add_request_id(&mut error, request_id);
    Reply::with_null_data(error)
}

/// Sets the code of each error, and logs what the client must not see.
fn finish(response: Response, executed: Option<&ExecutedPart>, request_id: RequestId) -> Reply {
    let refused = executed.and_then(|executed| executed.request_errors(&response.errors));
    let has_data = executed.is_some() && refused.is_none();
    let mut errors = refused.unwrap_or(response.errors);
    for error in &mut errors {
        if code_of(error).is_none() {
            // Only errors of input coercion have no code.
            set_code(&mut error.extensions, Code::BadUserInput);
        }
        log_cause(error);
        if Code::Internal.is_of(error) {
            add_request_id(error, request_id);
        }
    }
    Reply {
        data: has_data.then_some(response.data),
        errors,
        extensions: None,
    }
}

fn log_cause(error: &ServerError) {
    let Some(gallery::Error::Database(cause)) = error.source::<gallery::Error>() else {
        return;
    };
    if Code::Internal.is_of(error) {
        tracing::error!(error = %cause, "a request failed");
    } else {
        tracing::warn!(error = %cause, "the database could not serve a request");
    }
}

fn add_request_id(error: &mut ServerError, request_id: RequestId) {
    error
        .extensions
        .get_or_insert_default()
        .set("requestId", request_id.to_string());
}
