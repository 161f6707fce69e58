//! The limit that a request is over, and where.

use std::error::Error;
use std::fmt;

use async_graphql::parser::types::VariableDefinition;
use async_graphql::{Name, PathSegment, Pos, Positioned, ServerError};

use super::{
    MAX_ARGUMENT_BYTES, MAX_BYTES, MAX_INTROSPECTED_LISTS, MAX_NESTING, MAX_SELECTIONS,
    MAX_VARIABLE_NESTING, MAX_VARIABLE_VALUES,
};
use crate::code::Code;
use crate::naming::InParentheses;

/// The limit that a request is over. The message says which it is, its value, what was asked, and what sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which one, and by how much.
    pub limit: Limit,
    /// Where in the document, if it is there.
    pub place: Option<Place>,
    /// The variable that is too much.
    pub(super) variable: Option<String>,
    pub(super) setting: Option<&'static str>,
}

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line and column, of a selection where one broke the limit: the first one that is too much.
    pub location: Pos,
    /// The response keys that lead to the field there, from the root of the operation.
    pub path: Vec<Name>,
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
    /// Arguments that would not fit into memory once fragments are written out.
    #[error(
        "the document's arguments have more than {MAX_ARGUMENT_BYTES} bytes once its fragments are written out; at most {MAX_ARGUMENT_BYTES} are allowed"
    )]
    ArgumentBytes,
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

impl Place {
    pub(crate) fn new(location: Pos, path: Vec<Name>) -> Self {
        Self { location, path }
    }

    /// The same within a field.
    pub(super) fn within(mut self, response_key: &Name) -> Self {
        self.path.insert(0, response_key.clone());
        self
    }
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
            place: None,
            variable: None,
            setting: None,
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, setting, .. } = self;
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
        let mut error = code.error(self.to_string());
        if let Some(Place { location, path }) = &self.place {
            error.locations = vec![*location];
            let path = path.iter().map(ToString::to_string);
            error.path = path.map(PathSegment::Field).collect();
        }
        error
    }

    /// The same with its place.
    pub(crate) fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// The same found within a field, which the path to its place begins with.
    pub(crate) fn within(mut self, response_key: &Name) -> Self {
        self.place = self.place.map(|place| place.within(response_key));
        self
    }

    /// The same found in a fragment by itself, which may be spread anywhere or nowhere.
    pub(super) fn without_path(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.path.clear();
        }
        self
    }

    /// The same at the definition of the variable that is too much.
    pub(crate) fn at_variable(self, definitions: &[Positioned<VariableDefinition>]) -> Self {
        let mut definitions = definitions.iter();
        let definition = definitions.find(|definition| {
            self.variable.as_deref() == Some(definition.node.name.node.as_str())
        });
        let place = definition.map(|definition| Place::new(definition.pos, Vec::new()));
        self.at(place)
    }
}
