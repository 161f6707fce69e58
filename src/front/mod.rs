//! What stands before the library: from a request's text and variables to an operation that is safe to execute.

pub mod code;
pub(crate) mod collect_fields;
pub(crate) mod document;
pub(crate) mod introspection;
pub(crate) mod known;
pub mod limits;
pub(crate) mod numbers;
pub mod operation;
pub mod persisted;
pub mod policy;
pub mod prepare;
pub(crate) mod schema_index;
pub mod trusted;
pub(crate) mod validation;
pub(crate) mod variables;
