//! Cache of documents: checks that depend only on the document run once. Only valid documents are stored, and the size of the
//! cache in bytes is limited.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Positioned, ServerError};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::document::get_operation;
use super::limits::{LatestCost, Measured};

/// The maximum size of the cache in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The maximum size of a parsed byte of text.
const PARSED_BYTES: u64 = 32;
/// The overhead of a document.
const OVERHEAD_BYTES: u64 = 1024;
/// The usual size of a document, from which the cache estimates its capacity.
const USUAL_BYTES: u64 = 32 * 1024;

/// A document with a selected operation: parsed, within the limits, with merged fields.
#[derive(Debug)]
pub(crate) struct KnownDocument {
    /// The document to execute.
    pub(crate) document: ExecutableDocument,
    /// The name that selects its operation, if there are several.
    pub(crate) operation_name: Option<Box<str>>,
    /// The type of the selected operation.
    pub(crate) operation_type: OperationType,
    /// The length of its text in bytes.
    pub(crate) text_bytes: usize,
    /// The number of its tokens.
    pub(crate) tokens: usize,
    /// Depth and aliases of the selected operation.
    pub(crate) measured: Measured,
    /// Its complexity in the most recent request.
    pub(crate) price: LatestCost,
}

impl KnownDocument {
    /// The selected operation.
    pub(crate) fn operation(&self) -> Result<&Positioned<OperationDefinition>, ServerError> {
        get_operation(&self.document, self.operation_name.as_deref())
    }
}

/// The cache. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct KnownDocuments(Arc<Cache<Key, Arc<KnownDocument>, Size>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    text: Box<str>,
    operation_name: Option<Box<str>>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef::of(self).hash(state);
    }
}

#[derive(Hash, PartialEq)]
struct KeyRef<'k> {
    text: &'k str,
    operation_name: Option<&'k str>,
}

impl<'k> KeyRef<'k> {
    fn of(key: &'k Key) -> Self {
        Self {
            text: &key.text,
            operation_name: key.operation_name.as_deref(),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == KeyRef::of(key)
    }
}

#[derive(Clone, Debug)]
struct Size;

impl Weighter<Key, Arc<KnownDocument>> for Size {
    fn weight(&self, key: &Key, _: &Arc<KnownDocument>) -> u64 {
        let bytes = u64::try_from(key.text.len()).unwrap_or(u64::MAX);
        bytes
            .saturating_mul(PARSED_BYTES)
            .saturating_add(OVERHEAD_BYTES)
    }
}

impl KnownDocuments {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        let documents = usize::try_from(MAX_BYTES / USUAL_BYTES).unwrap_or(usize::MAX);
        Self(Arc::new(Cache::with_weighter(documents, MAX_BYTES, Size)))
    }

    /// The cached document of a text, with the operation of this name.
    pub(crate) fn find(
        &self,
        text: &str,
        operation_name: Option<&str>,
    ) -> Option<Arc<KnownDocument>> {
        self.0.get(&KeyRef {
            text,
            operation_name,
        })
    }

    /// Stores a valid document.
    pub(crate) fn keep(
        &self,
        text: &str,
        operation_name: Option<&str>,
        document: Arc<KnownDocument>,
    ) {
        let key = Key {
            text: text.into(),
            operation_name: operation_name.map(Into::into),
        };
        self.0.insert(key, document);
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn document(text: &str) -> Arc<KnownDocument> {
        Arc::new(KnownDocument {
            document: parse_query(text).expect("the test's document parses"),
            operation_name: None,
            operation_type: OperationType::Query,
            text_bytes: text.len(),
            tokens: 3,
            measured: Measured::default(),
            price: LatestCost::default(),
        })
    }

    #[test]
    fn a_document_is_found_by_its_text_and_the_name_of_its_operation() {
        let known = KnownDocuments::new();
        let text = "query A { a } query B { b }";
        known.keep(text, Some("A"), document(text));
        assert!(known.find(text, Some("A")).is_some());
        for (other, name) in [
            (text, Some("B")),
            (text, None),
            ("query A { a } query B { c }", Some("A")),
        ] {
            assert!(known.find(other, name).is_none(), "{other} {name:?}");
        }
    }

    #[test]
    fn the_store_is_bounded_in_bytes() {
        let known = KnownDocuments::new();
        let small = document("{ a }");
        for number in 0..1000 {
            let text = format!("{{ a{number} }} # {}", "x".repeat(100_000));
            known.keep(&text, None, Arc::clone(&small));
        }
        assert!(known.0.weight() <= MAX_BYTES, "{}", known.0.weight());
        assert!(known.0.len() > 5, "{}", known.0.len());
    }
}
