//! Which refresh token to spend: pure.

use tokio::time::Instant;

use crate::{Grant, Secret};

/// What the source knows beside the slot.
#[derive(Default)]
pub(super) struct Known {
    /// For a slot that has none.
    first: Option<Secret>,
    login: Option<Login>,
    replaced: Option<Replaced>,
}

/// The grant of a log-in, until the slot has it.
struct Login {
    grant: Grant,
    since: Instant,
    /// What the slot had when it was handed over.
    handed: Option<Option<Secret>>,
}

/// What the server gave for a token, until the slot has it.
struct Replaced {
    slot_had: Option<Secret>,
    newest: Secret,
}

/// What a fetch is to do.
pub(super) enum Step {
    /// Give this grant.
    Hand(Grant),
    /// Spend this refresh token.
    Ask(Secret),
    /// Nothing can be done.
    Nothing,
}

fn same(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    one.map(Secret::expose) == other.map(Secret::expose)
}

impl Known {
    pub(super) fn start_with(&mut self, token: Secret) {
        self.first = Some(token);
    }

    pub(super) fn adopt(&mut self, grant: Grant, now: Instant) {
        self.replaced = None;
        self.login = Some(Login {
            grant,
            since: now,
            handed: None,
        });
    }

    /// What to do in a fetch for a slot whose newest refresh token is `slots`.
    pub(super) fn next(&mut self, slots: Option<&Secret>, now: Instant) -> Step {
        if let Some(mut login) = self.login.take() {
            let token = login.grant.refresh_token.clone();
            let adopted = match (&login.handed, &token) {
                (_, Some(token)) if same(slots, Some(token)) => true,
                // Handed over, and the slot still has what it had before: it was not taken.
                (Some(before), Some(_)) => !same(slots, before.as_ref()),
                (Some(_), None) => true,
                (None, _) => false,
            };
            if !adopted {
                let left = left(&login, now);
                match (left, token) {
                    (Some(grant), _) => {
                        login.handed = Some(slots.cloned());
                        self.login = Some(login);
                        return Step::Hand(grant);
                    }
                    (None, Some(token)) => {
                        self.login = Some(login);
                        return Step::Ask(token);
                    }
                    (None, None) => {}
                }
            }
        }
        match &self.replaced {
            Some(replaced) if same(slots, replaced.slot_had.as_ref()) => {
                Step::Ask(replaced.newest.clone())
            }
            _ => match slots.or(self.first.as_ref()) {
                Some(token) => Step::Ask(token.clone()),
                None => Step::Nothing,
            },
        }
    }

    /// Notes that the server has given `newest`, while the slot had `slots`.
    pub(super) fn replaced(&mut self, slots: Option<&Secret>, newest: &Secret) {
        self.login = None;
        self.replaced = Some(Replaced {
            slot_had: slots.cloned(),
            newest: newest.clone(),
        });
    }
}

/// The grant with what is left of its lifetime; `None` where it has ended.
fn left(login: &Login, now: Instant) -> Option<Grant> {
    let mut grant = login.grant.clone();
    if let Some(lifetime) = &mut grant.lifetime {
        *lifetime = lifetime.checked_sub(now.saturating_duration_since(login.since))?;
    }
    Some(grant)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a fetch is to do, in words.
    fn next(known: &mut Known, slots: Option<&str>, now: Instant) -> String {
        let slots = slots.map(Secret::from);
        match known.next(slots.as_ref(), now) {
            Step::Hand(grant) => format!("hand {} {:?}", grant.token.expose(), grant.lifetime),
            Step::Ask(token) => format!("ask {}", token.expose()),
            Step::Nothing => "nothing".into(),
        }
    }

    fn login(token: &str) -> Grant {
        Grant::new("a").expires_in(60).refresh_token(token)
    }

    #[test]
    fn the_slots_own_token_goes_before_the_first_one() {
        let now = Instant::now();
        let mut known = Known::default();
        assert_eq!(next(&mut known, None, now), "nothing");
        known.start_with("r0".into());
        assert_eq!(next(&mut known, None, now), "ask r0");
        assert_eq!(next(&mut known, Some("r7"), now), "ask r7");
    }

    #[test]
    fn a_replaced_token_is_not_sent_again_though_the_slot_missed_the_new_one() {
        let now = Instant::now();
        let mut known = Known::default();
        known.start_with("r0".into());
        known.replaced(None, &"r1".into());
        assert_eq!(next(&mut known, None, now), "ask r1");
        known.replaced(Some(&"r1".into()), &"r2".into());
        assert_eq!(next(&mut known, Some("r1"), now), "ask r2");
        known.replaced(Some(&"r1".into()), &"r3".into());
        assert_eq!(next(&mut known, Some("r1"), now), "ask r3");
        // The slot has caught up, or knows better.
        assert_eq!(next(&mut known, Some("r3"), now), "ask r3");
        assert_eq!(next(&mut known, Some("r9"), now), "ask r9");
    }

    #[test]
    fn a_log_in_goes_before_all_else_until_the_slot_has_it() {
        let now = Instant::now();
        let mut known = Known::default();
        known.replaced(Some(&"r1".into()), &"r2".into());
        known.adopt(login("n1"), now);
        assert_eq!(next(&mut known, Some("r1"), now), "hand a Some(60s)");
        // It did not take it.
        assert_eq!(
            next(&mut known, Some("r1"), now + SECOND),
            "hand a Some(59s)"
        );
        // It took it.
        assert_eq!(next(&mut known, Some("n1"), now + SECOND), "ask n1");
        assert_eq!(next(&mut known, Some("n2"), now + SECOND), "ask n2");
    }

    #[test]
    fn a_log_in_is_not_handed_over_again_once_the_slot_has_moved_on() {
        let now = Instant::now();
        let mut known = Known::default();
        known.adopt(login("n1"), now);
        assert_eq!(next(&mut known, None, now), "hand a Some(60s)");
        // Another process has spent it already.
        assert_eq!(next(&mut known, Some("n2"), now), "ask n2");
        assert_eq!(next(&mut known, None, now), "nothing");
    }

    #[test]
    fn of_a_log_in_that_has_ended_the_refresh_token_remains() {
        let now = Instant::now();
        let mut known = Known::default();
        known.adopt(login("n1"), now);
        assert_eq!(next(&mut known, Some("r1"), now + SECOND * 61), "ask n1");
        // That failed for now.
        assert_eq!(next(&mut known, Some("r1"), now + SECOND * 61), "ask n1");
        known.replaced(Some(&"r1".into()), &"n2".into());
        assert_eq!(next(&mut known, Some("r1"), now + SECOND * 61), "ask n2");
        assert_eq!(next(&mut known, Some("n2"), now + SECOND * 61), "ask n2");
    }

    #[test]
    fn a_log_in_without_a_refresh_token_is_handed_over_once() {
        let now = Instant::now();
        let mut known = Known::default();
        known.adopt(Grant::new("a"), now);
        assert_eq!(next(&mut known, None, now), "hand a None");
        assert_eq!(next(&mut known, None, now), "nothing");
    }
}
