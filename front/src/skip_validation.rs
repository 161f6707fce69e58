//! An extension that skips validation.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{CacheControl, ServerError, ValidationResult};
use async_trait::async_trait;

/// An extension with which a schema executes documents without validating them. Only for documents that a schema with
/// [`ValidateOnly`](super::ValidateOnly) found valid: even with `ValidationMode::Fast` the library visits each of them
/// twice per request, which costs more than what this extension adds to each field.
#[derive(Clone, Copy, Debug)]
pub struct SkipValidation;

impl ExtensionFactory for SkipValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for SkipValidation {
    async fn validation(
        &self,
        _ctx: &ExtensionContext<'_>,
        _next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        Ok(ValidationResult {
            cache_control: CacheControl::default(),
            complexity: 0,
            depth: 0,
        })
    }
}
