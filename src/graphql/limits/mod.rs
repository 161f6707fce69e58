//! What one request may cost, checked before the library walks a document: its parser recurses without bound, and its
//! validation follows every spread of a fragment anew (a few kilobytes abort the process or keep it busy for seconds).
//!
//! 1. [`scan`] counts tokens and nesting in the raw text, before anything parses it.
//! 2. [`check`] measures the parsed document, each fragment once, however often it is spread.

mod measure;
mod scan;

pub use measure::check;
pub use scan::scan;
pub(super) use scan::tokens;

/// The most brackets within brackets, and the most fragments within fragments.
pub const MAX_NESTING: usize = 64;
/// The most bytes outside of strings: the parser takes seconds for megabytes of a single comment or name.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most fields, inline fragments and spreads once every fragment is written out.
pub const MAX_SELECTIONS: usize = 10_000;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `GRAPHQL_MAX_TOKENS`: names, numbers, strings and punctuation of the document.
    pub max_tokens: usize,
    /// `GRAPHQL_MAX_DEPTH`: fields within fields. Introspection is exempt.
    pub max_depth: usize,
    /// `GRAPHQL_MAX_ALIASES`: aliases once every fragment is written out.
    pub max_aliases: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tokens: 5000,
            max_depth: 15,
            max_aliases: 30,
        }
    }
}

/// The limit that a document is over. The message says which it is, its value, and what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    /// Too many brackets within brackets.
    #[error(
        "the document nests brackets more than {MAX_NESTING} deep; at most {MAX_NESTING} levels are allowed"
    )]
    Nesting,
    /// Too long.
    #[error(
        "the document has more than {maximum} tokens; at most {maximum} are allowed (GRAPHQL_MAX_TOKENS)"
    )]
    Tokens {
        /// The limit.
        maximum: usize,
    },
    /// Too many bytes of comments, white space and names.
    #[error(
        "the document has more than {MAX_BYTES} bytes outside of strings; at most {MAX_BYTES} are allowed"
    )]
    Size,
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
    /// Too large once its fragments are written out.
    #[error(
        "the document selects {0} fields and fragments once its fragments are written out; at most {MAX_SELECTIONS} are allowed"
    )]
    Selections(usize),
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
