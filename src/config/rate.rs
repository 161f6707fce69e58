//! Settings: the rate limit.

use std::num::NonZeroU32;

use clap::Args;

use super::value::{Checked, count};
use crate::server::rate_limit::{Options, TrustedProxies};

const RATE: &str = "Rate of requests";

/// The rate limit.
#[derive(Args, Clone, Debug)]
pub struct RateSettings {
    /// `RATE_LIMIT_PER_MINUTE`, unset by default: operations per minute for each caller, 1 to 1000000
    ///
    /// Counted per process, by the token's subject or, without one, by address. Each operation of a batch counts.
    #[arg(long, env, value_name = "COUNT", help_heading = RATE, value_parser = Checked(count::<1_000_000>))]
    rate_limit_per_minute: Option<NonZeroU32>,

    /// `TRUSTED_PROXIES`, none by default: addresses or networks of proxies whose `X-Forwarded-For` is trusted
    ///
    /// Separated by commas, like `10.0.0.0/8,::1`. Behind a proxy that is not listed, all callers have its address.
    #[arg(long, env, value_name = "NETWORKS", help_heading = RATE,
        value_parser = Checked(str::parse::<TrustedProxies>))]
    trusted_proxies: Option<TrustedProxies>,
}

impl RateSettings {
    /// The options of the rate limiter.
    pub fn options(&self) -> Options {
        Options {
            per_minute: self.rate_limit_per_minute,
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
        }
    }
}
