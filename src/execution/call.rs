//! Calls of the gallery that are not GraphQL operations. They run as operations do: within the deadline and the connection
//! quota, on the replica if the request allows that, never panicking, and counted, logged and traced.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::Executor;
use super::instrumented::{InstrumentedExecutor, OperationLabels};
use crate::auth::{Caller, Denied};
use crate::contract::code::Code;
use crate::contract::error::{client_error, database_error};
use crate::db::{self, ReadPreference};
use crate::gallery;

/// What metrics, log and traces show of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallLabels {
    /// The name, such as `listImages`.
    pub name: &'static str,
    /// Whether it changes something.
    pub is_write: bool,
}

/// Why a call has no result.
#[derive(Debug)]
pub struct CallError {
    /// As of an operation's top-level error.
    pub code: Code,
    /// Without internal details.
    pub message: String,
    /// The reason if access was denied.
    pub denied: Option<Denied>,
}

/// The work of a call. It may run twice: a replica that fails in the middle is replaced by the primary.
pub type Work<'w, T> = dyn Fn() -> BoxFuture<'w, Result<T, gallery::Error>> + Send + Sync + 'w;

impl CallError {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            denied: None,
        }
    }

    fn internal() -> Self {
        Self::new(Code::Internal, "internal server error")
    }

    fn of_database(error: &db::Error) -> Self {
        let (code, message) = database_error(error);
        Self::new(code, message)
    }
}

impl Executor {
    async fn call<T>(&self, labels: CallLabels, work: &Work<'_, T>) -> Result<T, CallError> {
        let call = self.run_call(labels, work);
        let call = self.gallery.database().for_one_request(call);
        let call = AssertUnwindSafe(call).catch_unwind();
        match timeout_at(self.deadline(), call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => {
                tracing::error!("a request panicked");
                Err(CallError::internal())
            }
            Err(_elapsed) => Err(CallError::new(
                Code::Timeout,
                format!("the request took longer than {} s", self.time_out.as_secs()),
            )),
        }
    }

    async fn run_call<T>(&self, labels: CallLabels, work: &Work<'_, T>) -> Result<T, CallError> {
        let database = self.gallery.database();
        if let Err(pending) = database.require_migrated().await {
            tracing::warn!(error = %pending, "the request was turned away");
            return Err(CallError::of_database(&pending));
        }
        let reads = ReadPreference::current().filter(ReadPreference::may_use_replica);
        if let Some(reads) = reads.as_ref().filter(|_| labels.is_write) {
            reads.use_primary();
        }
        let mut result = work().await;
        if reads.is_some_and(|reads| reads.has_failed()) && !labels.is_write {
            result = work().await;
        }
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.call_error(error).await),
        }
    }

    async fn call_error(&self, error: gallery::Error) -> CallError {
        let gallery::Error::Database(cause) = error else {
            let (code, message) = client_error(&error);
            let denied = match error {
                gallery::Error::Denied(denied) => Some(denied),
                _ => None,
            };
            return CallError {
                code,
                message,
                denied,
            };
        };
        // Another process may have run `migrate down`.
        if cause.is_of_schema()
            && let Err(pending) = self.gallery.database().check_migrations().await
        {
            return CallError::of_database(&pending);
        }
        let error = CallError::of_database(&cause);
        if error.code == Code::Internal {
            tracing::error!(error = %cause, "a request failed");
        } else {
            tracing::warn!(error = %cause, "the database could not serve a request");
        }
        error
    }
}

impl InstrumentedExecutor {
    /// Runs a call for a caller.
    pub async fn call<T>(
        &self,
        caller: &Caller,
        labels: CallLabels,
        work: &Work<'_, T>,
    ) -> Result<T, CallError> {
        let observation = self.observe(caller, OperationLabels::of_call(labels));
        let call = self.executor.call(labels, work);
        let result = call.instrument(observation.span().clone()).await;
        let error = result.as_ref().err();
        observation.end(error.map(|error| error.code.error("")).as_slice(), false);
        result
    }

    /// Counts and logs a call whose request is invalid, so that it does not run.
    pub fn refuse_call(&self, caller: &Caller, labels: CallLabels) {
        let observation = self.observe(caller, OperationLabels::of_call(labels));
        observation.end(&[Code::BadUserInput.error("")], true);
    }
}
