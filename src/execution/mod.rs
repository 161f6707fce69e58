//! The one way in: every operation, whatever transport brought it, is executed here and nowhere else.
//!
//! 1. The raw text is scanned for nesting and tokens, before anything parses it. Where there are trusted documents, it has
//!    to be one of them.
//! 2. It is parsed once, and its fragments are measured without walking them twice.
//! 3. Fields that it selects twice are made one, and what is left is priced.
//! 4. The schema executes it, within its time and without taking the server along when it panics.
//! 5. Every error gets its code; what is internal stays in the log, under the request's id.

mod admission;
mod coercion;
mod observed;
pub mod reply;
mod schema_description;
mod stages;
mod subscribe;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response, ServerError, ValidationMode, Variables};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use self::coercion::Executed;
use self::reply::Reply;
use crate::auth::Caller;
use crate::contract::budget::ResponseBudget;
use crate::contract::error::database_face;
use crate::contract::loader::Loaders;
use crate::contract::prices::PRICES;
use crate::contract::trail_end::TrailEnd;
use crate::contract::{GallerySchema, builder, types_sdl};
use crate::db::Reads;
use crate::front::code::{Code, code_of, set_code};
use crate::front::document::get_operation;
use crate::front::known::{KnownDocument, KnownDocuments};
use crate::front::limits::{
    Cost, CostModel, LatestPrice, LimitExceeded, Limits, check, check_complexity, check_copies,
    scan,
};
use crate::front::merge::merge;
use crate::front::numbers::parse_document;
use crate::front::operation::Operation;
use crate::front::persisted::{DocumentHash, PersistedDocuments};
use crate::front::shape::Shape;
use crate::front::validation;
use crate::front::variables::InputTypes;
use crate::gallery::{self, Gallery};

use admission::Admitted;
use schema_description::description_keys;
use stages::ValidateOnly;

pub use admission::Admission;
pub use observed::Observed;

/// An operation that may be executed: parsed, within the limits, and known by its kind.
#[derive(Clone, Debug)]
pub struct Prepared {
    text: String,
    document: Arc<KnownDocument>,
    /// Whether the document has proved valid before.
    is_valid: bool,
    operation_name: Option<String>,
    variables: Variables,
    request_id: String,
    /// Under this hash the text is kept once it has proved valid.
    persist_as: Option<DocumentHash>,
    /// Shown by every reply, where the client asks for it.
    shown_cost: Option<Cost>,
}

impl Prepared {
    /// Whether it is a query, a mutation or a subscription.
    pub fn kind(&self) -> OperationType {
        self.document.kind
    }

    /// The reply of an operation that may be executed, but not in this way.
    pub fn refuse(&self, error: ServerError) -> Reply {
        Reply::refused(error).showing(self.shown_cost)
    }
}

/// An operation that is not executed.
#[derive(Debug)]
pub struct Refused {
    /// What is wrong with it.
    pub reply: Reply,
    /// Whether it is a query, a mutation or a subscription, where that was found out.
    pub kind: Option<OperationType>,
}

impl Refused {
    /// The reply to an operation that is to be refused for something else, which comes first.
    pub fn replaced_by(self, error: ServerError) -> Reply {
        let shown_cost = self.reply.shown_cost();
        Reply::refused(error).showing(shown_cost)
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
    /// Executes documents that have proved valid. Without extensions, and without the rules that a document has passed: the
    /// library would do both for every field and every request.
    schema: GallerySchema,
    /// Validates documents.
    strict: GallerySchema,
    known: KnownDocuments,
    shape: Arc<Shape>,
    input_types: Arc<InputTypes>,
    persisted: PersistedDocuments,
    admission: Admission,
    gallery: Arc<Gallery>,
    limits: Limits,
    time_out: Duration,
}

impl Executor {
    /// An executor over a gallery.
    pub fn new(
        gallery: Arc<Gallery>,
        admission: Admission,
        limits: Limits,
        time_out: Duration,
    ) -> Self {
        let schema = || {
            let schema = builder().data(Arc::clone(&gallery));
            if admission.has_introspection {
                return schema;
            }
            // `Did you mean …` would tell the schema name by name.
            schema.disable_introspection().disable_suggestions()
        };
        let sdl = types_sdl();
        Self {
            strict: schema().extension(ValidateOnly).finish(),
            schema: schema().validation_mode(ValidationMode::Fast).finish(),
            known: KnownDocuments::new(),
            shape: Arc::new(Shape::of_schema(&sdl)),
            input_types: Arc::new(InputTypes::of_schema(&sdl, admission.has_introspection)),
            admission,
            persisted: PersistedDocuments::new(),
            gallery,
            limits,
            time_out,
        }
    }

    /// Parses an operation and holds it against the limits; nothing of it is executed yet.
    pub fn prepare(&self, operation: Operation) -> Result<Prepared, Refused> {
        let mut cost = Cost::within(&self.limits);
        let mut kind = None;
        let shows_cost = operation.shows_cost;
        let checked = self.check(operation, &mut cost, &mut kind);
        let shown_cost = shows_cost.then_some(cost);
        match checked {
            Ok(prepared) => Ok(Prepared {
                shown_cost,
                ..prepared
            }),
            Err(error) => Err(Refused {
                reply: Reply::refused(error).showing(shown_cost),
                kind,
            }),
        }
    }

    fn check(
        &self,
        operation: Operation,
        cost: &mut Cost,
        known_kind: &mut Option<OperationType>,
    ) -> Result<Prepared, ServerError> {
        let admitted = self.admit(operation.document)?;
        let name = operation.operation_name.as_deref();
        let known = self.known.find(&admitted.text, name);
        let is_valid = known.is_some();
        let document = match known {
            Some(document) => document,
            None => Arc::new(self.read(&admitted, name, cost, known_kind)?),
        };
        *known_kind = Some(document.kind);
        cost.note_tokens(document.tokens);
        cost.note_measured(document.measured);
        let variables = operation.variables.map_err(|limit| refusal(&limit))?;
        let selected = &get_operation(&document.document, name)?.node;
        self.input_types
            .check(&selected.variable_definitions, &variables)?;
        let text_bytes = document.text_bytes;
        let model = self.cost_model();
        let price = (document.price).of(&document.document, selected, &variables, model);
        cost.note_complexity(price.complexity);
        within(check_complexity(price.complexity, &self.limits), cost)?;
        if !price.has_small_arguments(&variables, text_bytes) {
            let document = &document.document;
            let copies = check_copies(document, selected, &variables, model, text_bytes);
            within(copies, cost)?;
        }
        Ok(Prepared {
            text: admitted.text,
            document,
            is_valid,
            operation_name: operation.operation_name,
            variables,
            request_id: operation.request_id,
            persist_as: admitted.persist_as,
            shown_cost: None,
        })
    }

    fn cost_model(&self) -> CostModel<'_> {
        CostModel {
            shape: &self.shape,
            prices: &PRICES,
        }
    }

    /// Parses a document that is not known yet, and holds it against the limits that depend on nothing else.
    fn read(
        &self,
        admitted: &Admitted,
        name: Option<&str>,
        cost: &mut Cost,
        known_kind: &mut Option<OperationType>,
    ) -> Result<KnownDocument, ServerError> {
        let text = &admitted.text;
        let tokens = within(scan(text, &self.limits), cost)?;
        cost.note_tokens(tokens);
        let mut document = parse_document(text)?;
        let kind = get_operation(&document, name)?.node.ty;
        *known_kind = Some(kind);
        self.examine(admitted, &document, name)?;
        let measured = within(check(&document, name, &self.limits), cost)?;
        cost.note_measured(measured);
        validation::validate(&document)?;
        merge(&mut document, &self.shape)
            .map_err(|error| Code::TooComplex.error(error.to_string()))?;
        Ok(KnownDocument {
            document,
            kind,
            text_bytes: text.len(),
            tokens,
            measured,
            price: LatestPrice::default(),
        })
    }

    /// Validates a document that is not known yet; a valid one is known from now on.
    async fn validate(&self, prepared: &Prepared) -> Result<(), Reply> {
        if !prepared.is_valid {
            self.validate_anew(prepared).await?;
        }
        if let Some(hash) = prepared.persist_as {
            self.persisted.keep(hash, &prepared.text);
        }
        Ok(())
    }

    async fn validate_anew(&self, prepared: &Prepared) -> Result<(), Reply> {
        let name = prepared.operation_name.as_deref();
        let document = &prepared.document.document;
        let operation = get_operation(document, name).map_err(Reply::refused)?;
        let definitions = &operation.node.variable_definitions;
        let mut request = Request::new("").variables(self.input_types.samples(definitions));
        request.operation_name = name.map(ToOwned::to_owned);
        request.set_parsed_query(document.clone());
        let response = self.strict.execute(request).await;
        if !response.errors.is_empty() {
            return Err(finish(response, None, &prepared.request_id));
        }
        let document = Arc::clone(&prepared.document);
        self.known.keep(&prepared.text, name, document);
        Ok(())
    }

    /// How long one request may take.
    pub fn time_out(&self) -> Duration {
        self.time_out
    }

    /// When a request that begins now has to be done.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.time_out
    }

    /// Executes a query or a mutation for a caller. Never panics, and gives up at the deadline.
    pub async fn execute(&self, caller: Caller, prepared: Prepared, deadline: Instant) -> Reply {
        if prepared.kind() == OperationType::Subscription {
            return prepared.refuse(
                Code::BadUserInput.error(
                    "a subscription has many answers: it cannot be executed for a single one",
                ),
            );
        }
        let shown_cost = prepared.shown_cost;
        if Instant::now() >= deadline {
            // Whatever began now would go on in the database though nobody waits for it.
            return self.timed_out().showing(shown_cost);
        }
        let request_id = prepared.request_id.clone();
        let work = Box::pin(self.run_or_turn_to_primary(caller, prepared));
        let work = self.gallery.database().for_one_request(work);
        let work = AssertUnwindSafe(work).catch_unwind();
        let reply = match timeout_at(deadline, work).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_panic)) => panicked(&request_id),
            Err(_elapsed) => self.timed_out(),
        };
        reply.showing(shown_cost)
    }

    async fn run_or_turn_to_primary(&self, caller: Caller, prepared: Prepared) -> Reply {
        let reads = Reads::current().filter(Reads::may_use_replica);
        match (reads, prepared.kind()) {
            (Some(reads), OperationType::Query) => {
                Box::pin(self.run_on_replica(caller, prepared, reads)).await
            }
            (reads, _) => {
                if let Some(reads) = reads {
                    reads.turn_to_primary();
                }
                self.run(caller, prepared).await
            }
        }
    }

    /// A replica that fails in the middle costs no error: the whole query is asked again, of one database.
    async fn run_on_replica(&self, caller: Caller, prepared: Prepared, reads: Reads) -> Reply {
        let reply = self.run(caller.clone(), prepared.clone()).await;
        if reads.has_failed() {
            return self.run(caller, prepared).await;
        }
        reply
    }

    fn timed_out(&self) -> Reply {
        let seconds = self.time_out.as_secs();
        Reply::lost(Code::Timeout.error(format!(
            "the request took longer than {seconds} s, and was given up"
        )))
    }

    async fn run(&self, caller: Caller, prepared: Prepared) -> Reply {
        if let Err(refused) = self.require_migrated().await {
            return refused;
        }
        if let Err(invalid) = self.validate(&prepared).await {
            return invalid;
        }
        let document = &prepared.document.document;
        let executed = Executed::of(
            document,
            prepared.kind(),
            prepared.operation_name.as_deref(),
        );
        let description_keys = description_keys(&prepared);
        let trail_end = TrailEnd::read_for(document, &self.gallery, &caller).await;
        let budget = ResponseBudget::at_most(self.limits.max_answer_bytes);
        let request_id = prepared.request_id.clone();
        let request = prepared.into_request(caller).data(budget.clone());
        let request = TrailEnd::add_to(trail_end, request);
        let mut response = self.schema.execute(request).await;
        if let Err(too_large) = budget.check() {
            return Reply::lost(too_large);
        }
        description_keys.describe(&mut response.data);
        self.look_for_migrations(&mut response.errors).await;
        finish(response, Some(&executed), &request_id)
    }

    /// What a statement did not find may have been taken back by another process: then that is told.
    async fn look_for_migrations(&self, errors: &mut [ServerError]) {
        let is_of_schema = |error: &ServerError| {
            let source = error.source::<gallery::Error>();
            matches!(source, Some(gallery::Error::Database(cause)) if cause.is_of_schema())
        };
        if !errors.iter().any(is_of_schema) {
            return;
        }
        if let Err(pending) = self.gallery.database().look_for_migrations().await {
            let (code, message) = database_face(&pending);
            for error in errors.iter_mut().filter(|error| is_of_schema(error)) {
                error.message.clone_from(&message);
                set_code(&mut error.extensions, code);
            }
        }
    }

    async fn require_migrated(&self) -> Result<(), Reply> {
        let migrated = self.gallery.database().require_migrated().await;
        migrated.map_err(|error| {
            tracing::warn!(%error, "the request was turned away");
            let (code, message) = database_face(&error);
            Reply::refused(code.error(message))
        })
    }
}

impl Prepared {
    fn into_request(self, caller: Caller) -> Request {
        let mut request = Request::new("")
            .variables(self.variables)
            .data(caller)
            .data(Loaders::default());
        request.operation_name = self.operation_name;
        request.set_parsed_query(self.document.document.clone());
        request
    }
}

fn panicked(request_id: &str) -> Reply {
    tracing::error!("a request panicked");
    let mut error = Code::Internal.error("internal server error");
    add_request_id(&mut error, request_id);
    Reply::lost(error)
}

/// What was measured, unless it was too much: then that is noted, and the operation refused.
fn within<T>(measured: Result<T, LimitExceeded>, cost: &mut Cost) -> Result<T, ServerError> {
    measured.map_err(|limit| {
        cost.note_excess(&limit);
        refusal(&limit)
    })
}

fn refusal(limit: &LimitExceeded) -> ServerError {
    let code = match limit {
        LimitExceeded::FragmentCycle { .. } => Code::ValidationFailed,
        _ => Code::TooComplex,
    };
    code.error(limit.to_string())
}

/// Gives every error its code, and tells the log what the client is not told.
fn finish(response: Response, executed: Option<&Executed>, request_id: &str) -> Reply {
    let refused = executed.and_then(|executed| executed.request_errors(&response.errors));
    let has_data = executed.is_some() && refused.is_none();
    let mut errors = refused.unwrap_or(response.errors);
    for error in &mut errors {
        if code_of(error).is_none() {
            // Only values that do not fit their type are without.
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

fn add_request_id(error: &mut ServerError, request_id: &str) {
    error
        .extensions
        .get_or_insert_default()
        .set("requestId", request_id);
}
