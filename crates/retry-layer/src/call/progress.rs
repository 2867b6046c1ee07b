//! What a call has used up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use call_context::{BoxError, SlotName};

use crate::budget::Withdrawal;
use crate::{RetryInfo, Stop};

/// What a call has used up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Replays so far, of either kind.
    replays: u32,
    /// Replays that counted as attempts.
    pub(super) retries: u32,
    /// Whether a layer below has refused the call already.
    pub(super) refused: bool,
    /// Whether the one replay after a 401 has been spent.
    pub(super) renewed: bool,
    /// Replays after a 401 that were sent down.
    replays_after_401: u32,
    /// What the attempt is that is under way, or comes next.
    pub(super) current: Attempt,
    /// Since when the call has been waiting for its next attempt.
    pausing_since: Option<Instant>,
    paused: Duration,
    /// Attempts that are known not to have left.
    stayed: u32,
    /// What kept the last replay from leaving, where an earlier outcome stands.
    refusal: Option<Arc<BoxError>>,
}

#[derive(Debug, Default)]
pub(super) enum Attempt {
    /// The first one that may reach the server, after a local refusal perhaps: nothing extra, so nothing to pay for.
    #[default]
    First,
    /// Paid for out of the budget.
    Retry(Withdrawal),
    /// With a newer credential of this slot.
    Renewal(Option<SlotName>),
}

impl Progress {
    /// The number of the attempt that is under way.
    pub(super) fn attempt(&self) -> u32 {
        self.replays.saturating_add(1)
    }

    /// Of `attempts` in all, the first included.
    pub(super) fn attempts_left(&self, attempts: u32) -> u32 {
        attempts.saturating_sub(1).saturating_sub(self.retries)
    }

    /// Takes note that the call begins to wait for its next attempt.
    pub(super) fn pausing(&mut self, now: Instant) {
        self.pausing_since = Some(now);
    }

    /// Takes note that the wait is over.
    pub(super) fn paused_until(&mut self, now: Instant) {
        if let Some(since) = self.pausing_since.take() {
            self.paused += now.saturating_duration_since(since);
        }
    }

    /// Takes note that the attempt that was under way has not left.
    pub(super) fn stayed(&mut self) {
        self.stayed = self.stayed.saturating_add(1);
    }

    /// Keeps `error`, which kept the last replay from leaving and is not what is returned.
    pub(super) fn turned_away(&mut self, error: BoxError) {
        self.refusal = Some(Arc::new(error));
    }

    /// Takes note that the replay is sent now, and says whether it is one after a 401.
    pub(super) fn replaying(&mut self, now: Instant) -> bool {
        self.paused_until(now);
        self.replays = self.replays.saturating_add(1);
        self.refusal = None;
        match &mut self.current {
            Attempt::Renewal(_) => {
                self.replays_after_401 += 1;
                true
            }
            Attempt::Retry(withdrawal) => {
                withdrawal.send();
                false
            }
            Attempt::First => false,
        }
    }

    pub(super) fn info(&self, stop: Option<Stop>) -> RetryInfo {
        RetryInfo {
            attempts: self.attempt(),
            replays_after_401: self.replays_after_401,
            stop,
            paused: self.paused,
            departures: self.attempt().saturating_sub(self.stayed),
            refusal: self.refusal.clone(),
        }
    }
}
