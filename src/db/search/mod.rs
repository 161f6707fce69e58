//! Full-text search: web-search syntax, and what it is called in the query languages of Postgres and of SQLite's FTS5.
//! It stands here, below the gallery, because it is the same text read for two databases.
//!
//! A word is a run of Unicode letters and digits; everything else separates. Words are compared in lower case, accents
//! count, and nothing is stemmed. Both databases index the prompts by the same rule (migration `m0002_search`).

mod postgres;

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::LazyLock;

use regex::Regex;

pub(super) use postgres::postgres;

/// A longer text finds nothing: as much as both prompts can have. What it takes to look for more would be felt.
pub const MAX_CHARACTERS: usize = 40_000;
/// A text with more of them finds nothing: each may cost a look at the rows of its own.
const MAX_ALTERNATIVES: usize = 500;
/// The longest word that can be looked for: FTS5 cuts them at 32,768 bytes.
const MAX_WORD_CHARACTERS: usize = 8_000;
/// The longest word in Postgres' index (it takes 2046 bytes); longer ones are looked for as phrases are.
const MAX_INDEXED_CHARACTERS: usize = 500;
/// The most words of one `tsquery`: what it costs grows with their square, and Postgres' stack with their number.
const MAX_TSQUERY_WORDS: usize = 500;

/// What a text asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Blank: no condition.
    Blank,
    /// Not blank, but without a word that could be found: nothing matches.
    Nothing,
    /// Words to look for.
    Query(Query),
}

/// Alternatives, any of which is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Vec<Alternative>);

/// What has to be there, and what must not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Alternative {
    required: Vec<Phrase>,
    excluded: Vec<Phrase>,
}

/// Words that stand one behind the other; a single word is the shortest phrase.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Phrase(Vec<String>);

/// A condition for Postgres. Its index knows which words a row has and not where: it answers for words, and phrases are
/// looked for in the rows that it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresCondition {
    /// Each of these, a `tsquery` as text, has to match.
    pub words: Vec<String>,
    /// Each of these has to be in the text that is indexed, with a space at both its ends.
    pub with: Vec<String>,
    /// None of these may be in it.
    pub without: Vec<String>,
}

/// A query for FTS5, whose NOT needs something to take away from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fts5 {
    /// Rows that match this are found.
    pub matching: Option<String>,
    /// Rows that do not match this are found too.
    pub without: Option<String>,
}

impl Search {
    /// Reads a text as `websearch_to_tsquery` does: words, `"a phrase"`, `-excluded`, `or` between two of them. Every
    /// text has a meaning.
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

/// What stands between two white spaces, or between two quotes.
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

/// A quote, closed or running to the end, or a run of characters that are neither white space nor quotes; a hyphen right
/// before it, where no word goes before, excludes it.
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
        // A hyphen that stands alone right before a quote belongs to it.
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

/// Lower case, and one form for the letters that have two, as both indexes have it.
fn folded(word: &str) -> String {
    let lower = word.chars().flat_map(char::to_lowercase);
    // The dot that the lower case of `İ` brings along.
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

    /// Whether each of its words can be looked for: of one that cannot nobody knows whether it is there.
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
    /// Words hold letters and digits only, so that nothing in quotes needs an escape in either language.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.join(" "))
    }

    /// Whether it is a word of which Postgres' index knows.
    fn is_indexed_word(&self) -> bool {
        matches!(&*self.0, [word] if !is_longer(word, MAX_INDEXED_CHARACTERS))
    }

    /// As it stands in Postgres' text, between two spaces.
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
    /// For Postgres: any of these is enough. Each word stands behind the prefix that it has in the index. None where every
    /// row matches.
    pub fn to_postgres(&self, prefix: &str) -> Option<Vec<PostgresCondition>> {
        let mut conditions = Vec::new();
        // Alternatives of words alone, as long as one `tsquery` can have them all.
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

    /// For FTS5, <https://www.sqlite.org/fts5.html#full_text_query_syntax>; none where every row matches.
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
        // A row is found when it is without one of them: it is not when it has something of each.
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
