//! What the layer has done so far.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Stop;

/// A snapshot of what a [`RetryLayer`](crate::RetryLayer) has done, over all services that it made.
///
/// `Debug` names the reasons to stop that there were, and how often.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    retries: u64,
    replays_after_401: u64,
    stopped: [u64; Stop::COUNT],
}

impl Counters {
    /// Replays that were handed down because of a failure, a throttle or a refusal. A layer below may have turned some away.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Replays that were handed down because a 401 had led to a newer credential.
    pub fn replays_after_401(&self) -> u64 {
        self.replays_after_401
    }

    /// Calls that ended for the reason `stop`.
    pub fn stopped(&self, stop: Stop) -> u64 {
        self.stopped[stop as usize]
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("retries", &self.retries)
            .field("replays_after_401", &self.replays_after_401)
            .field("stopped", &Stopped(self))
            .finish()
    }
}

/// The reasons to stop that there were.
struct Stopped<'a>(&'a Counters);

impl fmt::Debug for Stopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = Stop::ALL.map(|stop| (stop, self.0.stopped(stop)));
        f.debug_map()
            .entries(counted.into_iter().filter(|(_, count)| *count > 0))
            .finish()
    }
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    retries: AtomicU64,
    replays_after_401: AtomicU64,
    stopped: [AtomicU64; Stop::COUNT],
}

impl Tally {
    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn replay_after_401(&self) {
        self.replays_after_401.fetch_add(1, Relaxed);
    }

    pub(crate) fn stop(&self, stop: Stop) {
        self.stopped[stop as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            retries: self.retries.load(Relaxed),
            replays_after_401: self.replays_after_401.load(Relaxed),
            stopped: std::array::from_fn(|i| self.stopped[i].load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_each_reason_that_there_was_and_no_other() {
        let tally = Tally::default();
        tally.retry();
        tally.stop(Stop::NotSafe);
        tally.stop(Stop::Renewals);
        tally.stop(Stop::Renewals);
        assert_eq!(
            format!("{:?}", tally.snapshot()),
            "Counters { retries: 1, replays_after_401: 0, stopped: {NotSafe: 1, Renewals: 2} }"
        );
        for (place, stop) in Stop::ALL.into_iter().enumerate() {
            assert_eq!(stop as usize, place);
        }
    }
}
