//! Errors of limits, with the location in the document.

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

/// A request exceeds a limit. The message contains the limit, its value, the request's value and the name of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The limit and the request's value.
    pub limit: Limit,
    /// The location in the document, if there is one.
    pub place: Option<Place>,
    /// The variable that exceeds the limit.
    pub(super) variable: Option<String>,
    pub(super) setting: Option<&'static str>,
}

/// A location in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line and column of the first token or selection that exceeds the limit.
    pub location: Pos,
    /// The response keys from the root of the operation to the field. Empty if no field is responsible.
    pub path: Vec<Name>,
}

/// A limit and the request's value. The message contains both values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Brackets are nested too deeply.
    #[error("the document nests brackets {0} deep; at most {MAX_NESTING} levels are allowed")]
    Nesting(usize),
    /// Too many tokens.
    #[error("the document has {tokens} tokens; at most {maximum} are allowed")]
    Tokens {
        /// The request's value.
        tokens: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many bytes of comments, white space and names.
    #[error("the document has {0} bytes outside of strings; at most {MAX_BYTES} are allowed")]
    Size(usize),
    /// Fields are nested too deeply.
    #[error("the operation is {depth} fields deep; at most {maximum} are allowed")]
    Depth {
        /// The request's value.
        depth: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many aliases.
    #[error("the operation has {aliases} aliases; at most {maximum} are allowed")]
    Aliases {
        /// The request's value.
        aliases: usize,
        /// The limit.
        maximum: usize,
    },
    /// The operation is too expensive.
    #[error("the operation's complexity is {complexity}; at most {maximum} is allowed")]
    Complexity {
        /// The request's value.
        complexity: usize,
        /// The limit.
        maximum: usize,
    },
    /// Large variables are used too often: the copies need too much memory.
    #[error(
        "the arguments have {bytes} bytes with all variables expanded; at most {maximum} are allowed"
    )]
    Copies {
        /// The request's value.
        bytes: usize,
        /// The limit.
        maximum: usize,
    },
    /// The lists and objects of a variable are nested too deeply.
    #[error(
        "variables: nested {0} deep; at most {MAX_VARIABLE_NESTING} levels of lists and objects are allowed"
    )]
    VariableNesting(usize),
    /// Too many values in the variables.
    #[error("variables: {0} values; at most {MAX_VARIABLE_VALUES} are allowed")]
    VariableValues(usize),
    /// Too many selections with all fragments expanded.
    #[error(
        "the document selects {0} fields and fragments with all fragments expanded; at most {MAX_SELECTIONS} are allowed"
    )]
    Selections(usize),
    /// The arguments are too large with all fragments expanded.
    #[error(
        "the document's arguments have more than {MAX_ARGUMENT_BYTES} bytes with all fragments expanded; at most {MAX_ARGUMENT_BYTES} are allowed"
    )]
    ArgumentBytes,
    /// Introspection is nested too deeply.
    #[error(
        "introspection nests `fields`, `inputFields`, `interfaces` and `possibleTypes` {0} deep; at most {MAX_INTROSPECTED_LISTS} levels are allowed"
    )]
    Introspection(usize),
    /// Fragments are nested too deeply.
    #[error(
        "fragments are spread within fragments more than {MAX_NESTING} deep; at most {MAX_NESTING} levels are allowed"
    )]
    FragmentNesting,
    /// A fragment contains itself; the document is invalid.
    #[error("the fragment `{name}` spreads itself, directly or through others")]
    FragmentCycle {
        /// One of the fragments in the cycle.
        name: String,
    },
}

impl Place {
    pub(crate) fn new(location: Pos, path: Vec<Name>) -> Self {
        Self { location, path }
    }

    /// Prepends a field to the path.
    pub(super) fn within(mut self, response_key: &Name) -> Self {
        self.path.insert(0, response_key.clone());
        self
    }
}

impl Limit {
    /// What a client can do about it, if that is not obvious.
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
    /// As an error of the request.
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

    /// Sets the location.
    pub(crate) fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Prepends a field to the path of the location.
    pub(crate) fn within(mut self, response_key: &Name) -> Self {
        self.place = self.place.map(|place| place.within(response_key));
        self
    }

    /// Removes the path: the location is in a fragment outside of any operation.
    pub(super) fn without_path(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.path.clear();
        }
        self
    }

    /// Sets the location to the definition of the variable that exceeds the limit.
    pub(crate) fn at_variable(self, definitions: &[Positioned<VariableDefinition>]) -> Self {
        let mut definitions = definitions.iter();
        let definition = definitions.find(|definition| {
            self.variable.as_deref() == Some(definition.node.name.node.as_str())
        });
        let place = definition.map(|definition| Place::new(definition.pos, Vec::new()));
        self.at(place)
    }
}
