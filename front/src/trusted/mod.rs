//! Trusted documents: the operations of the operator's own applications. If there is a manifest, only these run; in report
//! mode, others are logged.
//!
//! The text of a request is only used for the lookup; the manifest's text is executed. So a similar text cannot bypass the
//! check.

mod manifest;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::code::parse_failed;
use super::limits::{Limits, scan, tokens};
use super::naming::shortened;
use super::persisted::DocumentHash;

pub use manifest::{MAX_BYTES, ManifestError};

/// The number of documents that report mode remembers, so that it logs each once.
const MAX_REPORTED: usize = 10_000;
/// An id with this prefix is the SHA-256 hash of the text,
/// <https://github.com/graphql/graphql-over-http/pull/264>.
const HASH_PREFIX: &str = "sha256:";

/// What happens to a document that is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is rejected.
    Enforce,
    /// They run, and each is logged once.
    Report,
}

/// The documents of a manifest.
#[derive(Clone, Debug)]
pub struct TrustedDocuments {
    mode: Mode,
    index: Arc<Index>,
    reported: Arc<Cache<DocumentHash, ()>>,
}

#[derive(Debug, Default)]
struct Index {
    documents: Vec<Arc<TrustedDocument>>,
    by_id: HashMap<String, Arc<TrustedDocument>>,
    by_text: HashMap<DocumentHash, Arc<TrustedDocument>>,
    by_tokens: HashMap<Tokens, Arc<TrustedDocument>>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct TrustedDocument {
    /// Its id in the manifest.
    pub id: String,
    /// Its text in the manifest.
    pub text: Arc<str>,
}

impl TrustedDocument {
    /// The names of its operations; `None` for an anonymous one.
    pub fn operation_names(&self) -> Vec<Option<String>> {
        let Ok(document) = parse_query(&*self.text) else {
            // The checks report what is wrong.
            return vec![None];
        };
        let operations = document.operations.iter();
        operations
            .map(|(name, _)| name.map(ToString::to_string))
            .collect()
    }
}

/// The hash of a text's tokens, definition by definition: equal for texts that differ only in white space, commas,
/// comments and the order of definitions, which Apollo's tool sorts and its client does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tokens([u8; 32]);

impl Tokens {
    fn of(text: &str) -> Self {
        let mut definitions: Vec<[u8; 32]> = Vec::new();
        let (mut definition, mut depth) = (Sha256::new(), 0_usize);
        for token in tokens(text) {
            // The length first, so that different lists of tokens have different hashes.
            definition.update(token.len().to_be_bytes());
            definition.update(token);
            match token {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if token == "}" && depth == 0 {
                definitions.push(definition.finalize_reset().into());
            }
        }
        // Empty for a document that parses.
        definitions.push(definition.finalize().into());
        definitions.sort_unstable();
        Self(Sha256::digest(definitions.as_flattened()).into())
    }
}

impl TrustedDocuments {
    /// Reads a manifest in the format of Apollo, Relay or graphql-codegen. Each document must parse and be within the limits
    /// of the raw text.
    pub fn from_manifest(json: &[u8], mode: Mode, limits: &Limits) -> Result<Self, ManifestError> {
        let mut index = Index::default();
        for (id, text) in manifest::read(json)? {
            if let Err(reason) = check_readable(&text, limits) {
                let id = shortened(&id);
                return Err(ManifestError::Unreadable { id, reason });
            }
            index.add(id, text);
        }
        Ok(Self {
            mode,
            index: Arc::new(index),
            reported: Arc::new(Cache::new(MAX_REPORTED)),
        })
    }

    /// What happens to other documents.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// All documents, in the manifest's order.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedDocument> {
        self.index.documents.iter().map(AsRef::as_ref)
    }

    /// The document with an id, which may be `sha256:` and the text's hash. The manifest may have the prefix while the client
    /// does not: Apollo's protocol omits it.
    pub(crate) fn of_id(&self, id: &str) -> Option<Arc<str>> {
        let ids = &self.index.by_id;
        let document = ids
            .get(id)
            .or_else(|| ids.get(&format!("{HASH_PREFIX}{id}")));
        let by_hash = || self.of_hash(DocumentHash::parse(id.strip_prefix(HASH_PREFIX)?)?);
        document
            .map(|document| Arc::clone(&document.text))
            .or_else(by_hash)
    }

    /// The document with this hash.
    pub(crate) fn of_hash(&self, hash: DocumentHash) -> Option<Arc<str>> {
        let document = self.index.by_text.get(&hash)?;
        Some(Arc::clone(&document.text))
    }

    /// The document with this text, in any layout.
    pub(crate) fn of_text(&self, text: &str) -> Option<Arc<str>> {
        self.of_hash(DocumentHash::of(text)).or_else(|| {
            let document = self.index.by_tokens.get(&Tokens::of(text))?;
            Some(Arc::clone(&document.text))
        })
    }

    /// Marks a document that is not trusted as logged. False if it was before.
    pub(crate) fn mark_reported(&self, hash: DocumentHash) -> bool {
        if self.reported.get(&hash).is_some() {
            return false;
        }
        self.reported.insert(hash, ());
        true
    }
}

impl Index {
    fn add(&mut self, id: String, text: String) {
        let document = Arc::new(TrustedDocument {
            id: id.clone(),
            text: text.into(),
        });
        let hash = DocumentHash::of(&document.text);
        self.by_id.insert(id, Arc::clone(&document));
        self.by_tokens
            .entry(Tokens::of(&document.text))
            .or_insert_with(|| Arc::clone(&document));
        if self.by_text.insert(hash, Arc::clone(&document)).is_none() {
            self.documents.push(document);
        }
    }
}

fn check_readable(text: &str, limits: &Limits) -> Result<(), String> {
    scan(text, limits).map_err(|limit| limit.to_string())?;
    match parse_query(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(parse_failed(error).message),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "query Q($a: ID!) {\n  image(id: $a) { id }\n}";

    fn trusted() -> TrustedDocuments {
        let manifest = serde_json::json!({ "abc": TEXT, "sha256:def": "{ a(b: \"x, y\") }" });
        read(&manifest.to_string()).expect("a manifest")
    }

    fn read(json: &str) -> Result<TrustedDocuments, ManifestError> {
        TrustedDocuments::from_manifest(json.as_bytes(), Mode::Enforce, &Limits::default())
    }

    #[test]
    fn a_document_is_found_by_id_by_hash_and_by_text() {
        let trusted = trusted();
        assert_eq!(trusted.of_id("abc").as_deref(), Some(TEXT));
        assert_eq!(trusted.of_id("ABC"), None);
        assert_eq!(trusted.of_id("def"), trusted.of_id("sha256:def"));
        assert!(trusted.of_id("def").is_some());
        let hash = DocumentHash::of(TEXT);
        assert_eq!(trusted.of_hash(hash).as_deref(), Some(TEXT));
        assert_eq!(
            trusted.of_id(&format!("sha256:{hash}")).as_deref(),
            Some(TEXT)
        );
        assert_eq!(trusted.of_id(&hash.to_string()), None);
        assert_eq!(trusted.of_text(TEXT).as_deref(), Some(TEXT));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_named() {
        let deep = "[".repeat(100);
        for (text, expected) in [
            ("{ a".to_owned(), "the document does not parse: "),
            (
                "fragment F on Query { a }".to_owned(),
                "the document does not parse: ",
            ),
            (
                format!("{{ a(b: {deep}) }}"),
                "nests brackets 102 deep; at most 64",
            ),
        ] {
            let manifest = serde_json::json!({ "good": "{ a }", "bad": text });
            let refusal = read(&manifest.to_string())
                .expect_err("unreadable")
                .to_string();
            assert!(
                refusal.starts_with("has a document `bad` that cannot be used: ")
                    && refusal.contains(expected),
                "{refusal}"
            );
        }
    }

    #[test]
    fn layout_does_not_count_and_everything_else_does() {
        let trusted = trusted();
        for text in [
            "query Q($a:ID!){image(id:$a){id}}",
            "# a comment\nquery Q($a: ID!), {\r\n\timage(id: $a) { id } }",
        ] {
            assert_eq!(trusted.of_text(text).as_deref(), Some(TEXT), "{text}");
        }
        for text in [
            "",
            "query Q($a: ID!) { image(id: $a) { id } } { id }",
            "query Q($a: ID!) { image(id: $a) { id __typename } }",
            "query R($a: ID!) { image(id: $a) { id } }",
            "query Q($a: ID!) { image(id: $a) { i d } }",
            "{ a(b: \"x,y\") }",
            "{ a(b: \"x, y\" }",
        ] {
            assert_eq!(trusted.of_text(text), None, "{text}");
        }
    }

    #[test]
    fn definitions_may_stand_in_any_order() {
        let query = "query Q($a: X = { b: [{}] }) { a { ...F ...G } }";
        let (f, g) = ("fragment F on X { f }", "fragment G on X { g }");
        let of = |definitions: &[&str]| Tokens::of(&definitions.join("\n"));
        assert_eq!(of(&[query, f, g]), of(&[g, query, f]));
        assert_ne!(of(&[query, f, g]), of(&[query, f]));
        assert_ne!(of(&[query, f, g]), of(&[query, f, f]));
        assert_ne!(
            of(&[query, f, g]),
            of(&[query, "fragment F on X { g }", "fragment G on X { f }"])
        );
        assert_ne!(of(&["{ a }"]), of(&["{ a }", "{ a }"]));
    }

    #[test]
    fn each_document_is_reported_once() {
        let trusted = trusted();
        assert!(trusted.mark_reported(DocumentHash::of("a")));
        assert!(!trusted.mark_reported(DocumentHash::of("a")));
        for number in 0..3 * MAX_REPORTED {
            trusted.mark_reported(DocumentHash::of(&number.to_string()));
        }
        assert!(trusted.reported.len() <= 2 * MAX_REPORTED);
    }

    proptest! {
        /// Definitions that are considered equal have the same tokens.
        #[test]
        fn texts_of_other_tokens_differ(one in "[ab1.,\" {(#\n-]{0,12}", other in "[ab1.,\" {(#\n-]{0,12}") {
            let same = tokens(&one).eq(tokens(&other));
            prop_assert_eq!(Tokens::of(&one) == Tokens::of(&other), same);
        }
    }
}
