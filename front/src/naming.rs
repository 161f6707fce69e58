//! How errors show names: of what a caller has sent, and of settings.

use std::fmt;

/// A name or an id as an error shows it: its beginning, should it be a long one.
pub(crate) fn shortened(id: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    let mut shortened: String = id.chars().take(MAX_CHARACTERS).collect();
    if shortened.len() < id.len() {
        shortened.push('…');
    }
    shortened
}

/// The name of a setting behind what it sets, where it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InParentheses(pub(crate) Option<&'static str>);

impl fmt::Display for InParentheses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(formatter, " ({name})"))
    }
}
