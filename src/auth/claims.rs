//! The required claims of a token, and the [`Caller`] that they identify.
//!
//! 1. The issuer, if one is set.
//! 2. Whether it is a program's token: only if a claim named by the operator says so. Otherwise it is a user's.
//! 3. The audience, if one is set.
//! 4. The user, by the configured claim.
//!
//! Supabase Auth is a preset with its own rules for `role`.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{Caller, Denied, UserId};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// The actor of a program's token without a subject.
const SERVICE_ROLE: &str = "service_role";

/// The requirements for a token's claims.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    issuer: Option<String>,
    /// The token must have one of them; any if empty.
    audiences: Vec<String>,
    user_claim: ClaimPath,
    service_claim: Option<ServiceClaim>,
    is_supabase: bool,
}

impl ClaimRules {
    /// The rules for tokens of Supabase Auth: users have the role `authenticated` and this audience, programs the role
    /// `service_role`.
    pub fn of_supabase(audience: String) -> Self {
        Self {
            issuer: None,
            audiences: vec![audience],
            user_claim: ClaimPath("sub".to_owned()),
            service_claim: Some(ServiceClaim {
                path: ClaimPath("role".to_owned()),
                test: Test::Equals(SERVICE_ROLE.to_owned()),
            }),
            is_supabase: true,
        }
    }

    /// The rules for tokens of any issuer. Without an issuer or audiences, these are not checked.
    pub fn of_any_issuer(
        issuer: Option<String>,
        audiences: Vec<String>,
        user_claim: ClaimPath,
        service_claim: Option<ServiceClaim>,
    ) -> Self {
        Self {
            issuer,
            audiences,
            user_claim,
            service_claim,
            is_supabase: false,
        }
    }

    /// Whether every token signed with the keys is accepted, regardless of its issuer and audience.
    pub fn are_unbound(&self) -> bool {
        self.issuer.is_none() && self.audiences.is_empty()
    }

    /// The caller of a token with these claims.
    pub(super) fn caller(&self, claims: &Claims) -> Result<Caller, Denied> {
        self.check_issuer(claims)?;
        let is_service = (self.service_claim.as_ref()).is_some_and(|claim| claim.is_in(claims));
        if self.is_supabase {
            if is_service {
                return Ok(Caller::Service {
                    actor: SERVICE_ROLE.to_owned(),
                });
            }
            check_role_of_user(claims)?;
        }
        self.check_audience(claims)?;
        let user = self.user(claims);
        if is_service {
            let actor =
                user.map_or_else(|_| SERVICE_ROLE.to_owned(), |user| user.as_str().to_owned());
            return Ok(Caller::Service { actor });
        }
        user.map(Caller::User)
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), Denied> {
        let Some(issuer) = &self.issuer else {
            return Ok(());
        };
        match claims.get("iss") {
            Some(Value::String(issued_by)) if issued_by == issuer => Ok(()),
            _ => Err(Denied::WRONG_ISSUER),
        }
    }

    /// By `aud`; for tokens without it by `client_id`, as in the access tokens of Amazon Cognito.
    fn check_audience(&self, claims: &Claims) -> Result<(), Denied> {
        let is_ours = |audience: &Value| {
            audience
                .as_str()
                .is_some_and(|audience| self.audiences.iter().any(|own| own == audience))
        };
        let is_good = match claims.get("aud").or_else(|| claims.get("client_id")) {
            _ if self.audiences.is_empty() => true,
            Some(Value::Array(several)) => {
                several.iter().all(Value::is_string) && several.iter().any(is_ours)
            }
            Some(one) => is_ours(one),
            None => false,
        };
        if is_good {
            Ok(())
        } else {
            Err(Denied::WRONG_AUDIENCE)
        }
    }

    fn user(&self, claims: &Claims) -> Result<UserId, Denied> {
        let subject = self.user_claim.find(claims).and_then(Value::as_str);
        match subject {
            // In the trail this would look like a change by the server itself.
            Some(Caller::SYSTEM) => Err(Denied::RESERVED_SUBJECT),
            Some(subject) => UserId::new(subject).map_err(|_| Denied::NO_SUBJECT),
            None => Err(Denied::NO_SUBJECT),
        }
    }
}

fn check_role_of_user(claims: &Claims) -> Result<(), Denied> {
    match claims.get("role").and_then(Value::as_str) {
        Some("authenticated") => Ok(()),
        Some("anon") => Err(Denied::ANON),
        _ => Err(Denied::WRONG_ROLE),
    }
}

impl Denied {
    const WRONG_ISSUER: Self = Self::Unauthenticated("the token has a wrong issuer (`iss`)");
    const WRONG_AUDIENCE: Self = Self::Unauthenticated("the token has a wrong audience (`aud`)");
    const NO_SUBJECT: Self = Self::Unauthenticated(
        "the token does not identify its user (`sub`, or the configured claim) by a text of 1 to 255 characters",
    );
    const RESERVED_SUBJECT: Self =
        Self::Unauthenticated("the token's user has the reserved name `system`");
    const WRONG_ROLE: Self = Self::Unauthenticated(
        "the token's `role` is unknown; allowed: `authenticated`, `service_role`",
    );
    const ANON: Self = Self::Forbidden(
        "a token with the role `anon` has no access: sign in as a user, and send that token",
    );
}

/// The location of a claim: its name, or names separated by dots that lead through objects. A name may contain dots
/// itself, e.g. `https://example.com/role`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(String);

impl ClaimPath {
    fn find<'a>(&self, claims: &'a Claims) -> Option<&'a Value> {
        find(claims, &self.0)
    }
}

fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (name, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        find(claims.get(name)?.as_object()?, rest)
    })
}

impl FromStr for ClaimPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MAX_BYTES: usize = 256;
        let text = text.trim();
        let is_whole = !text.is_empty() && text.len() <= MAX_BYTES;
        if !is_whole || text.starts_with('.') || text.ends_with('.') || text.contains("..") {
            return Err(
                "is not a claim; allowed is its name, as in `sub`, or a path with dots through objects, as in \
                 `app_metadata.user_id`"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// The claim that identifies a program's token, with full access to all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceClaim {
    path: ClaimPath,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// The claim equals this text or, for `true`, that value.
    Equals(String),
    /// The claim is a list with this text, or a text with this word, separated by spaces as in `scope`.
    Includes(String),
}

impl ServiceClaim {
    fn is_in(&self, claims: &Claims) -> bool {
        let Some(claim) = self.path.find(claims) else {
            return false;
        };
        match (&self.test, claim) {
            (Test::Equals(expected), Value::String(text)) => text == expected,
            (Test::Equals(expected), Value::Bool(true)) => expected == "true",
            (Test::Includes(expected), Value::String(words)) => {
                words.split_ascii_whitespace().any(|word| word == expected)
            }
            (Test::Includes(expected), Value::Array(items)) => {
                items.iter().any(|item| item.as_str() == Some(expected))
            }
            _ => false,
        }
    }
}

impl FromStr for ServiceClaim {
    type Err = String;

    /// Parses `role=service_role` or `scope~gallery:admin`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "is not `claim=value` (the claim is this) or `claim~value` (it has this word, or list item)";
        let place = text.find(['=', '~']).ok_or(ALLOWED)?;
        let (path, test) = text.split_at(place);
        let path = path.parse().map_err(|_| ALLOWED)?;
        let value = test.get(1..).unwrap_or_default().trim().to_owned();
        if value.is_empty() {
            return Err(ALLOWED.to_owned());
        }
        let test = match test.starts_with('=') {
            true => Test::Equals(value),
            false if value.contains(char::is_whitespace) => return Err(ALLOWED.to_owned()),
            false => Test::Includes(value),
        };
        Ok(Self { path, test })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_claim_is_found_by_its_path() {
        let claims = claims(&json!({
            "sub": "a", "realm_access": { "roles": ["x"] }, "https://example.com/role": "b",
            "https://example.com": { "a.b": { "c": "d" } },
        }));
        for (path, expected) in [
            ("sub", json!("a")),
            ("realm_access.roles", json!(["x"])),
            ("https://example.com/role", json!("b")),
            ("https://example.com.a.b.c", json!("d")),
            ("sub.x", Value::Null),
            ("realm_access.", Value::Null),
            ("nothing", Value::Null),
        ] {
            let found = find(&claims, path).cloned().unwrap_or_default();
            assert_eq!(found, expected, "{path}");
        }
        for text in ["", " ", ".a", "a.", "a..b", &"x".repeat(300)] {
            text.parse::<ClaimPath>().expect_err(text);
        }
    }

    #[test]
    fn program_tokens_are_identified_by_the_service_claim() {
        for (setting, token, expected) in [
            ("role=service_role", json!({ "role": "service_role" }), true),
            (
                "role=service_role",
                json!({ "role": "service_role2" }),
                false,
            ),
            (
                "role=service_role",
                json!({ "role": ["service_role"] }),
                false,
            ),
            (
                "role=service_role",
                json!({ "x": { "role": "service_role" } }),
                false,
            ),
            ("role=service_role", json!({}), false),
            ("admin=true", json!({ "admin": true }), true),
            ("admin=true", json!({ "admin": "true" }), true),
            ("admin=false", json!({ "admin": false }), false),
            (
                "scope~gallery:admin",
                json!({ "scope": "openid gallery:admin" }),
                true,
            ),
            (
                "scope~gallery:admin",
                json!({ "scope": "openid gallery:admins" }),
                false,
            ),
            (
                "scope~gallery:admin",
                json!({ "scope": ["gallery:admin"] }),
                true,
            ),
            (
                "scope~gallery:admin",
                json!({ "scope": { "gallery:admin": true } }),
                false,
            ),
            (
                "realm_access.roles~admin",
                json!({ "realm_access": { "roles": ["user", "admin"] } }),
                true,
            ),
            (
                "https://a.example/roles~a=b",
                json!({ "https://a.example/roles": ["a=b"] }),
                true,
            ),
        ] {
            let claim: ServiceClaim = setting.parse().expect(setting);
            assert_eq!(claim.is_in(&claims(&token)), expected, "{setting} {token}");
        }
        for text in [
            "",
            "role",
            "=x",
            "role=",
            "role= ",
            "~x",
            "scope~a b",
            ".a=b",
        ] {
            text.parse::<ServiceClaim>().expect_err(text);
        }
    }
}
