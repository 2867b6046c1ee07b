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
    /// The newest epoch of which nothing may be used any more, since the slot was logged out.
    fenced: u64,
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
    LoggedOut,
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
    /// Give up: the slot is logged out.
    LoggedOut,
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
            fenced: 0,
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
            Phase::LoggedOut => Next::LoggedOut,
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

    /// Whether somebody who needs a token would start a fetch now.
    pub(super) fn may_start(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle | Phase::Lost => true,
            Phase::BackingOff { until, .. } => until <= now,
            Phase::Fetching { .. } | Phase::Refused { .. } | Phase::LoggedOut => false,
        }
    }

    /// Whether [`renew`](Self::renew) would change anything now.
    pub(super) fn may_renew(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Fetching { until } => until <= now,
            _ => self.may_start(now),
        }
    }

    /// Whether nothing is lost with this state: no fetch runs, and no pause, refusal or logout stands that a new slot would not
    /// know of. A refusal and a logout are forgotten by a slot that has been `idle` for long.
    pub(super) fn can_be_forgotten(&self, now: Instant, idle: bool) -> bool {
        match self.phase {
            Phase::Idle | Phase::Lost => true,
            Phase::BackingOff { until, .. } => until <= now,
            Phase::Refused { .. } | Phase::LoggedOut => idle,
            Phase::Fetching { .. } => false,
        }
    }

    /// Whether no fetch was started after the one of `epoch`.
    pub(super) fn is_newest(&self, epoch: u64) -> bool {
        epoch == self.epoch
    }

    /// The epoch of a renewal to start behind a token that is still in use, where it is time for one.
    pub(super) fn renew(&mut self, now: Instant, jitter: f64) -> Option<u64> {
        match self.next(now, None, jitter) {
            Next::Start(epoch) => Some(epoch),
            Next::Fetching(_)
            | Next::BackingOff(..)
            | Next::Refused(_)
            | Next::LoggedOut
            | Next::Lost => None,
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
        match self.phase {
            Phase::Idle | Phase::Lost => {}
            Phase::BackingOff { until, .. } if until <= now => {}
            Phase::Fetching { .. }
            | Phase::BackingOff { .. }
            | Phase::Refused { .. }
            | Phase::LoggedOut => return,
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

    /// Ends everything that is under way, until something changes: what a fetch still brings is fenced off.
    pub(super) fn log_out(&mut self) {
        self.phase = Phase::LoggedOut;
        self.failures = 0;
        self.published = self.epoch;
        self.fenced = self.epoch;
    }

    /// Whether the slot was logged out after the fetch of `epoch` began.
    pub(super) fn is_fenced(&self, epoch: u64) -> bool {
        epoch <= self.fenced
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
mod tests;
