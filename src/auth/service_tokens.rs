//! Opaque tokens of programs. The server only knows their hashes, so its settings do not reveal the tokens.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Caller;

/// SHA-256.
const HASH_BYTES: usize = 32;
/// The width of the trail's column.
const MAX_NAME_CHARACTERS: usize = 255;

/// The tokens of programs, each with a name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServiceTokens(Vec<Entry>);

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    hash: [u8; HASH_BYTES],
}

impl ServiceTokens {
    /// The name of the token's owner. Takes constant time for all tokens, known or unknown.
    pub fn name_of(&self, token: &str) -> Option<&str> {
        let hash = Sha256::digest(token.as_bytes());
        let mut found = None;
        for entry in &self.0 {
            if bool::from(entry.hash.as_slice().ct_eq(hash.as_slice())) {
                found = Some(entry.name.as_str());
            }
        }
        found
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ServiceTokens {
    type Err = String;

    /// Parses `name:sha256-of-token` pairs, separated by commas. Errors give the number of a pair, not its content,
    /// which may be the token itself.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<Entry> = Vec::new();
        let pairs = text.split(',').map(str::trim).enumerate();
        for (number, pair) in pairs.filter(|(_, pair)| !pair.is_empty()) {
            let number = number + 1;
            let entry = Entry::read(pair)
                .map_err(|reason| format!("has a wrong pair: number {number} {reason}"))?;
            if let Some(place) = entries.iter().position(|other| other.name == entry.name) {
                return Err(format!(
                    "has the same name twice: pairs {} and {number}; the trail identifies programs by name",
                    place + 1
                ));
            }
            if let Some(place) = entries.iter().position(|other| other.hash == entry.hash) {
                return Err(format!(
                    "has the same token twice: pairs {} and {number}; each name needs a token of its own",
                    place + 1
                ));
            }
            entries.push(entry);
        }
        Ok(Self(entries))
    }
}

impl Entry {
    fn read(pair: &str) -> Result<Self, &'static str> {
        let (name, hash) = pair
            .split_once(':')
            .ok_or("is not `name:sha256-of-token`; make the hash with `sha256sum`")?;
        let name = name.trim();
        if name.is_empty()
            || name.contains(char::is_control)
            || name.chars().count() > MAX_NAME_CHARACTERS
        {
            return Err("has no name of 1 to 255 characters before its colon");
        }
        if name == Caller::SYSTEM {
            return Err(
                "has a name that is reserved for the server's own changes in the trail; use another",
            );
        }
        let mut digest = [0; HASH_BYTES];
        hex::decode_to_slice(hash.trim(), &mut digest).map_err(
            |_| "has no SHA-256 after its colon: 64 hexadecimal digits, as printed by `sha256sum`",
        )?;
        Ok(Self {
            name: name.to_owned(),
            hash: digest,
        })
    }
}

impl fmt::Debug for ServiceTokens {
    /// Shows only names: the hash of a token that is easy to guess reveals it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|entry| &entry.name);
        formatter.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `printf %s s3cret | sha256sum`
    const S3CRET: &str = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";
    const OTHER: &str = "2ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

    #[test]
    fn a_token_is_known_by_its_hash() {
        let text = format!(" worker : {} , other:{OTHER},", S3CRET.to_uppercase());
        let tokens: ServiceTokens = text.parse().expect("two tokens");
        assert_eq!(tokens.name_of("s3cret"), Some("worker"));
        for unknown in ["", "S3cret", S3CRET, "worker"] {
            assert_eq!(tokens.name_of(unknown), None, "{unknown}");
        }
        assert_eq!(format!("{tokens:?}"), r#"["worker", "other"]"#);
    }

    #[test]
    fn a_wrong_pair_is_named_and_not_shown() {
        for (text, expected) in [
            ("my-s3cret-token".to_owned(), "number 1 is not"),
            (format!("a:{S3CRET},my-s3cret-token"), "number 2 is not"),
            ("worker:s3cret".to_owned(), "number 1 has no SHA-256"),
            (
                format!("worker:{}", &S3CRET[1..]),
                "number 1 has no SHA-256",
            ),
            (format!("worker:{S3CRET}00"), "number 1 has no SHA-256"),
            (format!(":{S3CRET}"), "number 1 has no name"),
            (
                format!("system:{S3CRET}"),
                "number 1 has a name that is reserved",
            ),
            (format!("a:{S3CRET},a:{OTHER}"), "same name twice"),
            (format!("a:{S3CRET},b:{S3CRET}"), "same token twice"),
        ] {
            let error = text.parse::<ServiceTokens>().expect_err(&text);
            assert!(error.contains(expected), "{error}");
            assert!(
                !error.contains("s3cret") && !error.contains(&S3CRET[1..]),
                "{error}"
            );
        }
    }
}
