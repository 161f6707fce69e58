//! The algorithms that JWTs may be signed with, and those of each key. The key decides, never the token: a public key
//! is not used as a secret, nor an elliptic curve key for another curve.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey};

use self::SigningAlgorithm::Library;
use super::es512;

/// A set of algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithms(Vec<SigningAlgorithm>);

/// An algorithm, and who verifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningAlgorithm {
    /// The library.
    Library(Algorithm),
    /// [`es512`].
    Es512,
}

/// A key to verify with.
#[derive(Clone, Debug)]
pub(super) enum VerifyingKey {
    /// Of an algorithm of the library.
    Library(DecodingKey),
    /// Of ES512.
    P521(es512::Point),
}

impl From<Algorithm> for SigningAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        Self::Library(algorithm)
    }
}

impl SigningAlgorithm {
    /// The algorithm that a token's header names; none for `none` and unknown names.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut known = NAMES.iter();
        let (_, algorithm) = known.find(|(known, _)| *known == name)?;
        Some(*algorithm)
    }
}

/// Every supported algorithm, with its name in a token's header, <https://www.rfc-editor.org/rfc/rfc7518#section-3.1>.
const NAMES: [(&str, SigningAlgorithm); 13] = [
    ("HS256", Library(Algorithm::HS256)),
    ("HS384", Library(Algorithm::HS384)),
    ("HS512", Library(Algorithm::HS512)),
    ("RS256", Library(Algorithm::RS256)),
    ("RS384", Library(Algorithm::RS384)),
    ("RS512", Library(Algorithm::RS512)),
    ("PS256", Library(Algorithm::PS256)),
    ("PS384", Library(Algorithm::PS384)),
    ("PS512", Library(Algorithm::PS512)),
    ("ES256", Library(Algorithm::ES256)),
    ("ES384", Library(Algorithm::ES384)),
    ("ES512", SigningAlgorithm::Es512),
    ("EdDSA", Library(Algorithm::EdDSA)),
];

impl Algorithms {
    /// Every algorithm; each key still has its own.
    pub fn all() -> Self {
        Self(NAMES.iter().map(|(_, algorithm)| *algorithm).collect())
    }

    /// The algorithms of Supabase Auth: HS256 with the legacy secret, ES256 and RS256 with signing keys.
    pub fn of_supabase() -> Self {
        Self::of_library(&[Algorithm::HS256, Algorithm::ES256, Algorithm::RS256])
    }

    fn of_library(algorithms: &[Algorithm]) -> Self {
        Self(algorithms.iter().copied().map(Library).collect())
    }

    /// The algorithms of a shared secret.
    pub fn of_secret() -> Self {
        Self::of_library(&[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512])
    }

    /// The algorithms of an RSA key.
    pub(super) fn of_rsa() -> Self {
        Self::of_library(&[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ])
    }

    /// The algorithms of public keys.
    pub fn of_public_keys() -> Self {
        let all = Self::all().0.into_iter();
        Self(
            all.filter(|algorithm| !Self::of_secret().contains(*algorithm))
                .collect(),
        )
    }

    /// The only algorithm of a key on one curve.
    pub(super) fn only(algorithm: impl Into<SigningAlgorithm>) -> Self {
        Self(vec![algorithm.into()])
    }

    /// The algorithms in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let shared = self.0.iter().copied();
        Self(
            shared
                .filter(|algorithm| other.contains(*algorithm))
                .collect(),
        )
    }

    /// Whether the set contains an algorithm.
    pub(super) fn contains(&self, algorithm: SigningAlgorithm) -> bool {
        self.0.contains(&algorithm)
    }

    /// Whether the sets have a common algorithm.
    pub fn intersects(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The algorithm with this name, if it is in the set; otherwise an empty set.
    pub(super) fn named(&self, name: &str) -> Self {
        let algorithm = SigningAlgorithm::named(name);
        Self(
            algorithm
                .filter(|algorithm| self.contains(*algorithm))
                .into_iter()
                .collect(),
        )
    }
}

impl fmt::Display for Algorithms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |algorithm| NAMES.iter().find(|(_, known)| known == algorithm);
        let names: Vec<&str> = self
            .0
            .iter()
            .filter_map(known)
            .map(|(name, _)| *name)
            .collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => {
                write!(formatter, "{} or {last}", others.join(", "))
            }
            _ => formatter.write_str(&names.concat()),
        }
    }
}

impl FromStr for Algorithms {
    type Err = String;

    /// Parses names, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let algorithms: Option<Vec<_>> = names
            .map(|name| {
                NAMES
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, algorithm)| *algorithm)
            })
            .collect();
        match algorithms {
            Some(algorithms) if !algorithms.is_empty() => Ok(Self(algorithms)),
            _ => {
                let known = NAMES.map(|(name, _)| name).join(", ");
                Err(format!(
                    "is not a list of algorithms, separated by commas; allowed are {known}"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_or_rejected() {
        let both: Algorithms = "HS512, RS256,".parse().expect("two");
        assert_eq!(
            both,
            Algorithms::of_library(&[Algorithm::HS512, Algorithm::RS256])
        );
        for text in [
            "",
            ",",
            "none",
            "hs256",
            "HS256;RS256",
            "HS256 RS256",
            "ES521",
        ] {
            let error = text.parse::<Algorithms>().expect_err(text);
            assert!(
                error.contains("allowed are HS256, ") && error.contains("EdDSA"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_and_a_public_key_share_no_algorithm() {
        let secret = Algorithms::of_secret();
        assert!(!secret.intersects(&Algorithms::of_rsa()));
        for curve in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
            assert!(!secret.intersects(&Algorithms::only(curve)));
            assert!(!Algorithms::of_rsa().intersects(&Algorithms::only(curve)));
        }
        assert!(Algorithms::of_rsa().named("HS256").is_empty());
    }
}
