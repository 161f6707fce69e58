//! Who asks, and which rows they may touch: [`Caller`] and [`Scope`], which know neither a database nor HTTP.
//! How a token becomes a caller is [`Authenticator`]'s.

mod algorithms;
mod claims;
mod jwks;
mod metrics_token;
mod public_key;
mod service_tokens;
mod token;

pub use algorithms::Algorithms;
pub use claims::{ClaimPath, ClaimRules, ServiceClaim};
pub use jwks::published_keys;
pub use metrics_token::MetricsToken;
pub use public_key::PublicKey;
pub use service_tokens::ServiceTokens;
pub use token::{Authenticator, Options, SignedIn, TokenOptions};

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
    /// Somebody who may do nothing, and why: on a server where one signs in, nobody without a good token.
    Anonymous(Denied),
    /// Somebody who signed in: may do everything on the rows that are theirs.
    User(UserId),
    /// A program that may do everything on every row.
    Service {
        /// The name that the trail knows it by.
        actor: String,
    },
}

/// Why a caller may not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It takes a good token; the text says what is wrong with the one that came, or that none did.
    #[error("sign in first: {0}")]
    Unauthenticated(&'static str),
    /// The caller is known, and may not; the text says what.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A user asked for another owner's rows.
    #[error("another user's images are not yours to see or change")]
    AnotherOwner,
    /// A user asked for everybody's rows.
    #[error("everybody's images are for service tokens")]
    EveryOwner,
    /// The keys that tell a good token from a bad one cannot be had at the moment.
    #[error("the keys that tokens are checked with are not available at the moment; try again")]
    KeysUnavailable,
}

impl Denied {
    /// No token came.
    pub const NO_TOKEN: Self =
        Self::Unauthenticated("`Authorization: Bearer` with a token is required");
}

/// Which rows an operation may touch. A [`Caller`] gives it out, and decides there who may do what:
///
/// ```
/// use image_gallery::auth::{Caller, Scope, UserId};
///
/// let alice = UserId::new("alice").unwrap();
/// let scope: Scope = Caller::User(alice.clone()).scope(None).unwrap();
/// assert_eq!(scope.owner(), Some(&alice));
/// assert_eq!(Caller::Anyone.scope(None).unwrap().owner(), None);
/// ```
///
/// Nothing else makes one, apart from [`Scope::unchecked`]. Its content is private:
///
/// ```compile_fail,E0451
/// use image_gallery::auth::Scope;
///
/// let every_row = Scope { rows: todo!() };
/// ```
///
/// There is no variant to name:
///
/// ```compile_fail,E0599
/// use image_gallery::auth::Scope;
///
/// let every_row = Scope::Everything;
/// ```
///
/// And none to start from:
///
/// ```compile_fail,E0277
/// use image_gallery::auth::Scope;
///
/// fn start<T: Default>() -> T {
///     T::default()
/// }
/// let every_row: Scope = start();
/// ```
///
/// A call that only asks whether the caller may do anything is [`Caller::require_access`]; a scope that is not used is a
/// warning, which the build takes for an error:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use image_gallery::auth::{Caller, Denied};
///
/// fn check(caller: &Caller) -> Result<(), Denied> {
///     caller.scope(None)?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "rows are selected with a scope; `Caller::require_access` asks for nothing but access"]
pub struct Scope {
    rows: Rows,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rows {
    Everyones,
    OwnedBy(UserId),
}

impl Scope {
    const EVERY_ROW: Self = Self {
        rows: Rows::Everyones,
    };

    fn owned_by(owner: UserId) -> Self {
        Self {
            rows: Rows::OwnedBy(owner),
        }
    }

    /// Every row, whoever asks: for what has to see past ownership, such as whether an id is taken. What the caller is
    /// shown of those rows must be decided by the code that reads them. The reason stands beside the call for its reader.
    pub fn unchecked(_reason: &'static str) -> Self {
        Self::EVERY_ROW
    }

    /// The only owner whose rows are in it; none where every row is.
    pub fn owner(&self) -> Option<&UserId> {
        match &self.rows {
            Rows::Everyones => None,
            Rows::OwnedBy(owner) => Some(owner),
        }
    }

    /// Whether it holds a row of this owner.
    pub fn contains(&self, owner: &str) -> bool {
        self.owner().is_none_or(|own| own.as_str() == owner)
    }
}

impl Caller {
    /// The name under which the trail knows what the server does by itself. No service token has it, and a JWT whose
    /// subject it is is refused.
    pub const SYSTEM: &str = "system";

    /// The server itself, which may do everything on every row.
    pub fn system() -> Self {
        Self::Service {
            actor: Self::SYSTEM.to_owned(),
        }
    }

    /// The rows that the caller may touch, narrowed to one owner's where a `userId` was given.
    ///
    /// This is where it is decided who may do what; nothing else says no.
    pub fn scope(&self, user_id: Option<UserId>) -> Result<Scope, Denied> {
        match self {
            Self::Anyone | Self::Service { .. } => {
                Ok(user_id.map_or(Scope::EVERY_ROW, Scope::owned_by))
            }
            Self::User(own) if user_id.is_none_or(|user_id| user_id == *own) => {
                Ok(Scope::owned_by(own.clone()))
            }
            Self::User(_) => Err(Denied::AnotherOwner),
            Self::Anonymous(denied) => Err(denied.clone()),
        }
    }

    /// Refuses a caller who may do nothing.
    pub fn require_access(&self) -> Result<(), Denied> {
        self.scope(None).map(drop)
    }

    /// Refuses a caller who may do nothing with this owner's rows.
    pub fn require_access_to(&self, owner: UserId) -> Result<(), Denied> {
        self.scope(Some(owner)).map(drop)
    }

    /// Everybody's rows, for those who may touch them all.
    pub fn scope_of_everybody(&self) -> Result<Scope, Denied> {
        let scope = self.scope(None)?;
        if scope.owner().is_some() {
            return Err(Denied::EveryOwner);
        }
        Ok(scope)
    }

    /// The owner of what the caller stores without naming one. Nobody in particular owns nothing.
    pub fn own_id(&self) -> Option<&UserId> {
        match self {
            Self::User(user_id) => Some(user_id),
            Self::Anyone | Self::Anonymous(_) | Self::Service { .. } => None,
        }
    }

    /// Whom the trail names as the one who did it. Nobody in particular is not named.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::User(user_id) => Some(user_id.as_str()),
            Self::Service { actor } => Some(actor),
            Self::Anyone | Self::Anonymous(_) => None,
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

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("an id")
    }

    #[test]
    fn who_may_touch_which_rows() {
        let alice = || Some(user("alice"));
        let only_alice = || Ok(Scope::owned_by(user("alice")));
        let service = Caller::Service {
            actor: "worker".to_owned(),
        };
        for (caller, user_id, expected) in [
            (Caller::Anyone, None, Ok(Scope::EVERY_ROW)),
            (Caller::Anyone, alice(), only_alice()),
            (service.clone(), None, Ok(Scope::EVERY_ROW)),
            (service.clone(), alice(), only_alice()),
            (Caller::User(user("alice")), None, only_alice()),
            (Caller::User(user("alice")), alice(), only_alice()),
            (
                Caller::User(user("Alice")),
                alice(),
                Err(Denied::AnotherOwner),
            ),
            (
                Caller::Anonymous(Denied::NO_TOKEN),
                alice(),
                Err(Denied::NO_TOKEN),
            ),
        ] {
            assert_eq!(caller.scope(user_id), expected, "{caller:?}");
        }
        assert_eq!(service.scope_of_everybody(), Ok(Scope::EVERY_ROW));
        assert_eq!(
            Caller::User(user("alice")).scope_of_everybody(),
            Err(Denied::EveryOwner)
        );
        assert_eq!(
            Caller::Anonymous(Denied::NO_TOKEN).scope_of_everybody(),
            Err(Denied::NO_TOKEN)
        );
    }

    #[test]
    fn the_trail_names_whom_it_knows() {
        let service = Caller::Service {
            actor: "worker".to_owned(),
        };
        for (caller, actor, own_id) in [
            (Caller::Anyone, None, None),
            (Caller::Anonymous(Denied::NO_TOKEN), None, None),
            (Caller::User(user("alice")), Some("alice"), Some("alice")),
            (service, Some("worker"), None),
        ] {
            assert_eq!(caller.actor(), actor);
            assert_eq!(caller.own_id().map(UserId::as_str), own_id);
        }
    }
}
