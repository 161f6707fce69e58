//! What one request may cost, checked before the library walks a document: its parser recurses without bound, and its
//! validation follows every spread of a fragment anew (a few kilobytes abort the process or keep it busy for seconds).
//!
//! 1. [`scan`] counts tokens and nesting in the raw text, before anything parses it.
//! 2. [`check`] measures the parsed document, each fragment once, however often it is spread.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

/// The most brackets within brackets, and the most fragments within fragments.
pub const MAX_NESTING: usize = 64;
/// The most fields, inline fragments and spreads once every fragment is written out.
pub const MAX_SELECTIONS: usize = 10_000;

/// Limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `GRAPHQL_MAX_TOKENS`: names, numbers, strings and punctuation of the document.
    pub max_tokens: usize,
    /// `GRAPHQL_MAX_DEPTH`: fields within fields. Introspection is exempt.
    pub max_depth: usize,
    /// `GRAPHQL_MAX_ALIASES`: aliases once every fragment is written out.
    pub max_aliases: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tokens: 5000,
            max_depth: 15,
            max_aliases: 30,
        }
    }
}

/// The limit that a document is over. The message says which it is, its value, and what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    /// Too many brackets within brackets.
    #[error(
        "the document nests brackets more than {MAX_NESTING} deep; at most {MAX_NESTING} levels are allowed"
    )]
    Nesting,
    /// Too long.
    #[error(
        "the document has more than {maximum} tokens; at most {maximum} are allowed (GRAPHQL_MAX_TOKENS)"
    )]
    Tokens {
        /// The limit.
        maximum: usize,
    },
    /// Too many fields within fields.
    #[error(
        "the operation is {depth} fields deep; at most {maximum} are allowed (GRAPHQL_MAX_DEPTH)"
    )]
    Depth {
        /// What was asked.
        depth: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too many aliases.
    #[error(
        "the operation has {aliases} aliases; at most {maximum} are allowed (GRAPHQL_MAX_ALIASES)"
    )]
    Aliases {
        /// What was asked.
        aliases: usize,
        /// The limit.
        maximum: usize,
    },
    /// Too large once its fragments are written out.
    #[error(
        "the document selects {0} fields and fragments once its fragments are written out; at most {MAX_SELECTIONS} are allowed"
    )]
    Selections(usize),
    /// Too many fragments within fragments.
    #[error(
        "fragments are spread within fragments more than {MAX_NESTING} deep; at most {MAX_NESTING} levels are allowed"
    )]
    FragmentNesting,
    /// A fragment that holds itself; the document is not valid.
    #[error("the fragment `{name}` spreads itself, directly or through others")]
    FragmentCycle {
        /// One of the fragments in the ring.
        name: String,
    },
}

/// Counts the tokens and the nesting of a document's text. Malformed text is left to the parser, but never counted as
/// less than the parser might make of it.
pub fn scan(text: &str, limits: &Limits) -> Result<(), LimitExceeded> {
    let mut rest = text;
    let (mut tokens, mut nesting) = (0_usize, 0_usize);
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        rest = rest.get(length..).unwrap_or_default();
        match first {
            ' ' | ',' | '\t' | '\n' | '\r' | '\u{feff}' | '#' => continue,
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

/// Length in bytes of the lexical token, the comment or the ignored character that the text begins with,
/// <https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Lexical-Tokens>.
fn token_length(text: &str, first: char) -> usize {
    let until = |end: fn(char) -> bool| text.find(end).unwrap_or(text.len());
    match first {
        '#' => until(|character| matches!(character, '\n' | '\r')),
        '"' => string_length(text),
        '.' if text.starts_with("...") => "...".len(),
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => {
            until(|character| !(character.is_ascii_alphanumeric() || character == '_'))
        }
        other => other.len_utf8(),
    }
}

/// A block string without an end is taken for an empty string, as the parser does that looks for another reading; a
/// string ends with its line at the latest.
fn string_length(text: &str) -> usize {
    const BLOCK: &str = "\"\"\"";
    if let Some(content) = text.strip_prefix(BLOCK)
        && let Some(length) = block_length(content)
    {
        return BLOCK.len() + length + BLOCK.len();
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

/// Measures a parsed document against the limits: the operation that is meant, and for what validation walks besides,
/// every definition.
pub fn check(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
    limits: &Limits,
) -> Result<(), LimitExceeded> {
    let mut measure = Measure {
        document,
        fragments: HashMap::new(),
    };
    let mut selections = 0_usize;
    for name in document.fragments.keys() {
        selections = selections.max(measure.fragment(name, 0)?.selections);
    }
    for (name, operation) in document.operations.iter() {
        let cost = measure.selection_set(&operation.node.selection_set.node, 0)?;
        selections = selections.max(cost.selections);
        if operation_name.is_none() || name.map(Name::as_str) == operation_name {
            cost.check(limits)?;
        }
    }
    if selections > MAX_SELECTIONS {
        return Err(LimitExceeded::Selections(selections));
    }
    Ok(())
}

/// What a selection set costs once every fragment is written out.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    selections: usize,
    depth: usize,
    aliases: usize,
    /// Fragments within fragments.
    spreads: usize,
}

impl Cost {
    fn check(self, limits: &Limits) -> Result<(), LimitExceeded> {
        if self.depth > limits.max_depth {
            return Err(LimitExceeded::Depth {
                depth: self.depth,
                maximum: limits.max_depth,
            });
        }
        if self.aliases > limits.max_aliases {
            return Err(LimitExceeded::Aliases {
                aliases: self.aliases,
                maximum: limits.max_aliases,
            });
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.spreads = self.spreads.max(other.spreads);
    }
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    /// What each fragment costs; none while it is being measured.
    fragments: HashMap<&'a Name, Option<Cost>>,
}

impl<'a> Measure<'a> {
    /// `spreads` counts the fragments that the set is in; brackets within a definition are bounded by [`scan`].
    fn selection_set(
        &mut self,
        set: &'a SelectionSet,
        spreads: usize,
    ) -> Result<Cost, LimitExceeded> {
        let mut total = Cost::default();
        for Positioned {
            node: selection, ..
        } in &set.items
        {
            let cost = match selection {
                Selection::Field(field) => self.field(&field.node, spreads)?,
                Selection::InlineFragment(inline) => {
                    self.selection_set(&inline.node.selection_set.node, spreads)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, spreads + 1)?
                }
            };
            total.add(Cost {
                selections: cost.selections.saturating_add(1),
                ..cost
            });
        }
        Ok(total)
    }

    fn field(&mut self, field: &'a Field, spreads: usize) -> Result<Cost, LimitExceeded> {
        let within = self.selection_set(&field.selection_set.node, spreads)?;
        let is_introspection = matches!(field.name.node.as_str(), "__schema" | "__type");
        Ok(Cost {
            depth: if is_introspection {
                1
            } else {
                within.depth.saturating_add(1)
            },
            aliases: within
                .aliases
                .saturating_add(usize::from(field.alias.is_some())),
            ..within
        })
    }

    fn fragment(&mut self, name: &'a Name, spreads: usize) -> Result<Cost, LimitExceeded> {
        if spreads > MAX_NESTING {
            return Err(LimitExceeded::FragmentNesting);
        }
        let cost = match self.fragments.get(name) {
            Some(Some(cost)) => *cost,
            Some(None) => {
                return Err(LimitExceeded::FragmentCycle {
                    name: name.to_string(),
                });
            }
            None => self.measure_fragment(name, spreads)?,
        };
        if spreads + cost.spreads > MAX_NESTING {
            return Err(LimitExceeded::FragmentNesting);
        }
        Ok(cost)
    }

    fn measure_fragment(&mut self, name: &'a Name, spreads: usize) -> Result<Cost, LimitExceeded> {
        // An unknown fragment is left to validation.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Cost::default());
        };
        self.fragments.insert(name, None);
        let within = self.selection_set(&fragment.node.selection_set.node, spreads)?;
        let cost = Cost {
            spreads: within.spreads + 1,
            ..within
        };
        self.fragments.insert(name, Some(cost));
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use proptest::prelude::*;

    use super::*;

    fn scanned(text: &str) -> Result<(), LimitExceeded> {
        scan(text, &Limits::default())
    }

    fn checked(text: &str) -> Result<(), LimitExceeded> {
        scanned(text)?;
        check(
            &parse_query(text).expect("the test's document parses"),
            None,
            &Limits::default(),
        )
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

    fn doubling(levels: usize) -> String {
        let fragments = (0..levels).map(|level| {
            format!(
                "fragment f{level} on Query {{ ...f{} ...f{} }} ",
                level + 1,
                level + 1
            )
        });
        let last = format!("fragment f{levels} on Query {{ __typename }} ");
        fragments.chain([last]).collect()
    }

    #[test]
    fn fragments_are_written_out_in_numbers_only() {
        assert_eq!(checked(&format!("{{ ...f0 }} {}", doubling(5))), Ok(()));
        let bomb = doubling(40);
        assert!(matches!(
            checked(&format!("{{ ...f0 }} {bomb}")),
            Err(LimitExceeded::Selections(_))
        ));
        assert!(matches!(
            checked(&format!("{{ __typename }} {bomb}")),
            Err(LimitExceeded::Selections(_))
        ));
    }

    #[test]
    fn a_ring_of_fragments_is_refused() {
        for text in [
            "{ ...a } fragment a on Query { ...a }",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { images { ...a } }",
            "{ __typename } fragment a on Query { ...b } fragment b on Query { ...a }",
        ] {
            assert!(
                matches!(checked(text), Err(LimitExceeded::FragmentCycle { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_chain_of_fragments_is_bounded() {
        let chain = |length: usize| {
            let links = (0..length)
                .map(|link| format!("fragment f{link} on Query {{ ...f{} }} ", link + 1));
            let text: String = links.collect();
            format!("{{ ...f0 }} {text}")
        };
        assert_eq!(checked(&chain(60)), Ok(()));
        assert_eq!(checked(&chain(500)), Err(LimitExceeded::FragmentNesting));
    }

    #[test]
    fn depth_and_aliases_count_through_fragments() {
        let depth = |levels: usize| format!("{}{}", "{a".repeat(levels), "}".repeat(levels));
        assert_eq!(checked(&depth(15)), Ok(()));
        assert_eq!(
            checked(&depth(16)),
            Err(LimitExceeded::Depth {
                depth: 16,
                maximum: 15
            })
        );
        let text = format!("{{ b {{ ...f }} }} fragment f on Query {}", depth(15));
        assert_eq!(
            checked(&text),
            Err(LimitExceeded::Depth {
                depth: 16,
                maximum: 15
            })
        );
        let text = "{ ...f ...f } fragment f on Query { a:x b:x c:x d:x e:x f:x g:x h:x i:x j:x k:x l:x m:x n:x o:x p:x }";
        assert_eq!(
            checked(text),
            Err(LimitExceeded::Aliases {
                aliases: 32,
                maximum: 30
            })
        );
    }

    #[test]
    fn introspection_may_be_deep() {
        let text = format!("{{ __schema {}{} }}", "{a".repeat(30), "}".repeat(30));
        assert_eq!(checked(&text), Ok(()));
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

        /// Where a document parses and holds neither strings nor comments, the scan sees just its brackets.
        #[test]
        fn brackets_of_plain_documents_are_all_seen(text in "[\\[\\](){}a:, ]{0,150}", levels in 0_usize..100) {
            let text = format!("{}{text}", "{a".repeat(levels));
            prop_assert_eq!(scanned(&text).is_err(), deepest(&text) > MAX_NESTING);
        }
    }
}
