//! Rate limit per caller: token buckets that refill within a minute.
//!
//! 1. A bucket holds as many operations as are allowed per minute, and refills evenly. Each operation takes one, also
//!    in a batch. A bucket that was not used for a minute is full, so it need not be kept.
//! 2. Buckets are in two generations. A used bucket moves to the young one. When that is a minute old or full, the old
//!    one is dropped and the young one becomes old. So a check takes constant time, and memory is bounded.

mod proxies;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::auth::Caller;
use crate::contract::code::Code;
use crate::execution::reply::Reply;
pub use proxies::TrustedProxies;

const MINUTE: Duration = Duration::from_mins(1);
/// Maximum number of buckets per generation.
const MAX_BUCKETS: usize = 50_000;

/// Headers that report the remaining operations.
pub(super) const HEADERS: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// Rate limit options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Operations of one caller per minute; None means no limit.
    pub per_minute: Option<NonZeroU32>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
}

/// The identity that operations are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    User(String),
    Service(String),
    Address(IpAddr),
}

/// Counts operations per caller.
#[derive(Debug)]
pub struct RateLimiter {
    options: Options,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    young: HashMap<Key, Bucket>,
    old: HashMap<Key, Bucket>,
    turned_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// The remaining operations of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Operations per minute.
    limit: u32,
    /// Operations that may be sent now.
    left: u32,
    /// Seconds until the bucket is full again.
    full_in: u64,
}

/// A caller that exceeded the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    allowance: Allowance,
    /// Seconds until the request may be repeated, at least 1.
    pub retry_after: u64,
}

impl RateLimiter {
    /// A limiter without any state.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            buckets: Mutex::new(Buckets {
                young: HashMap::new(),
                old: HashMap::new(),
                turned_at: Instant::now(),
            }),
        }
    }

    /// The client's address: the peer's, or the one that a trusted proxy reports.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.options.trusted_proxies.client(peer, headers)
    }

    /// Counts operations by subject or, without one, by address. If they exceed the limit, none of them is counted.
    /// `None` if there is no limit.
    pub fn check(
        &self,
        caller: &Caller,
        address: IpAddr,
        operations: u32,
    ) -> Result<Option<Allowance>, Limited> {
        let Some(limit) = self.options.per_minute else {
            return Ok(None);
        };
        let key = match caller {
            Caller::User(user_id) => Key::User(user_id.as_str().to_owned()),
            Caller::Service { actor } => Key::Service(actor.clone()),
            Caller::Anyone | Caller::Anonymous(_) => Key::Address(counted_together(address)),
        };
        // A panic cannot leave the buckets inconsistent.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets
            .take(key, limit.get(), operations, Instant::now())
            .map(Some)
    }
}

/// The owner of an IPv6 address usually controls its /64 network.
fn counted_together(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Buckets {
    fn take(
        &mut self,
        key: Key,
        limit: u32,
        operations: u32,
        now: Instant,
    ) -> Result<Allowance, Limited> {
        if now - self.turned_at >= MINUTE || self.young.len() >= MAX_BUCKETS {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
        let capacity = f64::from(limit);
        let per_second = capacity / MINUTE.as_secs_f64();
        let kept = self.young.get(&key).or_else(|| self.old.get(&key));
        let left = kept.map_or(capacity, |bucket| {
            let filled = (now - bucket.at).as_secs_f64() * per_second;
            (bucket.left + filled).min(capacity)
        });
        // A batch larger than a bucket takes a full one; otherwise it could never be sent.
        let wanted = f64::from(operations).min(capacity);
        let is_enough = left >= wanted;
        let left = if is_enough { left - wanted } else { left };
        self.young.insert(key, Bucket { left, at: now });
        let allowance = Allowance {
            limit,
            left: whole(left.floor()),
            full_in: u64::from(whole(((capacity - left) / per_second).ceil())),
        };
        if is_enough {
            return Ok(allowance);
        }
        let wait = ((wanted - left) / per_second).ceil();
        Err(Limited {
            allowance,
            retry_after: u64::from(whole(wait).max(1)),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast keeps to the range, and the number is whole"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

impl Allowance {
    /// Writes the remaining operations to headers,
    /// <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-03>.
    pub fn write(&self, headers: &mut HeaderMap) {
        let values = [u64::from(self.limit), u64::from(self.left), self.full_in];
        for (name, value) in HEADERS.into_iter().zip(values) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

impl Limited {
    /// Writes how long to wait to headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        self.allowance.write(headers);
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after));
    }

    /// The reply to each rejected operation.
    pub fn reply(&self) -> Reply {
        Reply::refused(Code::RateLimited.error(self.message()))
    }

    /// Why, and when to try again.
    pub fn message(&self) -> String {
        format!(
            "more than {} operations in a minute (RATE_LIMIT_PER_MINUTE); try again in {} s",
            self.allowance.limit, self.retry_after
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(now: Instant) -> Buckets {
        Buckets {
            young: HashMap::new(),
            old: HashMap::new(),
            turned_at: now,
        }
    }

    fn key(name: &str) -> Key {
        Key::User(name.to_owned())
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let start = Instant::now();
        let mut buckets = buckets(start);
        let mut take = |operations, seconds| {
            let outcome = buckets.take(
                key("a"),
                60,
                operations,
                start + Duration::from_secs(seconds),
            );
            outcome
                .map(|allowance| allowance.left)
                .map_err(|limited| limited.retry_after)
        };
        assert_eq!(take(50, 0), Ok(10));
        assert_eq!(take(11, 0), Err(1));
        assert_eq!(take(10, 0), Ok(0), "what was refused was not counted");
        assert_eq!(take(5, 0), Err(5));
        assert_eq!(take(5, 5), Ok(0));
        // In the next generation of buckets.
        assert_eq!(take(60, 62), Err(3));
        assert_eq!(take(60, 65), Ok(0));
        // A batch larger than a bucket takes a full one.
        assert_eq!(take(1000, 124), Err(1));
        assert_eq!(take(1000, 125), Ok(0));
    }

    #[test]
    fn callers_are_counted_separately_and_memory_is_bounded() {
        let now = Instant::now();
        let mut buckets = buckets(now);
        for number in 0..(3 * MAX_BUCKETS) {
            let taken = buckets.take(key(&number.to_string()), 1, 1, now);
            assert!(taken.is_ok());
        }
        assert!(buckets.young.len() + buckets.old.len() <= 2 * MAX_BUCKETS);
        let last = (3 * MAX_BUCKETS - 1).to_string();
        assert_eq!(
            buckets
                .take(key(&last), 1, 1, now)
                .map_err(|limited| limited.retry_after),
            Err(60)
        );
        assert!(buckets.take(Key::Service(last), 1, 1, now).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        for (address, expected) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
        ] {
            let address = address.parse().expect(address);
            assert_eq!(counted_together(address).to_string(), expected);
        }
    }
}
