//! Callers and the rows they may access: [`Caller`] and [`Scope`], independent of database and HTTP. [`Authenticator`]
//! turns tokens into callers.

mod algorithms;
mod claims;
mod es512;
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

/// An owner's identifier from another system: 1 to 255 characters, not blank, without U+0000.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// Why an owner's identifier is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Only white space.
    #[error("must not be blank")]
    Blank,
    /// More than [`UserId::MAX_CHARACTERS`].
    #[error("has {0} characters; at most 255 are allowed")]
    TooLong(usize),
    /// Contains U+0000, which no database stores.
    #[error("contains U+0000, which cannot be stored")]
    Nul,
}

impl UserId {
    /// The width of its column, in Unicode scalar values.
    pub const MAX_CHARACTERS: usize = 255;

    /// Checks the identifier, which is not changed.
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

    /// The identifier as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Any caller of an open server: full access to all rows.
    Anyone,
    /// A caller without access, and why: an anonymous caller or one with an invalid token.
    Anonymous(Denied),
    /// An authenticated user: full access to their own rows.
    User(UserId),
    /// A program with full access to all rows.
    Service {
        /// Its name in the trail.
        actor: String,
    },
}

/// Why a caller has no access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A valid token is required; the text says what is wrong with the token, or that there is none.
    #[error("sign in first: {0}")]
    Unauthenticated(&'static str),
    /// The caller is authenticated, but not authorised; the text says for what.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A user requested another owner's rows.
    #[error("access to another user's images is not allowed")]
    AnotherOwner,
    /// A user requested all owners' rows.
    #[error("access to all users' images requires a service token")]
    EveryOwner,
    /// The keys to verify tokens are unavailable at the moment.
    #[error("the keys to verify tokens are not available at the moment; try again")]
    KeysUnavailable,
}

impl Denied {
    /// There is no token.
    pub const NO_TOKEN: Self =
        Self::Unauthenticated("`Authorization: Bearer` with a token is required");
}

/// The rows that an operation may access. A [`Caller`] creates it, which is the access check:
///
/// ```
/// use image_gallery::auth::{Caller, Scope, UserId};
///
/// let alice = UserId::new("alice")?;
/// let scope: Scope = Caller::User(alice.clone()).scope(None)?;
/// assert_eq!(scope.owner(), Some(&alice));
/// assert_eq!(Caller::Anyone.scope(None)?.owner(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing else creates one, except [`Scope::unchecked`]. Its content is private:
///
/// ```compile_fail,E0451
/// use image_gallery::auth::Scope;
///
/// let every_row = Scope { rows: panic!() };
/// ```
///
/// There is no variant:
///
/// ```compile_fail,E0599
/// use image_gallery::auth::Scope;
///
/// let every_row = Scope::Everything;
/// ```
///
/// There is no default:
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
/// To check access only, call [`Caller::require_access`]; an unused scope is a warning, which the build treats as an
/// error:
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

    /// All rows, for any caller: for code that must see other owners' rows, e.g. to check whether an id is taken. That
    /// code must decide what to show the caller. The reason documents the call.
    pub fn unchecked(_reason: &'static str) -> Self {
        Self::EVERY_ROW
    }

    /// The only owner in the scope; None if it contains all rows.
    pub fn owner(&self) -> Option<&UserId> {
        match &self.rows {
            Rows::Everyones => None,
            Rows::OwnedBy(owner) => Some(owner),
        }
    }

    /// Whether it contains the rows of this owner.
    pub fn contains(&self, owner: &str) -> bool {
        self.owner().is_none_or(|own| own.as_str() == owner)
    }
}

impl Caller {
    /// The actor of the server's own changes in the trail. No service token may have this name, and JWTs with this
    /// subject are rejected.
    pub const SYSTEM: &str = "system";

    /// The server itself, with full access to all rows.
    pub fn system() -> Self {
        Self::Service {
            actor: Self::SYSTEM.to_owned(),
        }
    }

    /// The rows that the caller may access, restricted to one owner if a `userId` was given.
    ///
    /// This is the only place that decides access.
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

    /// Fails for a caller without access.
    pub fn require_access(&self) -> Result<(), Denied> {
        self.scope(None).map(drop)
    }

    /// Fails for a caller without access to this owner's rows.
    pub fn require_access_to(&self, owner: UserId) -> Result<(), Denied> {
        self.scope(Some(owner)).map(drop)
    }

    /// Fails for a caller without access to all owners' rows.
    pub fn require_access_to_everybody(&self) -> Result<(), Denied> {
        self.scope_of_everybody().map(drop)
    }

    /// All owners' rows, if the caller has access to them.
    pub fn scope_of_everybody(&self) -> Result<Scope, Denied> {
        let scope = self.scope(None)?;
        if scope.owner().is_some() {
            return Err(Denied::EveryOwner);
        }
        Ok(scope)
    }

    /// The default owner of images that the caller stores; None if the caller is not a user.
    pub fn own_id(&self) -> Option<&UserId> {
        match self {
            Self::User(user_id) => Some(user_id),
            Self::Anyone | Self::Anonymous(_) | Self::Service { .. } => None,
        }
    }

    /// The actor of the caller's changes in the trail; None if unknown.
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
    fn scopes_of_callers() {
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
    fn the_trail_records_known_actors() {
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
