//! Automatic persisted queries: clients send a document once and then its hash.
//!
//! Only valid documents are stored, so nobody can fill the store with others, and its size in bytes is limited. If a document
//! was dropped, the client sends it again, as the protocol defines.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

/// The maximum size of the store in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The usual size of a document, from which the store estimates its capacity.
const USUAL_BYTES: usize = 1024;
/// The store's overhead for each document.
const OVERHEAD_BYTES: u64 = 128;

/// The SHA-256 hash of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentHash([u8; 32]);

impl DocumentHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(hexadecimal: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let is_hexadecimal = hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hexadecimal.len() != 2 * hash.len() || !is_hexadecimal {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            let digits = hexadecimal.get(2 * place..2 * place + 2)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The documents that are known by hash.
#[derive(Clone, Debug)]
pub(crate) struct PersistedDocuments(Arc<Cache<DocumentHash, Arc<str>, TextLength>>);

#[derive(Clone, Debug)]
struct TextLength;

impl Weighter<DocumentHash, Arc<str>> for TextLength {
    fn weight(&self, _: &DocumentHash, text: &Arc<str>) -> u64 {
        OVERHEAD_BYTES.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

impl PersistedDocuments {
    pub(crate) fn new() -> Self {
        let documents = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX) / USUAL_BYTES;
        Self(Arc::new(Cache::with_weighter(
            documents, MAX_BYTES, TextLength,
        )))
    }

    pub(crate) fn find(&self, hash: DocumentHash) -> Option<Arc<str>> {
        self.0.get(&hash)
    }

    /// Stores a text that is known to be a valid document with this hash.
    pub(crate) fn keep(&self, hash: DocumentHash, text: &str) {
        if self.find(hash).is_none() {
            self.0.insert(hash, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_sixty_four_hexadecimal_digits() {
        let known = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
        assert_eq!(
            DocumentHash::parse(known),
            Some(DocumentHash::of("{__typename}"))
        );
        assert_eq!(
            DocumentHash::parse(&known.to_uppercase()),
            DocumentHash::parse(known)
        );
        assert_eq!(DocumentHash::of("{__typename}").to_string(), known);
        let with_sign = format!("+{}", &known[1..]);
        for text in ["", "ecf4", &known[1..], &format!("{known}0"), &with_sign] {
            assert_eq!(DocumentHash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_store_is_bounded_in_bytes() {
        let documents = PersistedDocuments::new();
        for number in 0..1000 {
            let text = format!("{{ a{number} }} # {}", "x".repeat(100_000));
            documents.keep(DocumentHash::of(&text), &text);
        }
        assert!(
            documents.0.weight() <= MAX_BYTES,
            "{}",
            documents.0.weight()
        );
        assert!(documents.0.len() > 10, "{}", documents.0.len());
    }
}
