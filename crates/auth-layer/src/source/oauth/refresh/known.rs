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
    /// The slot's of the log-in before one that has none: the slot keeps it, since nothing takes its place.
    ended: Option<Secret>,
    /// How often a log-in or a log-out has begun anew. What a request of an earlier era brings is nothing to this one.
    era: u64,
}

/// The grant of a log-in, until the slot has it.
struct Login {
    grant: Grant,
    since: Instant,
    /// What the slot had when it was handed over.
    handed: Option<Option<Secret>>,
}

impl Login {
    /// Whether a slot whose newest refresh token is `slots` has it, or has had it.
    fn is_adopted(&self, slots: Option<&Secret>) -> bool {
        match (&self.handed, &self.grant.refresh_token) {
            (_, Some(token)) if same(slots, Some(token)) => true,
            // Handed over, and the slot still has what it had before: it was not taken.
            (Some(before), Some(_)) => !same(slots, before.as_ref()),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// What the server gave for a token, until the slot has it.
struct Replaced {
    slot_had: Option<Secret>,
    /// Which may be the slot's by now, where a fetch that ended earlier was given no new one for it.
    spent: Secret,
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
        self.era += 1;
        self.replaced = None;
        let ended = self.ended.take();
        self.ended = ended.filter(|ended| !same(Some(ended), grant.refresh_token.as_ref()));
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
            let token_is_missing = token.is_none();
            if !login.is_adopted(slots) {
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
            if token_is_missing {
                // What there was before is another log-in's.
                self.first = None;
                self.ended = login.handed.unwrap_or_else(|| slots.cloned());
            }
        }
        match self.newest(slots) {
            Some(token) => Step::Ask(token),
            None => Step::Nothing,
        }
    }

    /// The newest refresh token but for a log-in's.
    fn newest(&self, slots: Option<&Secret>) -> Option<Secret> {
        match &self.replaced {
            Some(replaced)
                if same(slots, replaced.slot_had.as_ref())
                    || same(slots, Some(&replaced.spent)) =>
            {
                Some(replaced.newest.clone())
            }
            _ => {
                let has_ended = self.ended.is_some() && same(slots, self.ended.as_ref());
                let slots = slots.filter(|_| !has_ended);
                slots.or(self.first.as_ref()).cloned()
            }
        }
    }

    /// What a request belongs to that is sent now.
    pub(super) fn era(&self) -> u64 {
        self.era
    }

    /// Notes that the server has given `newest` for `spent` in answer to a request of `era`, while the slot had `slots`.
    pub(super) fn replaced(
        &mut self,
        era: u64,
        slots: Option<&Secret>,
        spent: &Secret,
        newest: &Secret,
    ) {
        if era != self.era {
            return;
        }
        self.login = None;
        // The server has replaced it, or what came after it.
        self.first = None;
        self.replaced = Some(Replaced {
            slot_had: slots.cloned(),
            spent: spent.clone(),
            newest: newest.clone(),
        });
    }

    /// Forgets all of it, and what is still under way. Gives what it was.
    pub(super) fn leave(&mut self) -> Self {
        let next = Self {
            era: self.era + 1,
            ..Self::default()
        };
        std::mem::replace(self, next)
    }

    /// What is to be given back of what was [left](Self::leave): the newest refresh token, which may be the slot's own, `slots`, and the
    /// grant of a log-in that the slot has not taken.
    pub(super) fn end(self, slots: Option<&Secret>) -> (Option<Secret>, Option<Grant>) {
        let newest = self.newest(slots).or_else(|| slots.cloned());
        let login = self.login.filter(|login| !login.is_adopted(slots));
        (newest, login.map(|login| login.grant))
    }
}

/// The grant with what is left of its lifetime; `None` where it has ended, or has no token to begin with.
fn left(login: &Login, now: Instant) -> Option<Grant> {
    let mut grant = login.grant.clone();
    if let Some(lifetime) = &mut grant.lifetime {
        *lifetime = lifetime.checked_sub(now.saturating_duration_since(login.since))?;
    }
    if grant.token.expose().is_empty() {
        return None;
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

    fn replaced(known: &mut Known, slots: Option<&Secret>, newest: &Secret) {
        let spent = slots.cloned().unwrap_or_else(|| "r0".into());
        known.replaced(known.era(), slots, &spent, newest);
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
        replaced(&mut known, None, &"r1".into());
        assert_eq!(next(&mut known, None, now), "ask r1");
        replaced(&mut known, Some(&"r1".into()), &"r2".into());
        assert_eq!(next(&mut known, Some("r1"), now), "ask r2");
        replaced(&mut known, Some(&"r1".into()), &"r3".into());
        assert_eq!(next(&mut known, Some("r1"), now), "ask r3");
        // The slot has caught up, or knows better.
        assert_eq!(next(&mut known, Some("r3"), now), "ask r3");
        assert_eq!(next(&mut known, Some("r9"), now), "ask r9");
    }

    #[test]
    fn a_token_that_was_replaced_late_is_not_sent_again_though_the_slot_has_it_from_a_newer_fetch()
    {
        let now = Instant::now();
        let mut known = Known::default();
        known.start_with("r0".into());
        // Two fetches have spent it; the one that ended first was given no other one, and the slot has it from there.
        replaced(&mut known, None, &"r1".into());
        assert_eq!(next(&mut known, Some("r0"), now), "ask r1");
        assert_eq!(next(&mut known, Some("r1"), now), "ask r1");
    }

    #[test]
    fn a_log_in_goes_before_all_else_until_the_slot_has_it() {
        let now = Instant::now();
        let mut known = Known::default();
        replaced(&mut known, Some(&"r1".into()), &"r2".into());
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
        replaced(&mut known, Some(&"r1".into()), &"n2".into());
        assert_eq!(next(&mut known, Some("r1"), now + SECOND * 61), "ask n2");
        assert_eq!(next(&mut known, Some("n2"), now + SECOND * 61), "ask n2");
    }

    #[test]
    fn a_refresh_token_alone_is_spent_and_no_empty_token_handed_over() {
        let now = Instant::now();
        let mut known = Known::default();
        known.adopt(Grant::refresh_only("n1"), now);
        assert_eq!(next(&mut known, None, now), "ask n1");
    }

    #[test]
    fn a_log_in_without_a_refresh_token_is_handed_over_once() {
        let now = Instant::now();
        let mut known = Known::default();
        known.adopt(Grant::new("a"), now);
        assert_eq!(next(&mut known, None, now), "hand a None");
        assert_eq!(next(&mut known, None, now), "nothing");
    }

    #[test]
    fn after_a_log_in_without_a_refresh_token_that_of_the_one_before_is_given_back_and_not_spent() {
        let now = Instant::now();
        let mut known = Known::default();
        known.start_with("r0".into());
        assert_eq!(next(&mut known, Some("r1"), now), "ask r1");
        known.adopt(Grant::new("a"), now);
        assert_eq!(next(&mut known, Some("r1"), now), "hand a None");
        // The slot has kept what it had, since nothing took its place.
        assert_eq!(next(&mut known, Some("r1"), now), "nothing");
        assert_eq!(next(&mut known, None, now), "nothing");
        assert_eq!(next(&mut known, Some("r2"), now), "ask r2");
        // Its time is over before the slot has it.
        known.adopt(Grant::new("a").expires_in(60), now);
        assert_eq!(next(&mut known, Some("r2"), now + SECOND * 61), "nothing");
        // Somebody has found it again.
        known.adopt(Grant::refresh_only("r2"), now);
        assert_eq!(next(&mut known, Some("r2"), now), "ask r2");
        known.adopt(Grant::new("a"), now);
        assert_eq!(next(&mut known, Some("r1"), now), "hand a None");
        assert_eq!(next(&mut known, Some("r1"), now), "nothing");
        let (newest, login) = known.leave().end(Some(&"r1".into()));
        assert_eq!(newest.as_ref().map(Secret::expose), Some("r1"));
        assert!(login.is_none());
    }

    #[test]
    fn the_first_token_is_not_sent_again_once_it_was_replaced_though_the_slot_has_forgotten_all() {
        let now = Instant::now();
        let mut known = Known::default();
        known.start_with("r0".into());
        replaced(&mut known, None, &"r1".into());
        replaced(&mut known, Some(&"r1".into()), &"r2".into());
        assert_eq!(next(&mut known, None, now), "nothing");
    }

    #[test]
    fn what_an_earlier_era_brings_neither_ends_a_log_in_nor_follows_a_log_out() {
        let now = Instant::now();
        let mut known = Known::default();
        known.start_with("r0".into());
        let before = known.era();
        known.adopt(login("n1"), now);
        known.replaced(before, None, &"r0".into(), &"r1".into());
        assert_eq!(next(&mut known, None, now), "hand a Some(60s)");
        let before = known.era();
        known.leave();
        known.replaced(before, None, &"n1".into(), &"n2".into());
        assert_eq!(next(&mut known, None, now), "nothing");
    }

    #[test]
    fn forgetting_hands_over_the_newest_token_and_a_log_in_that_was_not_taken() {
        let forget = |known: &mut Known, slots: Option<&str>| {
            let (newest, login) = known.leave().end(slots.map(Secret::from).as_ref());
            let newest = newest.map(|token| token.expose().to_owned());
            let login = login.and_then(|grant| grant.refresh_token);
            (newest, login.map(|token| token.expose().to_owned()))
        };
        let some = |token: &str| Some(token.to_owned());
        let mut known = Known::default();
        known.start_with("r0".into());
        assert_eq!(forget(&mut known, None), (some("r0"), None));
        assert_eq!(forget(&mut known, None), (None, None));
        known.start_with("r0".into());
        assert_eq!(forget(&mut known, Some("r7")), (some("r7"), None));
        replaced(&mut known, Some(&"r7".into()), &"r8".into());
        assert_eq!(forget(&mut known, Some("r7")), (some("r8"), None));
        known.adopt(login("n1"), Instant::now());
        assert_eq!(forget(&mut known, Some("r7")), (some("r7"), some("n1")));
        known.adopt(login("n1"), Instant::now());
        assert_eq!(forget(&mut known, Some("n1")), (some("n1"), None));
    }
}
