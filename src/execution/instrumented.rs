//! Metrics, one log line and a trace span for each operation. Variables never appear in them, and the caller's subject
//! only as a hash.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::ServerError;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use futures_util::stream::BoxStream;
use graphql_front::code_of;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::call::CallLabels;
use super::{Executor, OperationRequest, Prepared, Refused};
use crate::auth::Caller;
use crate::contract::code::Code;
use crate::execution::reply::{Reply, StreamItem};
use crate::metrics::{Metrics, Outcome};

/// The type of an operation that was rejected before its type was known.
const UNKNOWN: &str = "unknown";
/// A name may be as long as a document, so the log truncates it.
const MAX_NAME_CHARACTERS: usize = 100;

/// An executor whose operations are counted, logged and traced. Clones share it.
#[derive(Clone)]
pub struct InstrumentedExecutor {
    pub(super) executor: Executor,
    metrics: Arc<Metrics>,
}

/// The labels of an operation in metrics, log and traces.
pub(super) struct OperationLabels {
    kind: &'static str,
    /// A valid GraphQL name, because it comes from a parsed document.
    name: Option<String>,
}

/// Records an operation when it ends, even if the client disconnects.
pub(super) struct Observation {
    labels: OperationLabels,
    caller_kind: &'static str,
    subject: Option<String>,
    metrics: Arc<Metrics>,
    started: Instant,
    span: Span,
    has_ended: bool,
}

impl InstrumentedExecutor {
    /// Wraps an executor.
    pub fn new(executor: Executor, metrics: Arc<Metrics>) -> Self {
        Self { executor, metrics }
    }

    /// See [`Executor::prepare`].
    pub fn prepare(&self, request: OperationRequest) -> Result<Prepared, Refused> {
        let started = Instant::now();
        self.executor.prepare(request).inspect_err(|refused| {
            let reply = &refused.reply;
            count_errors(&self.metrics, reply.errors());
            self.metrics
                .count_operation(UNKNOWN, Outcome::Refused, started.elapsed());
            let codes = codes(reply.errors());
            let duration_ms = milliseconds(started.elapsed());
            tracing::info!(
                operation.r#type = UNKNOWN,
                outcome = Outcome::Refused.as_str(),
                error.codes = codes,
                duration_ms,
                "operation refused"
            );
        })
    }

    /// See [`Executor::execute`].
    pub async fn execute(&self, caller: Caller, prepared: Prepared, deadline: Instant) -> Reply {
        let observation = self.observe(&caller, OperationLabels::of(&prepared));
        let reply = (self.executor.execute(caller, prepared, deadline))
            .instrument(observation.span.clone())
            .await;
        observation.end(reply.errors(), reply.is_refused());
        reply
    }

    /// See [`Executor::subscribe`]. The start of the subscription is logged; later errors are counted.
    pub async fn subscribe(
        &self,
        caller: Caller,
        prepared: Prepared,
        resume_after: Option<String>,
    ) -> Result<BoxStream<'static, StreamItem>, Reply> {
        use futures_util::StreamExt;

        let observation = self.observe(&caller, OperationLabels::of(&prepared));
        let work = self.executor.subscribe(caller, prepared, resume_after);
        match work.instrument(observation.span.clone()).await {
            Ok(items) => {
                observation.end(&[], false);
                let metrics = Arc::clone(&self.metrics);
                let items = items.inspect(move |item| {
                    count_errors(&metrics, item.reply.errors());
                });
                Ok(items.boxed())
            }
            Err(reply) => {
                observation.end(reply.errors(), reply.is_refused());
                Err(reply)
            }
        }
    }

    /// See [`Executor::time_out`].
    pub fn time_out(&self) -> Duration {
        self.executor.time_out()
    }

    /// See [`Executor::deadline`].
    pub fn deadline(&self) -> Instant {
        self.executor.deadline()
    }

    pub(super) fn observe(&self, caller: &Caller, labels: OperationLabels) -> Observation {
        let name = labels.name.as_deref();
        // At the lowest level: it is for traces and must not prefix log lines.
        let span = tracing::trace_span!(
            "operation",
            otel.name = labels.kind,
            otel.status_code = tracing::field::Empty,
            graphql.operation.r#type = labels.kind,
            graphql.operation.name = name,
            error.r#type = tracing::field::Empty,
        );
        Observation {
            labels,
            caller_kind: kind_of_caller(caller),
            subject: caller.actor().map(hashed),
            metrics: Arc::clone(&self.metrics),
            started: Instant::now(),
            span,
            has_ended: false,
        }
    }
}

impl Observation {
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn end(mut self, errors: &[ServerError], is_refused: bool) {
        self.has_ended = true;
        count_errors(&self.metrics, errors);
        let outcome = match errors {
            [] => Outcome::Succeeded,
            _ if is_refused => Outcome::Refused,
            _ => Outcome::Failed,
        };
        self.report(outcome, &codes(errors));
    }

    fn report(&self, outcome: Outcome, codes: &str) {
        let duration = self.started.elapsed();
        self.metrics
            .count_operation(self.labels.kind, outcome, duration);
        if outcome != Outcome::Succeeded {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", codes);
        }
        let message = match outcome {
            Outcome::Succeeded => "operation done",
            Outcome::Failed => "operation failed",
            Outcome::Refused => "operation refused",
            Outcome::Abandoned => "operation abandoned",
        };
        tracing::info!(
            operation.r#type = self.labels.kind,
            operation.name = self.labels.name.as_deref(),
            caller.kind = self.caller_kind,
            caller.subject = self.subject.as_deref(),
            outcome = outcome.as_str(),
            error.codes = Some(codes).filter(|codes| !codes.is_empty()),
            duration_ms = milliseconds(duration),
            "{message}"
        );
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.has_ended {
            self.report(Outcome::Abandoned, "");
        }
    }
}

impl OperationLabels {
    pub(super) fn of_call(labels: CallLabels) -> Self {
        Self {
            kind: if labels.is_write {
                "rest_write"
            } else {
                "rest_read"
            },
            name: Some(labels.name.to_owned()),
        }
    }

    fn of(prepared: &Prepared) -> Self {
        let kind = match prepared.operation_type() {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        };
        let only = match &prepared.document().operations {
            DocumentOperations::Single(_) => None,
            DocumentOperations::Multiple(operations) => operations.keys().next(),
        };
        let name = prepared.operation.operation_name();
        let name = name.or_else(|| only.map(async_graphql::Name::as_str));
        let name = name.map(|name| name.chars().take(MAX_NAME_CHARACTERS).collect());
        Self { kind, name }
    }
}

fn kind_of_caller(caller: &Caller) -> &'static str {
    match caller {
        Caller::Anyone => "anyone",
        Caller::Anonymous(_) => "anonymous",
        Caller::User(_) => "user",
        Caller::Service { .. } => "service",
    }
}

/// The first sixteen digits of a subject's SHA-256: enough to find all its log lines with `printf %s SUBJECT |
/// sha256sum`.
fn hashed(subject: &str) -> String {
    const BYTES: usize = 8;
    let hash = Sha256::digest(subject.as_bytes());
    let mut text = String::with_capacity(2 * BYTES);
    for byte in hash.iter().take(BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count_errors(metrics: &Metrics, errors: &[ServerError]) {
    for error in errors {
        metrics.count_error(code(error));
    }
}

fn code(error: &ServerError) -> &str {
    code_of(error).unwrap_or(Code::Internal.as_str())
}

/// Each code once, in the order of the errors.
fn codes(errors: &[ServerError]) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for code in errors.iter().map(code) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.join(",")
}
