//! Turns a request's text and variables into an operation that is safe to execute, with its cost: the order of all
//! checks.
//!
//! 1. [`DocumentPolicy`]: whether the document is allowed.
//! 2. For a document that is not in the cache, everything that depends only on its text (`Checks::read`):
//!    tokens and nesting of the raw text, repeated input fields, syntax, the selected operation, introspection,
//!    depth and aliases with fragments expanded, validation that the library lacks, literals, field collection.
//! 3. Everything that depends on the values of variables (`Checks::check_variables`): their types, complexity, and the size
//!    of all arguments.
//!
//! The rest is validation against the schema, once for each document: the caller executes `Front::validation_request`, and
//! then calls `Front::keep_valid`.
//!
//! Trusted documents pass the same checks at startup (`Front::prepare_trusted`).

use std::sync::Arc;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Positioned, Request, ServerError, Variables};

use super::collect_fields::{collect_fields, refuse_repeated_mutations};
use super::document::get_operation;
use super::input_fields::refuse_repeated_input_fields;
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
use super::variables::{CheckedScalar, InputTypes, coerce_literals};

/// Options of a [`Front`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Which documents may run.
    pub policy: DocumentPolicy,
    /// The limits of one request.
    pub limits: Limits,
    /// Costs that cannot be derived from the schema.
    pub prices: &'static Prices,
    /// Custom scalars whose values are checked before anything is executed.
    pub scalars: &'static [CheckedScalar],
}

impl Default for Options {
    /// All documents, the default limits, [`Prices::PLAIN`], and no checked scalars.
    fn default() -> Self {
        Self {
            policy: DocumentPolicy::default(),
            limits: Limits::default(),
            prices: &Prices::PLAIN,
            scalars: &[],
        }
    }
}

/// Checks operations before execution. Clones share their state.
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

/// An operation that is safe to execute if it is valid.
#[derive(Clone, Debug)]
pub struct PreparedOperation {
    text: String,
    operation_name: Option<String>,
    document: Arc<KnownDocument>,
    /// Whether the document is known to be valid.
    is_valid: bool,
    variables: Variables,
    persist_as: Option<DocumentHash>,
    cost: Cost,
}

/// Why an operation is rejected, and what is known about it.
#[derive(Debug)]
pub struct Rejection {
    /// The error.
    pub error: ServerError,
    /// The operation's type.
    pub operation_type: Option<OperationType>,
    /// The measured cost.
    pub cost: Cost,
}

impl Front {
    /// Creates the checks for a schema, given as SDL. Fails if the SDL does not parse, and if a price is for a field that the
    /// schema does not have.
    pub fn new(sdl: &str, options: Options) -> Result<Self, SchemaError> {
        let Options {
            policy,
            limits,
            prices,
            scalars,
        } = options;
        let schema = parse_schema(sdl)?;
        let index = SchemaIndex::of_schema(&schema);
        prices.check(&index)?;
        Ok(Self {
            index: Arc::new(index),
            input_types: Arc::new(InputTypes::of_schema(
                schema,
                scalars,
                policy.has_introspection,
            )),
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

    /// Runs all checks for an operation.
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

    /// Runs the same checks for an operation of a trusted document, with the smallest values that the types of its variables
    /// allow: an operation that is rejected here is rejected in every request.
    pub fn prepare_trusted(
        &self,
        trusted: &TrustedDocument,
        operation_name: Option<&str>,
    ) -> Result<PreparedOperation, ServerError> {
        let mut checks = Checks::of(self);
        let allowed = AllowedText::trusted(&trusted.text);
        let document = Arc::new(checks.read(&allowed, operation_name)?);
        let definitions = &document.operation()?.node.variable_definitions;
        let mut variables = self.input_types.samples(definitions);
        checks.check_variables(&document, &mut variables)?;
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

    /// The request that validates a document, for a schema with the extension [`ValidateOnly`](crate::ValidateOnly). Its
    /// variables have sample values of their types, because validity does not depend on the values of one request.
    pub fn validation_request(&self, prepared: &PreparedOperation) -> Result<Request, ServerError> {
        let definitions = &prepared.operation()?.node.variable_definitions;
        let samples = self.input_types.samples(definitions);
        let mut request = Request::new("").variables(samples);
        request.operation_name.clone_from(&prepared.operation_name);
        request.set_parsed_query(prepared.document().clone());
        Ok(request)
    }

    /// Stores a valid document: the next request with it skips all checks that depend only on its text. The size of the cache
    /// is limited.
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

/// The checks of one operation, with the results so far.
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
        let mut variables = match variables {
            Ok(variables) => variables,
            Err(exceeded) => {
                let definitions = &document.operation()?.node.variable_definitions;
                return Err(exceeded.at_variable(definitions).to_error());
            }
        };
        self.check_variables(&document, &mut variables)?;
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

    /// Everything that depends only on a document's text.
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
        refuse_repeated_input_fields(text)?;
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
        coerce_literals(&mut document, &front.index, &front.input_types)?;
        self.within(collect_fields(&mut document, &front.index))?;
        refuse_repeated_mutations(&document)?;
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

    /// Everything that depends on the values of variables.
    fn check_variables(
        &mut self,
        known: &KnownDocument,
        variables: &mut Variables,
    ) -> Result<(), ServerError> {
        let front = self.front;
        let operation = &known.operation()?.node;
        front
            .input_types
            .coerce(&operation.variable_definitions, variables)?;
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

    /// Passes on a result. If it exceeds a limit, the cost gets the value.
    fn within<T>(&mut self, measured: Result<T, LimitExceeded>) -> Result<T, ServerError> {
        measured.map_err(|limit| {
            self.cost.note_excess(&limit);
            limit.to_error()
        })
    }
}

impl PreparedOperation {
    /// The operation's type.
    pub fn operation_type(&self) -> OperationType {
        self.document.operation_type
    }

    /// Whether its document is known to be valid.
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// The name that selected it.
    pub fn operation_name(&self) -> Option<&str> {
        self.operation_name.as_deref()
    }

    /// The document that is executed, with its fields collected.
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

    /// Its cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}
