//! The token for `/metrics`.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A token that gives access to `/metrics` only. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MetricsToken([u8; 32]);

impl MetricsToken {
    /// Whether it is this token. Takes constant time.
    pub(super) fn is(&self, token: &str) -> bool {
        let hash = Sha256::digest(token.as_bytes());
        bool::from(self.0.as_slice().ct_eq(hash.as_slice()))
    }
}

impl FromStr for MetricsToken {
    type Err = String;

    /// Accepts text that is valid after `Bearer`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "is not a token; allowed are ASCII letters, digits and punctuation without spaces, e.g. from `openssl \
                 rand -hex 32`"
                    .to_owned(),
            );
        }
        Ok(Self(Sha256::digest(text.as_bytes()).into()))
    }
}

impl fmt::Debug for MetricsToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_header_can_carry_and_is_never_shown() {
        let token: MetricsToken = "s3cret".parse().expect("a token");
        assert!(token.is("s3cret"));
        for other in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!token.is(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "…");
        for text in ["", "two words", "naïve", "line\n"] {
            let error = text.parse::<MetricsToken>().expect_err(text);
            assert!(error.contains("is not a token"), "{error}");
        }
    }
}
