//! Full-text search: parses web-search syntax and translates it to the query languages of Postgres and of SQLite's
//! FTS5. It is in this module, below the gallery, because both databases use it.
//!
//! A word is a run of Unicode letters and digits; everything else separates. Words are compared in lower case, with
//! accents and without stemming. Both databases index the prompts by the same rule (migration `m0002_search`).

mod postgres;

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::LazyLock;

use regex::Regex;

pub(super) use postgres::{postgres, postgres_in_prompt};

/// A longer text finds nothing. Two prompts have at most this many characters, and longer searches would be slow.
pub const MAX_CHARACTERS: usize = 40_000;
/// A text with more alternatives finds nothing: each may cost a scan of rows.
const MAX_ALTERNATIVES: usize = 500;
/// The longest word that can be searched: FTS5 truncates words at 32,768 bytes.
const MAX_WORD_CHARACTERS: usize = 8_000;
/// The longest word in Postgres' index (which allows 2046 bytes); longer ones are matched like phrases.
const MAX_INDEXED_CHARACTERS: usize = 500;
/// The maximum number of words in one `tsquery`: its cost grows with their square, and Postgres' stack depth with their
/// number.
const MAX_TSQUERY_WORDS: usize = 500;

/// A parsed search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Blank: no condition.
    Blank,
    /// Not blank, but without a word that could be found: matches nothing.
    Nothing,
    /// Words to find.
    Query(Query),
}

/// Alternatives; one must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Vec<Alternative>);

/// Required and excluded phrases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Alternative {
    required: Vec<Phrase>,
    excluded: Vec<Phrase>,
}

/// Consecutive words; a single word is the shortest phrase.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Phrase(Vec<String>);

/// A condition for Postgres. Its index has no positions, so it finds words; phrases are matched in the resulting rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresCondition {
    /// All of these `tsquery` texts must match.
    pub words: Vec<String>,
    /// The indexed text must contain all of these, with a space at both ends.
    pub with: Vec<String>,
    /// The indexed text must contain none of these.
    pub without: Vec<String>,
}

/// A query for FTS5, whose NOT needs a left operand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fts5 {
    /// Finds rows that match this.
    pub matching: Option<String>,
    /// Also finds rows that do not match this.
    pub without: Option<String>,
}

impl Fts5 {
    /// The same within one column.
    #[must_use]
    pub fn within(self, column: &str) -> Self {
        let within = |query: String| format!("{column} : ({query})");
        Self {
            matching: self.matching.map(within),
            without: self.without.map(within),
        }
    }
}

impl Search {
    /// Parses a text like `websearch_to_tsquery`: words, `"a phrase"`, `-excluded`, `or` between two of them. Every
    /// text is valid.
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Blank;
        }
        if text.chars().nth(MAX_CHARACTERS).is_some() {
            return Self::Nothing;
        }
        let mut alternatives = vec![Alternative::default()];
        let terms = terms(text);
        for (place, term) in terms.iter().enumerate() {
            let is_between_two = place > 0 && place + 1 < terms.len();
            let is_behind_or = alternatives.last().is_none_or(Alternative::is_empty);
            if term.is_or() && is_between_two && !is_behind_or {
                alternatives.push(Alternative::default());
                continue;
            }
            if let Some(alternative) = alternatives.last_mut() {
                alternative.add(term);
            }
        }
        for alternative in &mut alternatives {
            retain_distinct(&mut alternative.required);
            retain_distinct(&mut alternative.excluded);
        }
        alternatives.retain(|alternative| !alternative.is_empty() && alternative.can_match());
        retain_distinct(&mut alternatives);
        if alternatives.is_empty() || alternatives.len() > MAX_ALTERNATIVES {
            return Self::Nothing;
        }
        Self::Query(Query(alternatives))
    }
}

fn retain_distinct<T: Clone + Eq + Hash>(items: &mut Vec<T>) {
    let mut seen = HashSet::with_capacity(items.len());
    items.retain(|item| seen.insert(item.clone()));
}

/// The text between white space or quotes.
#[derive(Debug)]
struct Term {
    words: Vec<String>,
    is_quoted: bool,
    is_excluded: bool,
}

impl Term {
    fn is_or(&self) -> bool {
        !self.is_quoted && !self.is_excluded && self.words == ["or"]
    }
}

/// A quote, closed or running to the end, or a run of characters that are neither white space nor quotes. A hyphen
/// directly before it, if no word precedes the hyphen, excludes it.
fn terms(text: &str) -> Vec<Term> {
    static TERM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?:"([^"]*)(?:"|$))|[^\s"]+"#)
            .expect("the pattern is a constant that the tests use")
    });
    let mut terms: Vec<Term> = Vec::new();
    let mut excludes_quote = false;
    for captures in TERM.captures_iter(text) {
        let (whole, quoted) = (captures.get_match().as_str(), captures.get(1));
        let text = quoted.map_or(whole, |quoted| quoted.as_str());
        let words = words(text);
        let begins_with_hyphen = whole.starts_with('-');
        let is_excluded = if quoted.is_some() {
            excludes_quote
        } else {
            begins_with_hyphen
        };
        // A separate hyphen directly before a quote belongs to it.
        excludes_quote = quoted.is_none() && words.is_empty() && whole.ends_with('-');
        if !words.is_empty() {
            terms.push(Term {
                words,
                is_quoted: quoted.is_some(),
                is_excluded,
            });
        }
    }
    terms
}

fn words(text: &str) -> Vec<String> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\p{L}\p{Nd}]+").expect("the pattern is a constant that the tests use")
    });
    WORD.find_iter(text)
        .map(|word| folded(word.as_str()))
        .collect()
}

/// Lower case, with one form for letters that have two, as in both indexes.
fn folded(word: &str) -> String {
    let lower = word.chars().flat_map(char::to_lowercase);
    // The dot in the lower case of `İ`.
    let letters = lower.filter(|letter| *letter != '\u{307}');
    letters
        .map(|letter| match letter {
            'µ' => 'μ',
            'ſ' => 's',
            'ς' => 'σ',
            'ϐ' => 'β',
            'ϑ' => 'θ',
            'ϕ' => 'φ',
            'ϖ' => 'π',
            'ϰ' => 'κ',
            'ϱ' => 'ρ',
            'ϵ' => 'ε',
            'ẛ' => 'ṡ',
            '\u{1fbe}' => 'ι',
            letter => letter,
        })
        .collect()
}

impl Alternative {
    fn add(&mut self, term: &Term) {
        if term.is_excluded {
            self.excluded.push(Phrase(term.words.clone()));
        } else if term.is_quoted {
            self.required.push(Phrase(term.words.clone()));
        } else {
            let words = term.words.iter().map(|word| Phrase(vec![word.clone()]));
            self.required.extend(words);
        }
    }

    fn is_empty(&self) -> bool {
        self.required.is_empty() && self.excluded.is_empty()
    }

    /// Whether each of its words can be searched: for others it is unknown whether they occur.
    fn can_match(&self) -> bool {
        let mut words = self
            .required
            .iter()
            .chain(&self.excluded)
            .flat_map(|phrase| &phrase.0);
        words.all(|word| !is_longer(word, MAX_WORD_CHARACTERS))
    }

    fn to_postgres(&self, prefix: &str) -> PostgresCondition {
        let mut required: Vec<&String> =
            self.required.iter().flat_map(|phrase| &phrase.0).collect();
        required.retain(|word| !is_longer(word, MAX_INDEXED_CHARACTERS));
        retain_distinct(&mut required);
        let required = required.into_iter().map(|word| format!("'{prefix}{word}'"));
        let (words, phrases): (Vec<&Phrase>, Vec<&Phrase>) = self
            .excluded
            .iter()
            .partition(|phrase| phrase.is_indexed_word());
        let excluded = words
            .iter()
            .flat_map(|phrase| &phrase.0)
            .map(|word| format!("!'{prefix}{word}'"));
        let words: Vec<String> = required.chain(excluded).collect();
        let in_text = |phrase: &Phrase| phrase.in_text(prefix);
        PostgresCondition {
            words: words
                .chunks(MAX_TSQUERY_WORDS)
                .map(|words| words.join(" & "))
                .collect(),
            with: self
                .required
                .iter()
                .filter(|phrase| !phrase.is_indexed_word())
                .map(in_text)
                .collect(),
            without: phrases.into_iter().map(in_text).collect(),
        }
    }
}

impl PostgresCondition {
    fn has_phrases(&self) -> bool {
        !self.with.is_empty() || !self.without.is_empty()
    }
}

impl Phrase {
    /// Words contain only letters and digits, so quoting needs no escapes in either language.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.join(" "))
    }

    /// Whether it is a single word in Postgres' index.
    fn is_indexed_word(&self) -> bool {
        matches!(&*self.0, [word] if !is_longer(word, MAX_INDEXED_CHARACTERS))
    }

    /// As it occurs in Postgres' text, between two spaces.
    fn in_text(&self, prefix: &str) -> String {
        let words: Vec<String> = self
            .0
            .iter()
            .map(|word| format!("{prefix}{word}"))
            .collect();
        format!(" {} ", words.join(" "))
    }
}

fn is_longer(word: &str, characters: usize) -> bool {
    word.chars().nth(characters).is_some()
}

impl Query {
    /// The conditions for Postgres, one of which must hold. Each word has the index's prefix. None if every row
    /// matches.
    pub fn to_postgres(&self, prefix: &str) -> Option<Vec<PostgresCondition>> {
        let mut conditions = Vec::new();
        // Alternatives of words only, as long as they fit in one `tsquery`.
        let mut of_words = Vec::new();
        let mut words_left = MAX_TSQUERY_WORDS;
        for alternative in &self.0 {
            let mut condition = alternative.to_postgres(prefix);
            if condition.words.is_empty() && !condition.has_phrases() {
                return None;
            }
            let words = alternative.required.len() + alternative.excluded.len();
            if condition.has_phrases() || condition.words.len() > 1 || words > words_left {
                conditions.push(condition);
            } else {
                words_left -= words;
                of_words.append(&mut condition.words);
            }
        }
        if !of_words.is_empty() {
            conditions.push(PostgresCondition {
                words: vec![of_words.join(" | ")],
                ..PostgresCondition::default()
            });
        }
        Some(conditions)
    }

    /// What each alternative requires, without what it excludes; None if one requires nothing.
    pub fn required(&self) -> Option<Self> {
        let required = self.0.iter().map(|alternative| {
            let required = alternative.required.clone();
            (!required.is_empty()).then_some(Alternative {
                required,
                excluded: Vec::new(),
            })
        });
        required.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The query for FTS5, <https://www.sqlite.org/fts5.html#full_text_query_syntax>; None if every row matches.
    pub fn to_fts5(&self) -> Option<Fts5> {
        let (mut matching, mut without) = (Vec::new(), Vec::new());
        for alternative in &self.0 {
            let required = joined(alternative.required.iter(), " AND ");
            let excluded = joined(alternative.excluded.iter(), " OR ");
            match (required, excluded) {
                (None, None) => return None,
                (Some(required), None) => matching.push(format!("({required})")),
                (Some(required), Some(excluded)) => {
                    matching.push(format!("(({required}) NOT ({excluded}))"));
                }
                (None, Some(excluded)) => without.push(format!("({excluded})")),
            }
        }
        // A row matches if it lacks one of them, so it does not if it has something of each.
        let non_empty =
            |parts: Vec<String>, operator: &str| (!parts.is_empty()).then(|| parts.join(operator));
        Some(Fts5 {
            matching: non_empty(matching, " OR "),
            without: non_empty(without, " AND "),
        })
    }
}

fn joined<'a>(phrases: impl Iterator<Item = &'a Phrase>, operator: &str) -> Option<String> {
    let phrases: Vec<String> = phrases.map(Phrase::quoted).collect();
    (!phrases.is_empty()).then(|| phrases.join(operator))
}

#[cfg(test)]
mod tests;
