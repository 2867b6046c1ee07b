//! The server's window: a list of all that it has counted.
//!
//! Written to be plain rather than quick. The list is kept whole, so that its peak can be computed from it at the end by a
//! way that the server does not use.

use std::time::Duration;

/// Everything that a server has counted and rejected, and when.
#[derive(Clone, Debug)]
pub struct Log {
    limit: usize,
    window: Duration,
    counted: Vec<Duration>,
    rejected: Vec<Duration>,
}

/// What the server says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is counted.
    Counted,
    /// The window is full. Rejected requests are not counted.
    Rejected {
        /// In what time it would not be.
        retry_after: Duration,
    },
}

impl Log {
    /// An empty log of a server that counts at most `limit` requests in any half-open `window`.
    #[must_use]
    pub fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit,
            window,
            counted: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Counts a request at `now`, or rejects it. Times must not go backwards.
    pub fn count(&mut self, now: Duration) -> Verdict {
        let counts = |stamp: &&Duration| **stamp + self.window > now;
        let inside = self.counted.iter().rev().take_while(counts).count();
        if inside < self.limit {
            self.counted.push(now);
            return Verdict::Counted;
        }
        self.rejected.push(now);
        let first_to_leave = self.counted[self.counted.len() - self.limit];
        Verdict::Rejected {
            retry_after: first_to_leave + self.window - now,
        }
    }

    /// When requests were counted.
    #[must_use]
    pub fn counted(&self) -> &[Duration] {
        &self.counted
    }

    /// How many requests were rejected.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.rejected.len()
    }

    /// The most requests that were counted in any half-open window.
    #[must_use]
    pub fn peak(&self) -> usize {
        peak(&self.counted, self.window)
    }

    /// The most requests that came to be counted in any half-open window, whatever became of them.
    #[must_use]
    pub fn peak_offered(&self) -> usize {
        let mut offered = [&self.counted[..], &self.rejected].concat();
        offered.sort_unstable();
        peak(&offered, self.window)
    }
}

/// The most of `stamps`, which are in order, that lie in any half-open window: one that is the fullest begins with a stamp.
fn peak(stamps: &[Duration], window: Duration) -> usize {
    let from = |first: usize| {
        let end = stamps[first] + window;
        stamps.partition_point(|&stamp| stamp < end) - first
    };
    (0..stamps.len()).map(from).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limit: usize, times: &[u64]) -> (Log, Vec<bool>) {
        let mut log = Log::new(limit, Duration::from_millis(100));
        let counted = times
            .iter()
            .map(|&time| log.count(Duration::from_millis(time)) == Verdict::Counted)
            .collect();
        (log, counted)
    }

    #[test]
    fn a_window_is_half_open() {
        let (log, counted) = log(2, &[0, 50, 99, 100, 149, 150]);
        assert_eq!(counted, [true, true, false, true, false, true]);
        assert_eq!((log.peak(), log.rejected()), (2, 2));
        assert_eq!(log.peak_offered(), 4, "50, 99, 100 and 149");
    }

    #[test]
    fn a_rejection_says_when_to_come_again() {
        let mut log = Log::new(1, Duration::from_millis(100));
        assert_eq!(log.count(Duration::from_millis(7)), Verdict::Counted);
        for (now, wait) in [(8, 99), (106, 1)] {
            let retry_after = Duration::from_millis(wait);
            assert_eq!(
                log.count(Duration::from_millis(now)),
                Verdict::Rejected { retry_after }
            );
        }
        assert_eq!(log.count(Duration::from_millis(107)), Verdict::Counted);
    }

    #[test]
    fn the_peak_is_that_of_a_naive_search() {
        let mut dice = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let mut stamps: Vec<u64> = (0..40).map(|_| dice.u64(0..600)).collect();
            stamps.sort_unstable();
            let naive = (0..600)
                .map(|from| {
                    let inside = |stamp: &&u64| (from..from + 100).contains(*stamp);
                    stamps.iter().filter(inside).count()
                })
                .max();
            let (log, _) = log(usize::MAX, &stamps);
            assert_eq!(Some(log.peak()), naive, "{stamps:?}");
        }
    }
}
