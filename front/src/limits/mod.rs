//! What one request may cost, checked before the library walks a document: its parser recurses without bound, and its
//! validation follows every spread of a fragment anew (a few kilobytes abort the process or keep it busy for seconds).
//!
//! 1. [`scan`] counts tokens and nesting in the raw text, before anything parses it.
//! 2. [`measure_document`] measures the parsed document, each fragment once, however often it is spread.
//! 3. `complexity` prices what is left of it when fields that are selected twice are one.
//!
//! [`check_variables`] looks at the JSON of the variables before anything builds values of it.

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
pub(crate) use lexer::{tokens, tokens_and_ignored};
pub use measure::{Measured, measure_document};
pub use scan::scan;
pub use variables::{MAX_VARIABLE_NESTING, MAX_VARIABLE_VALUES, check_variables};

/// The most brackets within brackets, and the most fragments within fragments.
pub const MAX_NESTING: usize = 64;
/// The most bytes outside of strings: the parser takes seconds for megabytes of a single comment or name.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most fields, inline fragments and spreads once every fragment is written out.
pub const MAX_SELECTIONS: usize = 10_000;
/// The most bytes of arguments once every fragment is written out: as many as a whole request may have by default.
pub const MAX_ARGUMENT_BYTES: usize = 8 * 1024 * 1024;
/// The most lists of types, fields and the like within each other that introspection may ask for. Tools ask for one, and
/// people rarely for two.
pub const MAX_INTROSPECTED_LISTS: usize = 2;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Names, numbers, strings and punctuation of the document.
    pub max_tokens: usize,
    /// Fields within fields. Introspection is exempt.
    pub max_depth: usize,
    /// Fields, each as often as it will be given, see [`Prices`].
    pub max_complexity: usize,
    /// Aliases once every fragment is written out.
    pub max_aliases: usize,
    /// What the operator sets them by.
    pub names: LimitNames,
}

/// The settings of the embedding server by which its operator changes limits: errors name them.
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
    /// The error of a limit, with the name of its setting.
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
