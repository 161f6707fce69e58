#![doc = include_str!("../README.md")]

mod code;
mod collect_fields;
mod document;
mod input_fields;
mod introspection;
mod known;
pub mod limits;
mod naming;
mod numbers;
mod operation;
mod persisted;
mod policy;
mod prepare;
mod schema_index;
mod skip_validation;
pub mod trusted;
mod validate_only;
mod validation;
mod variables;
mod walk;

pub use code::{Code, code_of, set_code};
pub use document::selects_at_root;
pub use numbers::{inexact_in_json, inexact_number};
pub use operation::{Document, Extensions, Operation, Parameters, json_error};
pub use persisted::DocumentHash;
pub use policy::{DocumentPolicy, PolicyNames};
pub use prepare::{Front, Options, PreparedOperation, Rejection};
pub use schema_index::SchemaError;
pub use skip_validation::SkipValidation;
pub use validate_only::ValidateOnly;
pub use variables::CheckedScalar;
