//! The cost of an operation, for clients that ask for it.

use serde::Serialize;

use super::{Limit, LimitExceeded, Limits, Measured};

/// The cost of an operation, each value with its limit. Values that were not measured, because the operation was rejected
/// earlier, are omitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    #[serde(skip_serializing_if = "Option::is_none")]
    complexity: Option<usize>,
    maximum_complexity: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<usize>,
    maximum_depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<usize>,
    maximum_aliases: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<usize>,
    maximum_tokens: usize,
}

impl Cost {
    /// Nothing is measured yet.
    pub(crate) fn within(limits: &Limits) -> Self {
        Self {
            complexity: None,
            maximum_complexity: limits.max_complexity,
            depth: None,
            maximum_depth: limits.max_depth,
            aliases: None,
            maximum_aliases: limits.max_aliases,
            tokens: None,
            maximum_tokens: limits.max_tokens,
        }
    }

    /// The complexity, if it was measured.
    pub fn complexity(&self) -> Option<usize> {
        self.complexity
    }

    /// The depth of nested fields, if it was measured.
    pub fn depth(&self) -> Option<usize> {
        self.depth
    }

    /// The number of aliases, if it was measured.
    pub fn aliases(&self) -> Option<usize> {
        self.aliases
    }

    /// The document's tokens, if they were counted.
    pub fn tokens(&self) -> Option<usize> {
        self.tokens
    }

    /// Sets the number of tokens.
    pub(crate) fn note_tokens(&mut self, tokens: usize) {
        self.tokens = Some(tokens);
    }

    /// Sets depth and aliases.
    pub(crate) fn note_measured(&mut self, measured: Measured) {
        self.depth = Some(measured.depth);
        self.aliases = Some(measured.aliases);
    }

    /// Sets the complexity.
    pub(crate) fn note_complexity(&mut self, complexity: usize) {
        self.complexity = Some(complexity);
    }

    /// Sets the value that exceeds a limit.
    pub(crate) fn note_excess(&mut self, exceeded: &LimitExceeded) {
        match exceeded.limit {
            Limit::Tokens { tokens, .. } => self.tokens = Some(tokens),
            Limit::Depth { depth, .. } => self.depth = Some(depth),
            Limit::Aliases { aliases, .. } => self.aliases = Some(aliases),
            _ => {}
        }
    }
}
