//! What a renewing slot is up to: a pure state machine that takes `now` and never asks for it.
//!
//! ```text
//!            start                        succeed
//!   Idle ─────────────► Fetching(epoch) ───────────► Idle, one generation later
//!    ▲                    │    │    │
//!    │ changed            │    │    └─ its runtime is gone ──► Lost, which starts anew at once
//!    │                    │    └────── refused for good ────► Refused, until something changes
//!    └─ its time comes ── BackingOff ◄─ failed, timed out
//! ```
//!
//! Whether the current token is fresh, soft or hard is a question of the clocks and lies beside this machine. Each fetch has
//! an epoch: what a fetch of an earlier epoch still brings is fenced off, unless nothing newer has been published.

use tokio::time::Instant;

use super::failure::Failure;
use super::timing::Timing;

/// What has happened to a renewing token since its slot was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Fetches that were started.
    pub fetches: u64,
    /// Fetches that brought no token: failed, refused, timed out, or lost with their runtime.
    pub failures: u64,
    /// Tokens that took the place of an earlier one.
    pub renewals: u64,
    /// Tokens that a server refused, each counted once.
    pub rejections: u64,
}

#[derive(Debug)]
pub(super) struct Life {
    counts: Counts,
    timing: Timing,
    phase: Phase,
    /// Of the newest fetch.
    epoch: u64,
    /// Of the fetch that brought the newest token.
    published: u64,
    generation: u64,
    /// Failures in a row. A token that no server has accepted yet does not end the row.
    failures: u32,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Fetching { until: Instant },
    Lost,
    BackingOff { until: Instant, why: Failure },
    Refused { why: Failure },
}

/// What somebody who needs a token is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Start the fetch of this epoch.
    Start(u64),
    /// Wait for the fetch that runs; look again at this time at the latest.
    Fetching(Instant),
    /// Wait for the end of the pause.
    BackingOff(Instant, Failure),
    /// Give up.
    Refused(Failure),
    /// Give up: one's own fetch was dropped with its runtime.
    Lost,
}

impl Life {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            counts: Counts::default(),
            timing,
            phase: Phase::Idle,
            epoch: 0,
            published: 0,
            generation: 0,
            failures: 0,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The next step of somebody who needs a token and has none. `mine` is the epoch of a fetch that they started.
    pub(super) fn next(&mut self, now: Instant, mine: Option<u64>, jitter: f64) -> Next {
        if let Phase::Fetching { until } = self.phase
            && now >= until
        {
            // Its own timer did not end it, so nobody drives the runtime that it runs on.
            self.fail(self.epoch, Failure::TimedOut, now, jitter);
        }
        match &self.phase {
            Phase::Fetching { until } => Next::Fetching(*until),
            Phase::BackingOff { until, why } if now < *until => {
                Next::BackingOff(*until, why.clone())
            }
            Phase::Refused { why } => Next::Refused(why.clone()),
            Phase::Lost if mine == Some(self.epoch) => Next::Lost,
            Phase::Idle | Phase::Lost | Phase::BackingOff { .. } => {
                self.epoch += 1;
                self.counts.fetches += 1;
                self.phase = Phase::Fetching {
                    until: now + self.timing.fetch,
                };
                Next::Start(self.epoch)
            }
        }
    }

    /// The epoch of a renewal to start behind a token that is still in use, where it is time for one.
    pub(super) fn renew(&mut self, now: Instant, jitter: f64) -> Option<u64> {
        match self.next(now, None, jitter) {
            Next::Start(epoch) => Some(epoch),
            Next::Fetching(_) | Next::BackingOff(..) | Next::Refused(_) | Next::Lost => None,
        }
    }

    /// Publishes the token of a fetch: its generation, or `None` where a newer fetch has published already.
    pub(super) fn succeed(&mut self, epoch: u64) -> Option<u64> {
        if epoch <= self.published {
            return None;
        }
        let newer_runs = epoch != self.epoch && matches!(self.phase, Phase::Fetching { .. });
        if !newer_runs {
            self.phase = Phase::Idle;
        }
        self.counts.renewals += u64::from(self.generation > 0);
        self.published = epoch;
        self.generation += 1;
        Some(self.generation)
    }

    /// Notes that a fetch has failed; `false` where it is not the one that runs.
    pub(super) fn fail(&mut self, epoch: u64, why: Failure, now: Instant, jitter: f64) -> bool {
        if !self.runs(epoch) {
            return false;
        }
        self.counts.failures += 1;
        if why.is_permanent() {
            self.phase = Phase::Refused { why };
        } else {
            self.back_off(why, now, jitter);
        }
        true
    }

    /// Notes that a fetch was dropped with its runtime; `false` where it is not the one that runs.
    pub(super) fn lose(&mut self, epoch: u64) -> bool {
        let runs = self.runs(epoch);
        if runs {
            self.counts.failures += 1;
            self.phase = Phase::Lost;
        }
        runs
    }

    /// Notes that a server refused the newest token, which was published at `published`.
    ///
    /// A token that was never once accepted counts as a failed fetch. One that was makes room for the next at once, but
    /// for no more than one in the shortest pause: a server may accept a token on one route and refuse it on another.
    pub(super) fn reject(&mut self, accepted: bool, published: Instant, now: Instant, jitter: f64) {
        self.counts.rejections += 1;
        if !matches!(self.phase, Phase::Idle | Phase::Lost) {
            return;
        }
        let earliest = published + self.timing.backoff.shortest;
        if !accepted {
            self.back_off(Failure::Rejected, now, jitter);
        } else if now < earliest {
            self.phase = Phase::BackingOff {
                until: earliest,
                why: Failure::Rejected,
            };
        }
    }

    /// Notes that a server has accepted the newest token.
    pub(super) fn accept(&mut self) {
        if matches!(self.phase, Phase::Idle) {
            self.failures = 0;
        }
    }

    /// Forgets pauses and refusals: something has changed.
    pub(super) fn change(&mut self) {
        self.failures = 0;
        if !matches!(self.phase, Phase::Fetching { .. }) {
            self.phase = Phase::Idle;
        }
    }

    fn runs(&self, epoch: u64) -> bool {
        epoch == self.epoch && matches!(self.phase, Phase::Fetching { .. })
    }

    fn back_off(&mut self, why: Failure, now: Instant, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        let pause = self
            .timing
            .backoff
            .pause(self.failures, jitter, why.asked_pause());
        self.phase = Phase::BackingOff {
            until: now + pause,
            why,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::SourceError;

    const SECOND: Duration = Duration::from_secs(1);

    fn start(life: &mut Life, now: Instant) -> u64 {
        match life.next(now, None, 0.0) {
            Next::Start(epoch) => epoch,
            other => panic!("{other:?}"),
        }
    }

    fn life() -> (Life, Instant) {
        (Life::new(Timing::default()), Instant::now())
    }

    #[test]
    fn one_fetch_at_a_time() {
        let (mut life, now) = life();
        assert_eq!(start(&mut life, now), 1);
        let end = now + SECOND * 10;
        assert!(matches!(life.next(now, None, 0.0), Next::Fetching(until) if until == end));
        assert_eq!(life.renew(now, 0.0), None);
        assert_eq!(life.succeed(1), Some(1));
        assert_eq!(life.renew(now, 0.0), Some(2));
    }

    #[test]
    fn a_fetch_that_outlives_its_time_is_a_failed_one() {
        let (mut life, now) = life();
        start(&mut life, now);
        let late = now + SECOND * 10;
        let next = life.next(late, None, 0.0);
        let Next::BackingOff(until, Failure::TimedOut) = next else {
            panic!("{next:?}");
        };
        assert_eq!(until, late + SECOND);
        assert_eq!(start(&mut life, until), 2);
        assert!(!life.fail(1, Failure::Panicked, until, 0.0), "fenced");
    }

    #[test]
    fn a_late_token_is_adopted_until_a_newer_one_is_published() {
        let (mut life, now) = life();
        start(&mut life, now);
        life.next(now + SECOND * 10, None, 0.0);
        start(&mut life, now + SECOND * 11);
        assert_eq!(life.succeed(1), Some(1), "nothing newer yet");
        assert!(matches!(
            life.next(now + SECOND * 11, None, 0.0),
            Next::Fetching(_)
        ));
        assert_eq!(life.succeed(2), Some(2));

        start(&mut life, now + SECOND * 12);
        life.next(now + SECOND * 22, None, 0.0);
        start(&mut life, now + SECOND * 30);
        assert_eq!(life.succeed(4), Some(3));
        assert_eq!(life.succeed(3), None, "fenced");
    }

    #[test]
    fn a_lost_fetch_is_started_anew_by_anybody_but_its_starter() {
        let (mut life, now) = life();
        start(&mut life, now);
        assert!(life.lose(1));
        assert!(matches!(life.next(now, Some(1), 0.0), Next::Lost));
        assert_eq!(start(&mut life, now), 2);
        assert!(!life.lose(1), "fenced");
    }

    #[test]
    fn a_permanent_refusal_stays_until_something_changes() {
        let (mut life, now) = life();
        start(&mut life, now);
        let why = Failure::Source(Arc::new(SourceError::permanent("revoked")));
        assert!(life.fail(1, why, now, 0.0));
        let years = now + SECOND * 100_000_000;
        assert!(matches!(life.next(years, None, 0.0), Next::Refused(_)));
        assert_eq!(life.renew(years, 0.0), None);
        life.change();
        assert_eq!(start(&mut life, years), 2);
    }

    #[test]
    fn tokens_that_are_never_accepted_are_fetched_ever_more_slowly() {
        let (mut life, mut now) = life();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let epoch = start(&mut life, now);
            life.succeed(epoch);
            life.reject(false, now, now, 1.0);
            let Next::BackingOff(until, Failure::Rejected) = life.next(now, None, 1.0) else {
                panic!("no pause");
            };
            pauses.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn an_accepted_token_that_is_refused_makes_room_at_once_but_once_a_second() {
        let (mut life, now) = life();
        let epoch = start(&mut life, now);
        life.succeed(epoch);
        life.accept();
        life.reject(true, now, now + SECOND * 5, 0.0);
        assert_eq!(start(&mut life, now + SECOND * 5), 2);

        life.succeed(2);
        life.reject(true, now + SECOND * 5, now + SECOND * 5, 0.0);
        let next = life.next(now + SECOND * 5, None, 0.0);
        assert!(matches!(next, Next::BackingOff(until, _) if until == now + SECOND * 6));
    }

    #[test]
    fn acceptance_ends_a_row_of_failures_and_a_mere_fetch_does_not() {
        let (mut life, now) = life();
        start(&mut life, now);
        life.fail(1, Failure::Panicked, now, 1.0);
        start(&mut life, now + SECOND * 2);
        life.succeed(2);
        assert_eq!(life.failures, 1);
        life.accept();
        assert_eq!(life.failures, 0);
    }
}
