use proptest::prelude::*;

use super::*;

/// The shortest text with the same meaning.
fn canonical(text: &str) -> String {
    let query = match Search::parse(text) {
        Search::Blank => return "blank".to_owned(),
        Search::Nothing => return "nothing".to_owned(),
        Search::Query(query) => query,
    };
    let alternatives = query.0.iter().map(|alternative| {
        let required = alternative.required.iter().map(Phrase::quoted);
        let excluded = alternative
            .excluded
            .iter()
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
        Search::Query(query) => query.to_postgres("x"),
        _ => None,
    };
    let condition = |words: &[&str], with: &[&str], without: &[&str]| PostgresCondition {
        words: words.iter().map(|&words| words.to_owned()).collect(),
        with: with.iter().map(|&text| text.to_owned()).collect(),
        without: without.iter().map(|&text| text.to_owned()).collect(),
    };
    assert_eq!(
        conditions("a -b or c"),
        Some(vec![condition(&["'xa' & !'xb' | 'xc'"], &[], &[])])
    );
    assert_eq!(
        conditions(r#""a b" -"c d" or -"e f" or g"#),
        Some(vec![
            condition(&["'xa' & 'xb'"], &[" xa xb "], &[" xc xd "]),
            condition(&[], &[], &[" xe xf "]),
            condition(&["'xg'"], &[], &[]),
        ])
    );
}

#[test]
fn every_text_is_a_valid_search() {
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
    let query = |matching: Option<&str>, without: Option<&str>| {
        Some(Fts5 {
            matching: matching.map(str::to_owned),
            without: without.map(str::to_owned),
        })
    };
    assert_eq!(
        fts5("cat -dog"),
        query(Some(r#"(("cat") NOT ("dog"))"#), None)
    );
    assert_eq!(fts5("-dog -cat"), query(None, Some(r#"("dog" OR "cat")"#)));
    assert_eq!(
        fts5("a b or -c"),
        query(Some(r#"("a" AND "b")"#), Some(r#"("c")"#))
    );
}

#[test]
fn a_search_with_an_unsearchable_word_finds_nothing() {
    let long = "x".repeat(8_000);
    assert_eq!(canonical(&long), format!("\"{long}\""));
    let longer = "x".repeat(8_001);
    for text in [
        longer.clone(),
        format!("-{longer}"),
        format!("cat -{longer}"),
        format!("\"cat {longer}\""),
    ] {
        assert_eq!(canonical(&text), "nothing");
    }
    assert_eq!(canonical(&format!("cat or {longer}")), r#""cat""#);
}

#[test]
fn postgres_looks_for_the_longest_words_in_the_text() {
    let long = "y".repeat(501);
    let Search::Query(query) = Search::parse(&format!("a {long} -{long}b")) else {
        panic!("it has words");
    };
    let expected = PostgresCondition {
        words: vec!["'xa'".to_owned()],
        with: vec![format!(" x{long} ")],
        without: vec![format!(" x{long}b ")],
    };
    assert_eq!(query.to_postgres("x"), Some(vec![expected]));
}

#[test]
fn each_word_counts_once_and_the_last_as_well() {
    assert_eq!(canonical(&"cat ".repeat(10_000)), r#""cat""#);
    let many: Vec<String> = (0..5_000).map(|number| format!("w{number}")).collect();
    assert!(canonical(&format!("{} -last", many.join(" "))).ends_with(r#""w4999" -"last""#));
    assert_eq!(canonical(&"x ".repeat(20_001)), "nothing");
    assert_eq!(canonical(&" ".repeat(50_000)), "blank");
    let alternatives = |count: usize| {
        let words: Vec<String> = (0..count).map(|number| format!("w{number}")).collect();
        canonical(&words.join(" or "))
    };
    assert_ne!(alternatives(500), "nothing");
    assert_eq!(alternatives(501), "nothing");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading(text: String, mixed in "[-\"a or\\p{L}\\p{M}]{0,60}") {
        for text in [text, mixed] {
            // The canonical text has the same meaning when it is parsed again.
            let read = canonical(&text);
            if !["blank", "nothing", "everything"].contains(&read.as_str()) {
                prop_assert_eq!(canonical(&read), read);
            }
        }
    }
}
