//! From a request's text and variables to an operation that is safe to execute, with its cost: the order of all checks.
//!
//! 1. [`DocumentPolicy`]: the document may run.
//! 2. Of a document that is not known yet, what depends on its text alone (`Checks::read`):
//!    tokens and nesting of the raw text, syntax, the selected operation, introspection,
//!    depth and aliases with fragments expanded, what the library does not validate, field collection.
//! 3. What depends on the values of variables (`Checks::check_variables`): their size, their types, complexity, and the
//!    size of all arguments.
//!
//! What is left is validation against the schema, once for each document: the caller does it with the request that
//! `Front::validation_request` gives, and then calls `Front::keep_valid`.
//!
//! Trusted documents pass the same checks at start (`Front::prepare_trusted`).

use std::sync::Arc;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Positioned, Request, ServerError, Variables};

use super::collect_fields::collect_fields;
use super::document::get_operation;
use super::known::{KnownDocument, KnownDocuments};
use super::limits::{
    Cost, CostModel, LatestCost, LimitExceeded, Limits, Priced, Prices, check_complexity,
    check_variable_expansion, measure_document, scan,
};
use super::numbers::parse_document;
use super::operation::Operation;
use super::persisted::{DocumentHash, PersistedDocuments};
use super::policy::{AllowedText, DocumentPolicy};
use super::schema_index::{SchemaError, SchemaIndex};
use super::trusted::TrustedDocument;
use super::validation;
use super::variables::InputTypes;

/// What is allowed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which documents may run.
    pub policy: DocumentPolicy,
    /// Of one request.
    pub limits: Limits,
    /// What fields cost where the schema does not tell.
    pub prices: &'static Prices,
}

impl Default for Options {
    /// Every document within the default limits, at [`Prices::PLAIN`].
    fn default() -> Self {
        Self {
            policy: DocumentPolicy::default(),
            limits: Limits::default(),
            prices: &Prices::PLAIN,
        }
    }
}

/// Checks operations before they are executed. Clones are the same.
#[derive(Clone, Debug)]
pub struct Front {
    policy: DocumentPolicy,
    limits: Limits,
    prices: &'static Prices,
    index: Arc<SchemaIndex>,
    input_types: Arc<InputTypes>,
    known: KnownDocuments,
    persisted: PersistedDocuments,
}

/// An operation that is safe to execute once it is valid.
#[derive(Clone, Debug)]
pub struct PreparedOperation {
    text: String,
    operation_name: Option<String>,
    document: Arc<KnownDocument>,
    /// Whether the document has proved valid before.
    is_valid: bool,
    variables: Variables,
    persist_as: Option<DocumentHash>,
    cost: Cost,
}

/// Why an operation is not executed, and what was found out about it before.
#[derive(Debug)]
pub struct Rejection {
    /// What is wrong.
    pub error: ServerError,
    /// Whether it is a query, a mutation or a subscription.
    pub operation_type: Option<OperationType>,
    /// What was measured.
    pub cost: Cost,
}

impl Front {
    /// Checks for a schema, given as SDL.
    pub fn new(sdl: &str, options: Options) -> Result<Self, SchemaError> {
        let Options {
            policy,
            limits,
            prices,
        } = options;
        let schema = parse_schema(sdl)?;
        let index = SchemaIndex::of_schema(&schema);
        prices.check(&index)?;
        Ok(Self {
            index: Arc::new(index),
            input_types: Arc::new(InputTypes::of_schema(schema, policy.has_introspection)),
            known: KnownDocuments::new(),
            persisted: PersistedDocuments::new(),
            policy,
            limits,
            prices,
        })
    }

    /// Which documents may run.
    pub fn policy(&self) -> &DocumentPolicy {
        &self.policy
    }

    /// The limits of one request.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Passes an operation through all checks.
    pub fn prepare(&self, operation: Operation) -> Result<PreparedOperation, Box<Rejection>> {
        let mut checks = Checks::of(self);
        let checked = checks.run(operation);
        checked.map_err(|error| {
            Box::new(Rejection {
                error,
                operation_type: checks.operation_type,
                cost: checks.cost,
            })
        })
    }

    /// Passes an operation of a trusted document through the same checks, with values for its variables that are as small
    /// as their types allow: what is refused here is refused in every request.
    pub fn prepare_trusted(
        &self,
        trusted: &TrustedDocument,
        operation_name: Option<&str>,
    ) -> Result<PreparedOperation, ServerError> {
        let mut checks = Checks::of(self);
        let allowed = AllowedText::trusted(&trusted.text);
        let document = Arc::new(checks.read(&allowed, operation_name)?);
        let definitions = &document.operation()?.node.variable_definitions;
        let variables = self.input_types.samples(definitions);
        checks.check_variables(&document, &variables)?;
        Ok(PreparedOperation {
            text: allowed.text,
            operation_name: operation_name.map(ToOwned::to_owned),
            document,
            is_valid: false,
            variables,
            persist_as: None,
            cost: checks.cost,
        })
    }

    /// The request that validates a document: for a schema with the extension [`ValidateOnly`](crate::ValidateOnly). It has
    /// a value for each variable, of the variable's type: a document is valid or not whatever one request sends.
    pub fn validation_request(&self, prepared: &PreparedOperation) -> Result<Request, ServerError> {
        let definitions = &prepared.operation()?.node.variable_definitions;
        let samples = self.input_types.samples(definitions);
        let mut request = Request::new("").variables(samples);
        request.operation_name.clone_from(&prepared.operation_name);
        request.set_parsed_query(prepared.document().clone());
        Ok(request)
    }

    /// Keeps a document that has proved valid: the next request with it skips what depends on its text alone. The store is
    /// bounded.
    pub fn keep_valid(&self, prepared: &PreparedOperation) {
        if !prepared.is_valid {
            let name = prepared.operation_name.as_deref();
            let document = Arc::clone(&prepared.document);
            self.known.keep(&prepared.text, name, document);
        }
        if let Some(hash) = prepared.persist_as {
            self.persisted.keep(hash, &prepared.text);
        }
    }

    fn cost_model(&self) -> CostModel<'_> {
        CostModel {
            index: &self.index,
            prices: self.prices,
        }
    }
}

/// The checks of one operation, and what they have found out so far.
struct Checks<'f> {
    front: &'f Front,
    cost: Cost,
    operation_type: Option<OperationType>,
}

impl<'f> Checks<'f> {
    fn of(front: &'f Front) -> Self {
        Self {
            front,
            cost: Cost::within(&front.limits),
            operation_type: None,
        }
    }

    fn run(&mut self, operation: Operation) -> Result<PreparedOperation, ServerError> {
        let Operation {
            document,
            operation_name,
            variables,
        } = operation;
        let Front {
            policy,
            persisted,
            limits,
            known,
            ..
        } = self.front;
        let allowed = policy.allow(document, persisted, limits)?;
        let name = operation_name.as_deref();
        let known = known.find(&allowed.text, name);
        let is_valid = known.is_some();
        let document = match known {
            Some(document) => document,
            None => Arc::new(self.read(&allowed, name)?),
        };
        self.operation_type = Some(document.operation_type);
        self.cost.note_tokens(document.tokens);
        self.cost.note_measured(document.measured);
        let variables = match variables {
            Ok(variables) => variables,
            Err(exceeded) => {
                let definitions = &document.operation()?.node.variable_definitions;
                return Err(exceeded.at_variable(definitions).to_error());
            }
        };
        self.check_variables(&document, &variables)?;
        Ok(PreparedOperation {
            text: allowed.text,
            operation_name,
            document,
            is_valid,
            variables,
            persist_as: allowed.persist_as,
            cost: self.cost,
        })
    }

    /// What depends on a document's text alone.
    fn read(
        &mut self,
        allowed: &AllowedText,
        operation_name: Option<&str>,
    ) -> Result<KnownDocument, ServerError> {
        let front = self.front;
        let text = &allowed.text;
        let tokens = match allowed.tokens {
            Some(tokens) => tokens,
            None => self.within(scan(text, &front.limits))?,
        };
        self.cost.note_tokens(tokens);
        let mut document = parse_document(text)?;
        let selected = &get_operation(&document, operation_name)?.node;
        let operation_type = selected.ty;
        self.operation_type = Some(operation_type);
        front
            .policy
            .check_policy(allowed, &document, operation_name)?;
        let measured = self.within(measure_document(&document, Some(selected), &front.limits))?;
        self.cost.note_measured(measured);
        validation::validate(&document)?;
        self.within(collect_fields(&mut document, &front.index))?;
        Ok(KnownDocument {
            document,
            operation_name: operation_name.map(Into::into),
            operation_type,
            text_bytes: text.len(),
            tokens,
            measured,
            price: LatestCost::default(),
        })
    }

    /// What depends on the values of variables.
    fn check_variables(
        &mut self,
        known: &KnownDocument,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        let front = self.front;
        let operation = &known.operation()?.node;
        front
            .input_types
            .check(&operation.variable_definitions, variables)?;
        let priced = Priced {
            document: &known.document,
            operation,
            variables,
            model: front.cost_model(),
        };
        let cost = known.price.of(priced);
        self.cost.note_complexity(cost.complexity);
        self.within(check_complexity(cost.complexity, priced, &front.limits))?;
        if !cost.has_small_arguments(variables, known.text_bytes) {
            self.within(check_variable_expansion(priced, known.text_bytes))?;
        }
        Ok(())
    }

    /// What was measured, unless it is over the limit: then the cost shows how much it was.
    fn within<T>(&mut self, measured: Result<T, LimitExceeded>) -> Result<T, ServerError> {
        measured.map_err(|limit| {
            self.cost.note_excess(&limit);
            limit.to_error()
        })
    }
}

impl PreparedOperation {
    /// Whether it is a query, a mutation or a subscription.
    pub fn operation_type(&self) -> OperationType {
        self.document.operation_type
    }

    /// Whether its document has proved valid before.
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// The name by which it was selected.
    pub fn operation_name(&self) -> Option<&str> {
        self.operation_name.as_deref()
    }

    /// What is executed: the document with its fields collected.
    pub fn document(&self) -> &ExecutableDocument {
        &self.document.document
    }

    /// The selected operation.
    pub fn operation(&self) -> Result<&Positioned<OperationDefinition>, ServerError> {
        self.document.operation()
    }

    /// The request that executes it.
    pub fn into_request(self) -> Request {
        let mut request = Request::new("").variables(self.variables);
        request.operation_name = self.operation_name;
        request.set_parsed_query(self.document.document.clone());
        request
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}
