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

use std::error::Error;
use std::fmt;

use async_graphql::ServerError;

use super::code::Code;
use super::naming::InParentheses;

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
        LimitExceeded { limit, setting }
    }
}

/// The limit that a request is over. The message says which it is, its value, what was asked, and what sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which one, and by how much.
    pub limit: Limit,
    setting: Option<&'static str>,
}

/// A limit, and what was asked. The message says both, and the limit's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Too many brackets within brackets.
    #[error("the document nests brackets {0} deep; at most {MAX_NESTING} levels are allowed")]
    Nesting(usize),
    /// Too long.
    #[error("the document has {tokens} tokens; at most {maximum} are allowed")]
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
    #[error("the operation is {depth} fields deep; at most {maximum} are allowed")]
    Depth {
        /// What was asked.
        depth: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many aliases.
    #[error("the operation has {aliases} aliases; at most {maximum} are allowed")]
    Aliases {
        /// What was asked.
        aliases: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many fields, each as often as it would be given.
    #[error("the operation's complexity is {complexity}; at most {maximum} is allowed")]
    Complexity {
        /// What was asked.
        complexity: usize,
        /// The limit.
        maximum: usize,
    },
    /// Large variables used so often that the copies are too much.
    #[error(
        "the arguments come to {bytes} bytes where every variable is written out wherever it is used; at most {maximum} are allowed"
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

impl Limit {
    /// What a client can do about it, where that is not plain.
    fn advice(&self) -> &'static str {
        match self {
            Self::Complexity { .. } => ": ask for fewer fields or shorter pages",
            Self::Copies { .. } => ": use large variables less often",
            _ => "",
        }
    }
}

impl From<Limit> for LimitExceeded {
    fn from(limit: Limit) -> Self {
        Self {
            limit,
            setting: None,
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, setting } = self;
        let (setting, advice) = (InParentheses(*setting), limit.advice());
        write!(formatter, "{limit}{setting}{advice}")
    }
}

impl Error for LimitExceeded {}

impl LimitExceeded {
    /// The error of the request.
    pub fn to_error(&self) -> ServerError {
        let code = match self.limit {
            Limit::FragmentCycle { .. } => Code::ValidationFailed,
            _ => Code::TooComplex,
        };
        code.error(self.to_string())
    }
}
