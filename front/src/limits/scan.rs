//! Limits on the raw text of a document: tokens, nesting and size.

use std::mem::discriminant;

use super::lexer::{is_ignored, position, tokens_and_ignored};
use super::{Limit, LimitExceeded, Limits, MAX_BYTES, MAX_NESTING, Place};

/// Checks tokens, nesting and size of a document's text, and returns the number of tokens. Malformed text passes (the parser
/// reports it), but never counts as less than the parser may read.
pub fn scan(text: &str, limits: &Limits) -> Result<usize, LimitExceeded> {
    let counted = Counted::of(text);
    let Some(limit) = counted.limit(limits) else {
        return Ok(counted.tokens);
    };
    let place = place_of_excess(text, limits, &limit);
    Err(limits.exceeded(limit).at(place))
}

#[derive(Debug, Default)]
struct Counted {
    tokens: usize,
    /// Open brackets.
    open: usize,
    /// The maximum of open brackets.
    nesting: usize,
    /// Outside of strings.
    bytes: usize,
}

impl Counted {
    /// Reads the whole text, so that the error can contain the value.
    fn of(text: &str) -> Self {
        let mut counted = Self::default();
        for (first, token) in tokens_and_ignored(text) {
            counted.add(first, token);
        }
        counted
    }

    fn add(&mut self, first: char, token: &str) {
        self.bytes += if first == '"' { 0 } else { token.len() };
        match first {
            _ if is_ignored(first) => return,
            '(' | '[' | '{' => self.open += 1,
            ')' | ']' | '}' => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.tokens += 1;
        self.nesting = self.nesting.max(self.open);
    }

    fn limit(&self, limits: &Limits) -> Option<Limit> {
        let maximum = limits.max_tokens;
        if self.nesting > MAX_NESTING {
            return Some(Limit::Nesting(self.nesting));
        }
        if self.tokens > maximum {
            let tokens = self.tokens;
            return Some(Limit::Tokens { tokens, maximum });
        }
        (self.bytes > MAX_BYTES).then_some(Limit::Size(self.bytes))
    }
}

/// The first token that exceeds this limit.
fn place_of_excess(text: &str, limits: &Limits, broken: &Limit) -> Option<Place> {
    let mut counted = Counted::default();
    let mut start = 0;
    for (first, token) in tokens_and_ignored(text) {
        counted.add(first, token);
        let is_broken = counted
            .limit(limits)
            .is_some_and(|limit| discriminant(&limit) == discriminant(broken));
        if is_broken {
            let location = position(text.get(..start)?);
            return Some(Place::new(location, Vec::new()));
        }
        start += token.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::Selection;
    use proptest::prelude::*;

    use super::*;

    fn scanned(text: &str) -> Result<(), Limit> {
        match scan(text, &Limits::default()) {
            Ok(_) => Ok(()),
            Err(exceeded) => Err(exceeded.limit),
        }
    }

    fn nested(levels: usize) -> String {
        format!("{{f(x:{}{})}}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn nesting_is_bounded_before_anything_parses() {
        assert_eq!(scanned(&nested(62)), Ok(()));
        for (text, levels) in [
            (nested(63), 65),
            (nested(1600), 1602),
            ("{a".repeat(1000), 1000),
            (format!("query($a:{}", "[".repeat(100)), 101),
        ] {
            assert_eq!(scanned(&text), Err(Limit::Nesting(levels)));
        }
    }

    #[test]
    fn the_place_is_counted_as_the_parser_counts_it() {
        for text in [
            "{ a here }",
            "# é\n  {\r\n\té: here }",
            "\n\n{\r a \r here }",
        ] {
            let (before, _) = text.split_once("here").expect("the place");
            let position = position(before);
            let readable = text.replace("é:", "e:");
            let document = parse_query(&readable).expect("the test's document parses");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            let last = operation.node.selection_set.node.items.last();
            let Selection::Field(field) = &last.expect("a field").node else {
                panic!("no field");
            };
            let name_column = field.node.name.pos;
            assert_eq!(position, name_column, "{text:?}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let brackets = "[".repeat(100);
        for text in [
            format!(r#"{{f(x:"{brackets}\"{brackets}")}}"#),
            format!(r#"{{f(x:"""{brackets}\"""{brackets}"{brackets}""")}}"#),
            format!("{{f #{brackets}\n}}"),
        ] {
            assert_eq!(scanned(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_string_hides_no_brackets() {
        let brackets = "[".repeat(1600);
        for text in [
            // Without an end this is an empty string followed by a string.
            format!("{{f(x:[\"\"\" \" {brackets}"),
            format!("{{f(x:\"\n{brackets}"),
            format!("{{f #\r{brackets}"),
        ] {
            assert!(
                matches!(scanned(&text), Err(Limit::Nesting(1600..=1603))),
                "{:?}",
                text.get(..20)
            );
        }
    }

    /// The end used to be searched from each beginning: a minute for eight megabytes.
    #[test]
    fn block_strings_that_do_not_end_are_searched_once() {
        let text = "\\\"\"\"\n".repeat(1_600_000);
        let tokens = 3 * 1_600_000;
        assert_eq!(
            scanned(&text),
            Err(Limit::Tokens {
                tokens,
                maximum: 5000
            })
        );
    }

    #[test]
    fn only_strings_may_be_long() {
        let long = "x".repeat(MAX_BYTES);
        assert_eq!(scanned(&format!(r#"{{f(x:"{long}")}}"#)), Ok(()));
        for text in [
            format!("{{f}} # {long}"),
            format!("{{{long}}}"),
            " ".repeat(MAX_BYTES + 1),
        ] {
            assert!(matches!(scanned(&text), Err(Limit::Size(_))));
        }
    }

    #[test]
    fn tokens_are_counted() {
        let limits = Limits {
            max_tokens: 10,
            ..Limits::default()
        };
        // { a ( b : "c d" ) ... f }
        assert_eq!(scan(r#"{a(b:"c d")...f}#,,, {"#, &limits), Ok(10));
        for text in [r#"{a(b:"c d")...f} x"#, &"é".repeat(11)] {
            assert_eq!(
                scan(text, &limits).map_err(|exceeded| exceeded.limit),
                Err(Limit::Tokens {
                    tokens: 11,
                    maximum: 10
                })
            );
        }
    }

    /// Would take minutes if the end were searched from each beginning.
    #[test]
    fn block_strings_without_an_end_are_found_out_once() {
        let unit = "\n\\\"\"\"";
        let text = format!("\"\"\"{}", unit.repeat(8 * 1024 * 1024 / unit.len()));
        assert!(matches!(scanned(&text), Err(Limit::Tokens { .. })));
    }

    fn deepest(text: &str) -> usize {
        let mut depth = 0_usize;
        let mut deepest = 0;
        for character in text.chars() {
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_scan(text in "\\PC{0,80}", mixed in "[\\[\\](){}\"\\\\#.\n\ra0 ]{0,200}") {
            let _ = scanned(&text);
            let _ = scanned(&mixed);
        }

        /// In a valid document without strings and comments, the scan counts exactly its brackets.
        #[test]
        fn brackets_of_plain_documents_are_all_seen(text in "[\\[\\](){}a:, ]{0,150}", levels in 0_usize..100) {
            let text = format!("{}{text}", "{a".repeat(levels));
            prop_assert_eq!(scanned(&text).is_err(), deepest(&text) > MAX_NESTING);
        }
    }
}
