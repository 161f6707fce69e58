//! The stages of a request, as the library tells of them: validated, executed, each field resolved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextResolve, NextValidation,
    ResolveInfo,
};
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Value};
use async_trait::async_trait;

use super::admission::ValidateOnly;
use crate::contract::budget::AnswerSize;
use crate::front::code::{Code, set_code};

/// Set once execution begins: what fails before is a request error, and has no `data`.
#[derive(Clone, Default)]
pub(super) struct WasExecuted(Arc<AtomicBool>);

impl WasExecuted {
    /// Whether it has begun.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells the stages of a request apart, and counts the answer while it is made.
pub(super) struct Stages;

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
        if let Ok(answer) = ctx.data::<AnswerSize>() {
            answer.clear();
        }
        if ctx.data::<ValidateOnly>().is_ok() {
            return Response::default();
        }
        next.run(ctx, operation_name).await
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Ok(answer) = ctx.data::<AnswerSize>() else {
            return next.run(ctx, info).await;
        };
        answer.check()?;
        let is_json = info.return_type.trim_end_matches('!') == "JSON";
        let value = next.run(ctx, info).await?;
        if let Some(value) = &value
            && answer.count(value, is_json)
        {
            tokio::task::yield_now().await;
        }
        Ok(value)
    }
}
