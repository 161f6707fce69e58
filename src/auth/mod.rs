//! Who asks, and which rows they may touch. Pure: nothing here knows a database or HTTP.

/// An owner's identifier, as another system gave it: 1 to 255 characters, not blank, without U+0000.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// What is wrong with an owner's identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// More than [`UserId::MAX_CHARACTERS`].
    #[error("has {0} characters; at most 255 are allowed")]
    TooLong(usize),
    /// Holds U+0000, which no database stores.
    #[error("contains U+0000, which cannot be stored")]
    Nul,
}

impl UserId {
    /// The width of its column, in Unicode scalar values.
    pub const MAX_CHARACTERS: usize = 255;

    /// Checks the identifier; it is kept as it is.
    pub fn new(text: &str) -> Result<Self, UserIdError> {
        if text.contains('\0') {
            return Err(UserIdError::Nul);
        }
        if text.trim().is_empty() {
            return Err(UserIdError::Blank);
        }
        let characters = text.chars().count();
        if characters > Self::MAX_CHARACTERS {
            return Err(UserIdError::TooLong(characters));
        }
        Ok(Self(text.to_owned()))
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular, on a server that is open: may do everything on every row.
    Anyone,
}

/// Which rows an operation may touch. Comes from a [`Caller`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every row.
    Everything,
    /// The rows of one owner.
    Owner(UserId),
}

impl Caller {
    /// The rows that the caller may touch, narrowed to one owner's where a `userId` was given.
    pub fn scope(&self, user_id: Option<UserId>) -> Scope {
        match self {
            Self::Anyone => user_id.map_or(Scope::Everything, Scope::Owner),
        }
    }

    /// Under which name the trail keeps what the caller does; none where that is nobody in particular.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::Anyone => None,
        }
    }

    /// The owner of what the caller stores without naming one. Nobody in particular owns nothing.
    pub fn own_id(&self) -> Option<&UserId> {
        match self {
            Self::Anyone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_kept_as_given_or_refused() {
        let cases = [
            ("alice", Ok("alice")),
            (" alice ", Ok(" alice ")),
            ("", Err(UserIdError::Blank)),
            (" \t\u{a0}", Err(UserIdError::Blank)),
            ("a\0", Err(UserIdError::Nul)),
        ];
        for (text, expected) in cases {
            let user_id = UserId::new(text);
            assert_eq!(
                user_id.as_ref().map(UserId::as_str),
                expected.as_ref().map(|text| *text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(UserId::new(&"é".repeat(255)).is_ok());
        assert_eq!(
            UserId::new(&"é".repeat(256)),
            Err(UserIdError::TooLong(256))
        );
    }
}
