//! The durations that a user has set, and the defaults for the others.

use std::time::Duration;

use crate::token::{Backoff, Timing};

/// What a user has set of a renewing token's durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    pub(super) soft: Option<Duration>,
    pub(super) leeway: Option<Duration>,
    pub(super) backoff: Option<Backoff>,
    pub(super) fetch: Option<Duration>,
    pub(super) wait: Option<Duration>,
}

impl Durations {
    /// Whether the user has set none of them.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All durations; `queued` says that the fetches go through a stack, where they may wait for a place.
    pub(crate) fn timing(self, queued: bool) -> Timing {
        let default = if queued {
            Timing::QUEUED
        } else {
            Timing::DIRECT
        };
        Timing {
            soft: self.soft.unwrap_or(default.soft),
            leeway: self.leeway.unwrap_or(default.leeway),
            backoff: self.backoff.unwrap_or(default.backoff),
            fetch: self.fetch.unwrap_or(default.fetch),
            wait: self.wait.unwrap_or(default.wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_fetch_that_may_queue_outlasts_twice_a_minutes_window_and_the_gate_outlasts_the_fetch() {
        let queued = Durations::default().timing(true);
        assert_eq!((queued.fetch, queued.wait), (SECOND * 150, SECOND * 180));
        let direct = Durations::default().timing(false);
        assert_eq!((direct.fetch, direct.wait), (SECOND * 10, SECOND * 30));
        let same = |timing: Timing| (timing.soft, timing.leeway, timing.backoff);
        assert_eq!(same(queued), same(direct));
    }

    #[test]
    fn what_is_set_wins_also_where_it_is_the_others_default() {
        for queued in [false, true] {
            for (fetch, wait) in [(10, 30), (150, 180)] {
                let set = Durations {
                    fetch: Some(SECOND * fetch),
                    wait: Some(SECOND * wait),
                    ..Durations::default()
                };
                assert!(!set.is_empty());
                let timing = set.timing(queued);
                assert_eq!((timing.fetch, timing.wait), (SECOND * fetch, SECOND * wait));
            }
        }
    }
}
