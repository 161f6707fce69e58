//! Names in errors: of what the client sent, and of settings.

use std::fmt;

/// A name or an id for an error, truncated if it is long.
pub(crate) fn shortened(id: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    let mut shortened: String = id.chars().take(MAX_CHARACTERS).collect();
    if shortened.len() < id.len() {
        shortened.push('…');
    }
    shortened
}

/// The name of a setting in parentheses, if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InParentheses(pub(crate) Option<&'static str>);

impl fmt::Display for InParentheses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(formatter, " ({name})"))
    }
}
