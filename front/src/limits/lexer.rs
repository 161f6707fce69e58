//! A lexer for the raw text of a document. It never finds fewer tokens than the parser.

use async_graphql::Pos;

struct Lexer<'t> {
    rest: &'t str,
    /// Whether a block string may end in the rest: otherwise each `"""` would search the whole rest again.
    has_block_end: bool,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            has_block_end: true,
        }
    }

    /// The next token, comment or ignored character, with its first character.
    fn next_token(&mut self) -> Option<(char, &'t str)> {
        let first = self.rest.chars().next()?;
        let length = if first == '"' {
            self.string_length()
        } else {
            token_length(self.rest, first)
        };
        let (token, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((first, token))
    }

    /// A block string without an end is read as an empty string, as the parser's grammar does.
    fn string_length(&mut self) -> usize {
        const BLOCK: &str = "\"\"\"";
        if self.has_block_end
            && let Some(content) = self.rest.strip_prefix(BLOCK)
        {
            if let Some(length) = block_length(content) {
                return BLOCK.len() + length + BLOCK.len();
            }
            self.has_block_end = false;
        }
        line_string_length(self.rest)
    }
}

/// The lexical tokens of a text, without ignored tokens,
/// <https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Ignored-Tokens>.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    tokens_and_ignored(text)
        .filter(|(first, _)| !is_ignored(*first))
        .map(|(_, token)| token)
}

/// The whole text in pieces: lexical tokens, comments and ignored characters, each with its first character.
pub(crate) fn tokens_and_ignored(text: &str) -> impl Iterator<Item = (char, &str)> {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(move || lexer.next_token())
}

/// Whether a piece that starts with this character is ignored by the grammar.
pub(crate) fn is_ignored(first: char) -> bool {
    matches!(first, ' ' | ',' | '\t' | '\n' | '\r' | '\u{feff}' | '#')
}

/// Line and column after a text, as the parser counts them.
pub(crate) fn position(before: &str) -> Pos {
    let line = before.matches('\n').count() + 1;
    let start = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    Pos { line, column }
}

/// Length in bytes of the first token (except strings), comment or ignored character of the text,
/// <https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Lexical-Tokens>.
fn token_length(text: &str, first: char) -> usize {
    let until = |end: fn(char) -> bool| text.find(end).unwrap_or(text.len());
    match first {
        '#' => until(|character| matches!(character, '\n' | '\r')),
        '.' if text.starts_with("...") => "...".len(),
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => {
            until(|character| !(character.is_ascii_alphanumeric() || character == '_'))
        }
        other => other.len_utf8(),
    }
}

/// A string ends at the end of the line at the latest.
fn line_string_length(text: &str) -> usize {
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

/// Length of a block string's content, up to the first `"""` without a backslash before it.
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

    proptest! {
        #[test]
        fn where_a_block_string_has_no_end_no_later_one_has(text in "(\"|\"\"\"|\\\\|a|\n){0,12}") {
            let looked_for_each_time = std::iter::successors(Some(text.as_str()), |rest| {
                let (_, token) = Lexer::new(rest).next_token()?;
                rest.strip_prefix(token)
            });
            let rests: Vec<&str> = looked_for_each_time.collect();
            let expected = rests.windows(2).filter_map(|pair| pair[0].strip_suffix(pair[1]));
            let expected = expected.filter(|token| !token.starts_with(is_ignored));
            prop_assert!(tokens(&text).eq(expected));
        }
    }
}
