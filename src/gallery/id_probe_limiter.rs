//! Limits how often a user can learn that an id is stored for another owner. The primary key makes that answer
//! unavoidable; a user who gets it for many ids is probing for existing ones.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use crate::auth::{Caller, UserId};

const MINUTE: Duration = Duration::from_mins(1);
/// Maximum number of such answers in a minute: those of one whole batch.
const MAX_ANSWERS: usize = super::MAX_BATCH;
/// Maximum number of users that are tracked in a minute; beyond it all are dropped, which bounds memory.
const MAX_USERS: usize = 50_000;

/// Counts of the current minute.
#[derive(Debug)]
pub(super) struct IdProbeLimiter(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    since: Instant,
    of_users: HashMap<UserId, usize>,
}

impl IdProbeLimiter {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Answers {
            since: Instant::now(),
            of_users: HashMap::new(),
        }))
    }

    /// Refuses a user who has used up the limit, before the ids are looked up. A caller who sees every image is not limited:
    /// the answer tells nothing new.
    pub(super) fn check(&self, caller: &Caller, now: Instant) -> Result<(), Error> {
        let Caller::User(user_id) = caller else {
            return Ok(());
        };
        let answers = self.of_this_minute(now, |of_users| {
            of_users.get(user_id).copied().unwrap_or_default()
        });
        if answers >= MAX_ANSWERS {
            tracing::warn!(
                user.id = user_id.as_str(),
                "a user who tries ids that are stored for other owners must wait"
            );
            return Err(Error::TooManyTaken);
        }
        Ok(())
    }

    /// Counts the ids that a user learned to be taken.
    pub(super) fn note(&self, caller: &Caller, ids: usize, now: Instant) {
        if let (Caller::User(user_id), 1..) = (caller, ids) {
            self.of_this_minute(now, |of_users| {
                *of_users.entry(user_id.clone()).or_default() += ids;
            });
        }
    }

    fn of_this_minute<T>(
        &self,
        now: Instant,
        work: impl FnOnce(&mut HashMap<UserId, usize>) -> T,
    ) -> T {
        // No code panics while it holds the lock, so the state is consistent.
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now - answers.since >= MINUTE || answers.of_users.len() >= MAX_USERS {
            answers.of_users.clear();
            answers.since = now;
        }
        work(&mut answers.of_users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_answers_in_a_minute() {
        let answers = IdProbeLimiter::new();
        let now = Instant::now();
        let user = |id| Caller::User(UserId::new(id).expect("an id"));
        let (alice, bob) = (user("alice"), user("bob"));
        let service = Caller::Service {
            actor: "worker".to_owned(),
        };
        answers.note(&alice, MAX_ANSWERS - 1, now);
        answers.note(&service, MAX_ANSWERS, now);
        assert!(answers.check(&alice, now).is_ok());
        answers.note(&alice, 1, now);
        assert!(matches!(
            answers.check(&alice, now),
            Err(Error::TooManyTaken)
        ));
        assert!(answers.check(&bob, now).is_ok());
        assert!(answers.check(&service, now).is_ok());
        assert!(answers.check(&alice, now + 2 * MINUTE).is_ok());
    }
}
