//! The raw text of a document: tokens and nesting.

use super::{LimitExceeded, Limits, MAX_BYTES, MAX_NESTING};

/// Counts the tokens and the nesting of a document's text. Malformed text is left to the parser, but never counted as
/// less than the parser might make of it.
pub fn scan(text: &str, limits: &Limits) -> Result<(), LimitExceeded> {
    let mut rest = text;
    let mut blocks = Blocks::default();
    let (mut tokens, mut nesting, mut bytes) = (0_usize, 0_usize, 0_usize);
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first, &mut blocks);
        rest = rest.get(length..).unwrap_or_default();
        bytes += if first == '"' { 0 } else { length };
        if bytes > MAX_BYTES {
            return Err(LimitExceeded::Size);
        }
        match first {
            _ if is_ignored(first) => continue,
            '(' | '[' | '{' => nesting += 1,
            ')' | ']' | '}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        if nesting > MAX_NESTING {
            return Err(LimitExceeded::Nesting);
        }
        if tokens > limits.max_tokens {
            return Err(LimitExceeded::Tokens {
                maximum: limits.max_tokens,
            });
        }
    }
    Ok(())
}

/// The lexical tokens of a text, without what stands between them and says nothing,
/// <https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Ignored-Tokens>.
pub(in crate::graphql) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut blocks = Blocks::default();
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let (token, behind) = rest.split_at_checked(token_length(rest, first, &mut blocks))?;
            rest = behind;
            if !is_ignored(first) {
                return Some(token);
            }
        }
    })
}

fn is_ignored(first: char) -> bool {
    matches!(first, ' ' | ',' | '\t' | '\n' | '\r' | '\u{feff}' | '#')
}

/// Length in bytes of the lexical token, the comment or the ignored character that the text begins with,
/// <https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Lexical-Tokens>.
fn token_length(text: &str, first: char, blocks: &mut Blocks) -> usize {
    let until = |end: fn(char) -> bool| text.find(end).unwrap_or(text.len());
    match first {
        '#' => until(|character| matches!(character, '\n' | '\r')),
        '"' => string_length(text, blocks),
        '.' if text.starts_with("...") => "...".len(),
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => {
            until(|character| !(character.is_ascii_alphanumeric() || character == '_'))
        }
        other => other.len_utf8(),
    }
}

/// What is known of the block strings in the rest of a text.
#[derive(Default)]
struct Blocks {
    /// None of them has an end. Behind a place from which none is found there is none to find, and to look for it at each
    /// of thousands of places would take minutes for a text of megabytes.
    are_open: bool,
}

/// A block string without an end is taken for an empty string, as the parser does that looks for another reading; a
/// string ends with its line at the latest.
fn string_length(text: &str, blocks: &mut Blocks) -> usize {
    const BLOCK: &str = "\"\"\"";
    if let Some(content) = text.strip_prefix(BLOCK).filter(|_| !blocks.are_open) {
        if let Some(length) = block_length(content) {
            return BLOCK.len() + length + BLOCK.len();
        }
        blocks.are_open = true;
    }
    let mut is_escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            '\n' | '\r' => return place,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a block string's content, up to the first `"""` that has no backslash before it.
fn block_length(content: &str) -> Option<usize> {
    let mut ends = content.match_indices("\"\"\"");
    ends.find(|(place, _)| {
        !content
            .get(..*place)
            .is_some_and(|before| before.ends_with('\\'))
    })
    .map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(text: &str) -> Result<(), LimitExceeded> {
        scan(text, &Limits::default())
    }

    fn nested(levels: usize) -> String {
        format!("{{f(x:{}{})}}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn nesting_is_bounded_before_anything_parses() {
        assert_eq!(scanned(&nested(62)), Ok(()));
        assert_eq!(scanned(&nested(63)), Err(LimitExceeded::Nesting));
        assert_eq!(scanned(&nested(1600)), Err(LimitExceeded::Nesting));
        assert_eq!(scanned(&"{a".repeat(1000)), Err(LimitExceeded::Nesting));
        assert_eq!(
            scanned(&format!("query($a:{}", "[".repeat(100))),
            Err(LimitExceeded::Nesting)
        );
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
            // Without an end this is an empty string, and a string that begins behind it.
            format!("{{f(x:[\"\"\" \" {brackets}"),
            format!("{{f(x:\"\n{brackets}"),
            format!("{{f #\r{brackets}"),
        ] {
            assert_eq!(
                scanned(&text),
                Err(LimitExceeded::Nesting),
                "{:?}",
                text.get(..20)
            );
        }
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
            assert_eq!(scanned(&text), Err(LimitExceeded::Size));
        }
    }

    #[test]
    fn tokens_are_counted() {
        let limits = Limits {
            max_tokens: 10,
            ..Limits::default()
        };
        // { a ( b : "c d" ) ... f }
        assert_eq!(scan(r#"{a(b:"c d")...f}#,,, {"#, &limits), Ok(()));
        assert_eq!(
            scan(r#"{a(b:"c d")...f} x"#, &limits),
            Err(LimitExceeded::Tokens { maximum: 10 })
        );
        assert_eq!(
            scan(&"é".repeat(11), &limits),
            Err(LimitExceeded::Tokens { maximum: 10 })
        );
    }

    #[test]
    fn tokens_are_what_means_something() {
        let text =
            "\u{feff}query Q ($a:[ID!]=\"a # b\"){, ...f # {\n b(c:\"\"\" d \"\"\", e:-1.5) }";
        let expected = [
            "query",
            "Q",
            "(",
            "$",
            "a",
            ":",
            "[",
            "ID",
            "!",
            "]",
            "=",
            "\"a # b\"",
            ")",
            "{",
            "...",
            "f",
            "b",
            "(",
            "c",
            ":",
            "\"\"\" d \"\"\"",
            "e",
            ":",
            "-",
            "1",
            ".",
            "5",
            ")",
            "}",
        ];
        assert_eq!(tokens(text).collect::<Vec<_>>(), expected);
    }

    /// Minutes, if the end were looked for at each of them.
    #[test]
    fn block_strings_without_an_end_are_found_out_once() {
        let unit = "\n\\\"\"\"";
        let text = format!("\"\"\"{}", unit.repeat(8 * 1024 * 1024 / unit.len()));
        assert!(matches!(scanned(&text), Err(LimitExceeded::Tokens { .. })));
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

        #[test]
        fn where_a_block_string_has_no_end_no_later_one_has(text in "(\"|\"\"\"|\\\\|a|\n){0,12}") {
            let looked_for_each_time = std::iter::successors(Some(text.as_str()), |rest| {
                let first = rest.chars().next()?;
                rest.get(token_length(rest, first, &mut Blocks::default())..)
            });
            let rests: Vec<&str> = looked_for_each_time.collect();
            let expected = rests.windows(2).filter_map(|pair| pair[0].strip_suffix(pair[1]));
            let expected = expected.filter(|token| !token.starts_with(is_ignored));
            prop_assert!(tokens(&text).eq(expected));
        }

        /// Where a document parses and holds neither strings nor comments, the scan sees just its brackets.
        #[test]
        fn brackets_of_plain_documents_are_all_seen(text in "[\\[\\](){}a:, ]{0,150}", levels in 0_usize..100) {
            let text = format!("{}{text}", "{a".repeat(levels));
            prop_assert_eq!(scanned(&text).is_err(), deepest(&text) > MAX_NESTING);
        }
    }
}
