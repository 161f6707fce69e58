//! What an operation costs beside what it may cost, for those who ask for it.

use serde::Serialize;

use super::{Limit, LimitExceeded, Limits, Measured};

/// What an operation costs, each number beside its limit. What was not measured, because the operation was refused
/// before, is left out.
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
    /// Nothing measured yet.
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

    /// The complexity, if the operation came so far.
    pub fn complexity(&self) -> Option<usize> {
        self.complexity
    }

    /// Fields within fields, if the operation came so far.
    pub fn depth(&self) -> Option<usize> {
        self.depth
    }

    /// Fields that are renamed, if the operation came so far.
    pub fn aliases(&self) -> Option<usize> {
        self.aliases
    }

    /// The document's tokens, if they were counted.
    pub fn tokens(&self) -> Option<usize> {
        self.tokens
    }

    /// Notes how many tokens the document has.
    pub(crate) fn note_tokens(&mut self, tokens: usize) {
        self.tokens = Some(tokens);
    }

    /// Notes how deep the operation is, and how many aliases it has.
    pub(crate) fn note_measured(&mut self, measured: Measured) {
        self.depth = Some(measured.depth);
        self.aliases = Some(measured.aliases);
    }

    /// Notes the complexity.
    pub(crate) fn note_complexity(&mut self, complexity: usize) {
        self.complexity = Some(complexity);
    }

    /// Notes what was asked where it was too much.
    pub(crate) fn note_excess(&mut self, exceeded: &LimitExceeded) {
        match exceeded.limit {
            Limit::Tokens { tokens, .. } => self.tokens = Some(tokens),
            Limit::Depth { depth, .. } => self.depth = Some(depth),
            Limit::Aliases { aliases, .. } => self.aliases = Some(aliases),
            _ => {}
        }
    }
}
