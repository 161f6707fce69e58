//! stub
use async_graphql::parser::types::ExecutableDocument;
/// x
#[derive(Clone, Debug, Default)]
pub struct Limits { /// x
pub max_nesting: usize, /// x
pub max_tokens: usize, /// x
pub max_depth: usize, /// x
pub max_selections: usize, /// x
pub max_aliases: usize }
/// x
#[derive(Debug, thiserror::Error)]
pub enum LimitExceeded { /// x
#[error("c")] FragmentCycle { /// x
 name: String }, /// x
#[error("c")] Other }
/// x
pub fn scan(_t: &str, _l: &Limits) -> Result<(), LimitExceeded> { Ok(()) }
/// x
pub fn check(_d: &ExecutableDocument, _n: Option<&str>, _l: &Limits) -> Result<(), LimitExceeded> { Ok(()) }
