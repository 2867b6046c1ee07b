//! How far apart requests are to depart.

use std::num::NonZeroU32;
use std::time::Duration;

/// A minimum distance between departures, or a small burst and a steady rate: the generic cell rate algorithm, by
/// [`governor`](https://docs.rs/governor).
///
/// For servers that a window alone does not satisfy: those whose burst is smaller than their limit (a token bucket, GCRA), and
/// those that estimate a rolling window from two counters. Put it beside the window:
///
/// ```
/// use std::time::Duration;
/// use rate_layer::{MINUTE, Pace, Quota};
///
/// // 100 in any minute, and no two less than 600 ms apart.
/// let quota = Quota::rolling(100, MINUTE).and(Pace::every(Duration::from_millis(600)));
///
/// // A token bucket: 10 at once, and one more every 6 s.
/// let bucket = Pace::every(Duration::from_secs(6)).burst(10);
/// # let _ = (quota, bucket);
/// ```
///
/// # What it does not promise
///
/// It looks at *departures*. The network brings two of them closer together, or further apart, before they reach the server, so a
/// server with a small burst may still refuse one now and then; [`Quota::rolling`](crate::Quota::rolling) has no such
/// gap. A request that never left has used its turn all the same: time that has passed cannot be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    every: Duration,
    burst: NonZeroU32,
}

impl Pace {
    /// Lets one request depart every `period`.
    ///
    /// # Panics
    ///
    /// If `period` is zero; in a `const` that is an error of the compiler.
    #[must_use]
    pub const fn every(period: Duration) -> Self {
        assert!(!period.is_zero(), "a pace must be longer than 0");
        Self {
            every: period,
            burst: NonZeroU32::MIN,
        }
    }

    /// Lets up to `requests` depart at once, where none has for long enough; 1 by default.
    ///
    /// # Panics
    ///
    /// If `requests` is zero.
    #[must_use]
    pub const fn burst(mut self, requests: u32) -> Self {
        self.burst = match NonZeroU32::new(requests) {
            Some(burst) => burst,
            None => panic!("a burst of 0 would admit nothing, ever"),
        };
        self
    }

    /// How far apart departures are in the long run.
    pub const fn period(&self) -> Duration {
        self.every
    }

    /// How many may depart at once.
    pub const fn at_once(&self) -> u32 {
        self.burst.get()
    }
}
