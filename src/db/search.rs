//! Full-text search: web-search syntax, and what it is called in the query languages of Postgres and of SQLite's FTS5.
//! It stands here, below the gallery, because it is the same text read for two databases.
//!
//! A word is a run of Unicode letters and digits; everything else separates. Words are compared in lower case, accents
//! count, and nothing is stemmed. Both databases index the prompts by the same rule (migration `m0002_search`).

use std::sync::LazyLock;

use regex::Regex;

/// The most words that count; what follows them is ignored, so that no text is too much for a database.
pub const MAX_WORDS: usize = 200;
/// The longest word that an index holds (Postgres: 2046 bytes). A longer one is in no index.
const MAX_WORD_CHARACTERS: usize = 500;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Alternative {
    required: Vec<Phrase>,
    excluded: Vec<Phrase>,
}

/// Words that stand one behind the other; a single word is the shortest phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Phrase(Vec<String>);

/// A condition for Postgres. Its index knows at most 255 places of a word, and none beyond the 16,383rd word: it answers
/// for words, and phrases are looked for in the rows that it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Websearch {
    /// For `websearch_to_tsquery('simple', …)`; empty where no word is asked for.
    pub words: String,
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
    /// Rows that do not match one of these are found too.
    pub without: Vec<String>,
}

impl Search {
    /// Reads a text as `websearch_to_tsquery` does: words, `"a phrase"`, `-excluded`, `or` between two of them. Every
    /// text has a meaning.
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Blank;
        }
        let mut alternatives = vec![Alternative::default()];
        let mut words_left = MAX_WORDS;
        let terms = terms(text);
        for (place, term) in terms.iter().enumerate() {
            let is_between_two = place > 0 && place + 1 < terms.len();
            let is_behind_or = alternatives.last().is_none_or(Alternative::is_empty);
            if term.is_or() && is_between_two && !is_behind_or {
                alternatives.push(Alternative::default());
                continue;
            }
            words_left = words_left.saturating_sub(term.words.len());
            if words_left == 0 {
                break;
            }
            if let Some(alternative) = alternatives.last_mut() {
                alternative.add(term);
            }
        }
        alternatives.retain(|alternative| !alternative.is_empty() && alternative.can_match());
        if alternatives.is_empty() {
            return Self::Nothing;
        }
        Self::Query(Query(alternatives))
    }
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

    /// Whether every required word is one that an index can hold. Those excluded that it cannot are no condition.
    fn can_match(&self) -> bool {
        self.required.iter().all(Phrase::is_indexable)
    }

    fn to_websearch(&self, prefix: &str) -> Websearch {
        let required = self.required.iter().flat_map(|phrase| &phrase.0);
        let required = required.map(|word| format!("\"{prefix}{word}\""));
        let (words, phrases): (Vec<&Phrase>, Vec<&Phrase>) =
            self.excluded().partition(|phrase| phrase.is_one_word());
        let excluded = words
            .iter()
            .flat_map(|phrase| &phrase.0)
            .map(|word| format!("-\"{prefix}{word}\""));
        let in_text = |phrase: &Phrase| phrase.in_text(prefix);
        Websearch {
            words: required.chain(excluded).collect::<Vec<_>>().join(" "),
            with: self
                .required
                .iter()
                .filter(|phrase| !phrase.is_one_word())
                .map(in_text)
                .collect(),
            without: phrases.into_iter().map(in_text).collect(),
        }
    }

    fn excluded(&self) -> impl Iterator<Item = &Phrase> {
        self.excluded.iter().filter(|phrase| phrase.is_indexable())
    }
}

impl Websearch {
    fn has_phrases(&self) -> bool {
        !self.with.is_empty() || !self.without.is_empty()
    }
}

impl Phrase {
    fn is_indexable(&self) -> bool {
        self.0
            .iter()
            .all(|word| word.chars().count() <= MAX_WORD_CHARACTERS)
    }

    /// Words hold letters and digits only, so that nothing in quotes needs an escape in either language.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.join(" "))
    }

    fn is_one_word(&self) -> bool {
        self.0.len() == 1
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

impl Query {
    /// For Postgres: any of these is enough. Each word stands behind the prefix that it has in the index. None where every
    /// row matches.
    pub fn to_websearch(&self, prefix: &str) -> Option<Vec<Websearch>> {
        let mut conditions = Vec::new();
        let mut of_words = Vec::new();
        for alternative in &self.0 {
            let condition = alternative.to_websearch(prefix);
            match (condition.words.is_empty(), condition.has_phrases()) {
                (true, false) => return None,
                (false, false) => of_words.push(condition.words),
                (_, true) => conditions.push(condition),
            }
        }
        if !of_words.is_empty() {
            conditions.push(Websearch {
                words: of_words.join(" or "),
                ..Websearch::default()
            });
        }
        Some(conditions)
    }

    /// For FTS5, <https://www.sqlite.org/fts5.html#full_text_query_syntax>; none where every row matches.
    pub fn to_fts5(&self) -> Option<Fts5> {
        let mut query = Fts5::default();
        let mut matching = Vec::new();
        for alternative in &self.0 {
            let required = joined(alternative.required.iter(), " AND ");
            let excluded = joined(alternative.excluded(), " OR ");
            match (required, excluded) {
                (None, None) => return None,
                (Some(required), None) => matching.push(format!("({required})")),
                (Some(required), Some(excluded)) => {
                    matching.push(format!("(({required}) NOT ({excluded}))"));
                }
                (None, Some(excluded)) => query.without.push(excluded),
            }
        }
        if !matching.is_empty() {
            query.matching = Some(matching.join(" OR "));
        }
        Some(query)
    }
}

fn joined<'a>(phrases: impl Iterator<Item = &'a Phrase>, operator: &str) -> Option<String> {
    let phrases: Vec<String> = phrases.map(Phrase::quoted).collect();
    (!phrases.is_empty()).then(|| phrases.join(operator))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text that means the same without anything superfluous.
    fn canonical(text: &str) -> String {
        let query = match Search::parse(text) {
            Search::Blank => return "blank".to_owned(),
            Search::Nothing => return "nothing".to_owned(),
            Search::Query(query) => query,
        };
        let alternatives = query.0.iter().map(|alternative| {
            let required = alternative.required.iter().map(Phrase::quoted);
            let excluded = alternative
                .excluded()
                .map(|phrase| format!("-{}", phrase.quoted()));
            required.chain(excluded).collect::<Vec<_>>().join(" ")
        });
        let alternatives: Vec<String> = alternatives.collect();
        if alternatives.iter().any(String::is_empty) {
            return "everything".to_owned();
        }
        alternatives.join(" or ")
    }

    #[test]
    fn postgres_looks_for_words_in_its_index_and_for_phrases_in_the_text() {
        let conditions = |text: &str| match Search::parse(text) {
            Search::Query(query) => query.to_websearch("x"),
            _ => None,
        };
        let condition = |words: &str, with: &[&str], without: &[&str]| Websearch {
            words: words.to_owned(),
            with: with.iter().map(|&text| text.to_owned()).collect(),
            without: without.iter().map(|&text| text.to_owned()).collect(),
        };
        assert_eq!(
            conditions("a -b or c"),
            Some(vec![condition(r#""xa" -"xb" or "xc""#, &[], &[])])
        );
        assert_eq!(
            conditions(r#""a b" -"c d" or -"e f" or g"#),
            Some(vec![
                condition(r#""xa" "xb""#, &[" xa xb "], &[" xc xd "]),
                condition("", &[], &[" xe xf "]),
                condition(r#""xg""#, &[], &[]),
            ])
        );
    }

    #[test]
    fn every_text_has_a_meaning() {
        let cases = [
            ("", "blank"),
            (" \t\n", "blank"),
            ("!!!", "nothing"),
            ("🎉", "nothing"),
            ("-", "nothing"),
            ("\"\"", "nothing"),
            ("\0", "nothing"),
            ("Cat", r#""cat""#),
            ("red  Cat", r#""red" "cat""#),
            ("red\0cat", r#""red" "cat""#),
            ("\"red cat\"", r#""red cat""#),
            ("\"red cat", r#""red cat""#),
            ("red\"big cat\"", r#""red" "big cat""#),
            ("-cat", r#"-"cat""#),
            ("red -cat", r#""red" -"cat""#),
            ("-\"red cat\" dog", r#""dog" -"red cat""#),
            ("- cat", r#""cat""#),
            ("sci-fi", r#""sci" "fi""#),
            ("-sci-fi", r#"-"sci fi""#),
            ("don't 3.5 a_b C++", r#""don" "t" "3" "5" "a" "b" "c""#),
            ("cat or dog", r#""cat" or "dog""#),
            ("cat OR dog bird", r#""cat" or "dog" "bird""#),
            ("or", r#""or""#),
            ("or cat", r#""or" "cat""#),
            ("cat or", r#""cat" "or""#),
            ("cat or or dog", r#""cat" or "or" "dog""#),
            ("\"or\" cat", r#""or" "cat""#),
            ("cat or -dog", r#""cat" or -"dog""#),
            ("École ΟΔΟΣ İstanbul", r#""école" "οδοσ" "istanbul""#),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text:?}");
        }
    }

    #[test]
    fn fts5_has_no_not_without_something_before_it() {
        let fts5 = |text: &str| match Search::parse(text) {
            Search::Query(query) => query.to_fts5(),
            _ => None,
        };
        let query = |matching: Option<&str>, without: &[&str]| {
            Some(Fts5 {
                matching: matching.map(str::to_owned),
                without: without.iter().map(|&text| text.to_owned()).collect(),
            })
        };
        assert_eq!(
            fts5("cat -dog"),
            query(Some(r#"(("cat") NOT ("dog"))"#), &[])
        );
        assert_eq!(fts5("-dog -cat"), query(None, &[r#""dog" OR "cat""#]));
        assert_eq!(
            fts5("a b or -c"),
            query(Some(r#"("a" AND "b")"#), &[r#""c""#])
        );
    }

    #[test]
    fn what_no_index_holds_is_not_found_and_excludes_nothing() {
        let long = "x".repeat(501);
        assert_eq!(canonical(&long), "nothing");
        assert_eq!(canonical(&format!("cat or {long}")), r#""cat""#);
        assert_eq!(canonical(&format!("-{long}")), "everything");
        assert_eq!(canonical(&format!("cat -{long}")), r#""cat""#);
    }

    #[test]
    fn only_so_many_words_count() {
        let many = "cat ".repeat(10_000);
        assert!(canonical(&many).len() < MAX_WORDS * 10);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading(text: String, mixed in "[-\"a or\\p{L}\\p{M}]{0,60}") {
            for text in [text, mixed] {
                // What was made of a text means the same when it is read again.
                let read = canonical(&text);
                if !["blank", "nothing", "everything"].contains(&read.as_str()) {
                    prop_assert_eq!(canonical(&read), read);
                }
            }
        }
    }
}
