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
mod measure;
mod scan;
mod variables;

#[cfg(test)]
pub(super) use complexity::sample;
pub(crate) use complexity::{CostModel, LatestCost, check_complexity, check_variable_expansion};
pub use complexity::{FieldPrice, InputPrice, Prices, SizedList};
pub use cost::Cost;
pub use measure::{Measured, measure_document};
pub use scan::scan;
pub(crate) use scan::{tokens, tokens_and_ignored};
pub use variables::{MAX_VARIABLE_NESTING, MAX_VARIABLE_VALUES, check_variables};

use async_graphql::ServerError;

use super::code::Code;

/// The most brackets within brackets, and the most fragments within fragments.
pub const MAX_NESTING: usize = 64;
/// The most bytes outside of strings: the parser takes seconds for megabytes of a single comment or name.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most fields, inline fragments and spreads once every fragment is written out.
pub const MAX_SELECTIONS: usize = 10_000;
/// The most lists of types, fields and the like within each other that introspection may ask for. Tools ask for one, and
/// people rarely for two.
pub const MAX_INTROSPECTED_LISTS: usize = 2;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `GRAPHQL_MAX_TOKENS`: names, numbers, strings and punctuation of the document.
    pub max_tokens: usize,
    /// `GRAPHQL_MAX_DEPTH`: fields within fields. Introspection is exempt.
    pub max_depth: usize,
    /// `GRAPHQL_MAX_COMPLEXITY`: fields, each as often as it will be given.
    pub max_complexity: usize,
    /// `GRAPHQL_MAX_ALIASES`: aliases once every fragment is written out.
    pub max_aliases: usize,
    /// `GRAPHQL_MAX_ANSWER_BYTES`: what an answer takes in memory while it is made.
    pub max_answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tokens: 5000,
            max_depth: 15,
            max_complexity: 10_000,
            max_aliases: 30,
            max_answer_bytes: 256 * 1024 * 1024,
        }
    }
}

/// The limit that a document is over. The message says which it is, its value, and what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    /// Too many brackets within brackets.
    #[error("the document nests brackets {0} deep; at most {MAX_NESTING} levels are allowed")]
    Nesting(usize),
    /// Too long.
    #[error("the document has {tokens} tokens; at most {maximum} are allowed (GRAPHQL_MAX_TOKENS)")]
    Tokens {
        /// What was asked.
        tokens: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many bytes of comments, white space and names.
    #[error("the document has {0} bytes outside of strings; at most {MAX_BYTES} are allowed")]
    Size(usize),
    /// Too many fields within fields.
    #[error(
        "the operation is {depth} fields deep; at most {maximum} are allowed (GRAPHQL_MAX_DEPTH)"
    )]
    Depth {
        /// What was asked.
        depth: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many aliases.
    #[error(
        "the operation has {aliases} aliases; at most {maximum} are allowed (GRAPHQL_MAX_ALIASES)"
    )]
    Aliases {
        /// What was asked.
        aliases: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many fields, each as often as it would be given.
    #[error(
        "the operation's complexity is {complexity}; at most {maximum} is allowed (GRAPHQL_MAX_COMPLEXITY): ask for fewer fields or shorter pages"
    )]
    Complexity {
        /// What was asked.
        complexity: usize,
        /// The limit.
        maximum: usize,
    },
    /// Large variables used so often that the copies are too much.
    #[error(
        "the arguments come to {bytes} bytes where every variable is written out wherever it is used; at most {maximum} are allowed: use large variables less often"
    )]
    Copies {
        /// What was asked.
        bytes: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many lists and objects within each other, in a variable.
    #[error(
        "variables: nested {0} deep; at most {MAX_VARIABLE_NESTING} levels of lists and objects are allowed"
    )]
    VariableNesting(usize),
    /// Too many values in the variables.
    #[error("variables: {0} values in all; at most {MAX_VARIABLE_VALUES} are allowed")]
    VariableValues(usize),
    /// Too large once its fragments are written out.
    #[error(
        "the document selects {0} fields and fragments once its fragments are written out; at most {MAX_SELECTIONS} are allowed"
    )]
    Selections(usize),
    /// Introspection that goes round and round.
    #[error(
        "introspection nests `fields`, `inputFields`, `interfaces` and `possibleTypes` {0} deep; at most {MAX_INTROSPECTED_LISTS} levels are allowed"
    )]
    Introspection(usize),
    /// Too many fragments within fragments.
    #[error(
        "fragments are spread within fragments more than {MAX_NESTING} deep; at most {MAX_NESTING} levels are allowed"
    )]
    FragmentNesting,
    /// A fragment that holds itself; the document is not valid.
    #[error("the fragment `{name}` spreads itself, directly or through others")]
    FragmentCycle {
        /// One of the fragments in the ring.
        name: String,
    },
}

impl LimitExceeded {
    /// The error of the request.
    pub fn to_error(&self) -> ServerError {
        let code = match self {
            Self::FragmentCycle { .. } => Code::ValidationFailed,
            _ => Code::TooComplex,
        };
        code.error(self.to_string())
    }
}
