//! Limits of one request, checked before the library reads its document: the library's parser recurses without a limit, and
//! its validation follows each fragment spread again (a few kilobytes abort the process or keep it busy for seconds).
//!
//! 1. [`scan`] counts tokens and nesting in the raw text, before anything parses it.
//! 2. [`measure_document`] measures the parsed document, each fragment once, however often it is spread.
//! 3. `complexity` computes the cost of the document after repeated fields are merged.
//!
//! [`check_variables`] checks the JSON of the variables before values are built from it.

mod complexity;
mod cost;
mod exceeded;
mod lexer;
mod measure;
mod scan;
mod variables;

#[cfg(test)]
pub(super) use complexity::sample;
pub(crate) use complexity::{
    CostModel, LatestCost, Priced, check_complexity, check_variable_expansion,
};
pub use complexity::{FieldPrice, InputPrice, Prices, SizedList};
pub use cost::Cost;
pub use exceeded::{Limit, LimitExceeded, Place};
pub(crate) use lexer::{is_ignored, position, tokens, tokens_and_ignored};
pub use measure::{Measured, measure_document};
pub use scan::scan;
pub use variables::{MAX_VARIABLE_NESTING, MAX_VARIABLE_VALUES, check_variables};

/// The maximum nesting of brackets, and of fragments.
pub const MAX_NESTING: usize = 64;
/// The maximum number of bytes outside of strings: the parser needs seconds for megabytes of a single comment or name.
pub const MAX_BYTES: usize = 256 * 1024;
/// The maximum number of fields, inline fragments and spreads with all fragments expanded.
pub const MAX_SELECTIONS: usize = 10_000;
/// The maximum number of bytes of arguments with all fragments expanded.
pub const MAX_ARGUMENT_BYTES: usize = 8 * 1024 * 1024;
/// The maximum nesting of `fields`, `inputFields`, `interfaces` and `possibleTypes` in introspection. Tools need one level,
/// people rarely two.
pub const MAX_INTROSPECTED_LISTS: usize = 2;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tokens of the document: names, numbers, strings and punctuation.
    pub max_tokens: usize,
    /// Depth of nested fields. Introspection is exempt.
    pub max_depth: usize,
    /// Complexity: the cost of all fields, see [`Prices`].
    pub max_complexity: usize,
    /// Aliases with all fragments expanded.
    pub max_aliases: usize,
    /// The settings that change them, for errors.
    pub names: LimitNames,
}

/// Names of the embedding server's settings that change the limits. Errors contain them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitNames {
    /// Of [`Limits::max_tokens`].
    pub max_tokens: Option<&'static str>,
    /// Of [`Limits::max_depth`].
    pub max_depth: Option<&'static str>,
    /// Of [`Limits::max_complexity`].
    pub max_complexity: Option<&'static str>,
    /// Of [`Limits::max_aliases`].
    pub max_aliases: Option<&'static str>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tokens: 5000,
            max_depth: 15,
            max_complexity: 10_000,
            max_aliases: 30,
            names: LimitNames::default(),
        }
    }
}

impl Limits {
    /// The error for a limit, with the name of its setting.
    fn exceeded(&self, limit: Limit) -> LimitExceeded {
        let setting = match limit {
            Limit::Tokens { .. } => self.names.max_tokens,
            Limit::Depth { .. } => self.names.max_depth,
            Limit::Complexity { .. } => self.names.max_complexity,
            Limit::Aliases { .. } => self.names.max_aliases,
            _ => None,
        };
        LimitExceeded {
            setting,
            ..limit.into()
        }
    }
}
