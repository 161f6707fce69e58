//! Settings: limits of a request.

use std::time::Duration;

use clap::Args;
use graphql_front::limits::{LimitNames, Limits};

use super::value::{Checked, seconds, whole_number};

const LIMITS: &str = "Limits of one request";

/// Limits of a request.
#[derive(Args, Clone, Debug)]
pub struct LimitSettings {
    /// `GRAPHQL_MAX_DEPTH`, default 15: maximum nesting of fields; introspection is exempt
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "15",
        value_parser = Checked(whole_number::<1, 1000>))]
    pub graphql_max_depth: usize,

    /// `GRAPHQL_MAX_COMPLEXITY`, default 10000: maximum number of requested fields, each multiplied by its page size
    ///
    /// The header `X-GraphQL-Cost: 1` reports the cost of a request.
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "10000",
        value_parser = Checked(whole_number::<1, 1_000_000_000>))]
    pub graphql_max_complexity: usize,

    /// `GRAPHQL_MAX_ALIASES`, default 30: maximum number of aliases
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "30",
        value_parser = Checked(whole_number::<0, 100_000>))]
    pub graphql_max_aliases: usize,

    /// `GRAPHQL_MAX_TOKENS`, default 5000: maximum number of tokens in a document
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "5000",
        value_parser = Checked(whole_number::<1, 1_000_000>))]
    pub graphql_max_tokens: usize,

    /// `GRAPHQL_MAX_ANSWER_BYTES`, default 268435456: memory that an operation's response may take, in bytes
    ///
    /// Includes the rows that the response is built from.
    #[arg(long, env, value_name = "BYTES", help_heading = LIMITS, default_value = "268435456",
        value_parser = Checked(whole_number::<1024, 1_000_000_000>))]
    pub graphql_max_answer_bytes: usize,

    /// `GRAPHQL_MAX_BATCH`, default 10: maximum number of operations in one batch request (a JSON array)
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "10",
        value_parser = Checked(whole_number::<1, 1000>))]
    pub graphql_max_batch: usize,

    /// `WS_MAX_OPERATIONS`, default 50: maximum number of concurrent operations on one WebSocket
    #[arg(long, env, value_name = "COUNT", help_heading = LIMITS, default_value = "50",
        value_parser = Checked(whole_number::<1, 10_000>))]
    pub ws_max_operations: usize,

    /// `MAX_BODY_BYTES`, default 8388608: maximum size of a request's body, in bytes
    #[arg(long, env, value_name = "BYTES", help_heading = LIMITS, default_value = "8388608",
        value_parser = Checked(whole_number::<1, 1_073_741_824>))]
    pub max_body_bytes: usize,

    /// `REQUEST_TIMEOUT_SECONDS`, default 15: timeout of a request
    #[arg(long = "request-timeout-seconds", env = "REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS",
        help_heading = LIMITS, default_value = "15",
        value_parser = Checked(seconds))]
    pub request_timeout: Duration,
}

impl LimitSettings {
    /// Limits of an operation.
    pub fn of_operations(&self) -> Limits {
        Limits {
            max_depth: self.graphql_max_depth,
            max_complexity: self.graphql_max_complexity,
            max_aliases: self.graphql_max_aliases,
            max_tokens: self.graphql_max_tokens,
            names: LimitNames {
                max_tokens: Some("GRAPHQL_MAX_TOKENS"),
                max_depth: Some("GRAPHQL_MAX_DEPTH"),
                max_complexity: Some("GRAPHQL_MAX_COMPLEXITY"),
                max_aliases: Some("GRAPHQL_MAX_ALIASES"),
            },
        }
    }
}
