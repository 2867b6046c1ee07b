//! The rolling window, exact, without a clock.

use std::{collections::VecDeque, time::Duration};

/// How finely a server stamps what it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// To the nanosecond; a stamp leaves exactly one window length after it was made.
    #[default]
    Exact,
    /// Whole seconds, compared inclusively: a stamp stays up to a second longer than the window's length.
    WholeSeconds,
}

/// When a counted request gets its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At once.
    Now,
    /// Later, by [`Window::stamp`]; until then it occupies a place.
    Later,
}

/// What the window says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The request is counted.
    Counted {
        /// Places that are left after this one.
        remaining: usize,
    },
    /// The limit is reached.
    Rejected {
        /// Time until a place frees, if nobody else takes it.
        retry_after: Duration,
    },
}

/// At most `limit` counted requests in any stretch of `length`.
///
/// A request at `t` is counted if fewer than `limit` places are taken: stamps in `(t − length, t]`, and requests that
/// wait for a late stamp. Times are durations since any fixed moment, and must not go backwards.
#[derive(Debug)]
pub struct Window {
    limit: usize,
    length: Duration,
    resolution: Resolution,
    stamps: VecDeque<Duration>,
    unstamped: usize,
}

impl Window {
    /// An empty window.
    #[must_use]
    pub fn new(limit: usize, length: Duration) -> Self {
        Self {
            limit,
            length,
            resolution: Resolution::Exact,
            stamps: VecDeque::new(),
            unstamped: 0,
        }
    }

    /// Changes the limit; what is counted stays counted.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Changes how finely stamps are compared from now on.
    pub fn set_resolution(&mut self, resolution: Resolution) {
        self.resolution = resolution;
    }

    /// Counts a request, or rejects it.
    pub fn admit(&mut self, now: Duration, count: Count) -> Admission {
        let taken = self.taken(now);
        if taken >= self.limit {
            return Admission::Rejected {
                retry_after: self.frees_in(now, taken),
            };
        }
        match count {
            Count::Now => self.stamps.push_back(now),
            Count::Later => self.unstamped += 1,
        }
        Admission::Counted {
            remaining: self.limit - taken - 1,
        }
    }

    /// Stamps one request that was counted with [`Count::Later`].
    pub fn stamp(&mut self, now: Duration) {
        self.unstamped = self.unstamped.saturating_sub(1);
        self.stamps.push_back(now);
    }

    /// Stamps a rejected request too, for servers that count what they reject.
    pub fn stamp_rejected(&mut self, now: Duration) {
        self.stamps.push_back(now);
    }

    /// Time until the oldest stamp leaves; the whole length if there is none.
    #[must_use]
    pub fn resets_in(&self, now: Duration) -> Duration {
        self.stamps.front().map_or(self.length, |&oldest| {
            self.leaves(oldest).saturating_sub(now)
        })
    }

    /// Whether a request at `now` would be rejected.
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.taken(now) >= self.limit
    }

    /// Places that are taken at `now`.
    pub fn taken(&mut self, now: Duration) -> usize {
        while self
            .stamps
            .front()
            .is_some_and(|&oldest| self.leaves(oldest) <= now)
        {
            self.stamps.pop_front();
        }
        self.stamps.len() + self.unstamped
    }

    /// The first moment at which `stamp` counts no more.
    fn leaves(&self, stamp: Duration) -> Duration {
        match self.resolution {
            Resolution::Exact => stamp + self.length,
            // floor(now) − length ≥ floor(stamp) still counts, so the second after that is the first free one.
            Resolution::WholeSeconds => Duration::from_secs(stamp.as_secs() + 1) + self.length,
        }
    }

    /// Time until so many stamps have left that one more request fits.
    fn frees_in(&self, now: Duration, taken: usize) -> Duration {
        let must_leave = taken + 1 - self.limit.min(taken);
        self.stamps
            .get(must_leave - 1)
            .map_or(self.length, |&stamp| self.leaves(stamp).saturating_sub(now))
    }
}

/// The fullest stretch of one window length, over all that was noted.
#[derive(Debug)]
pub struct Peak {
    length: Duration,
    recent: VecDeque<Duration>,
    most: usize,
}

impl Peak {
    /// Nothing noted yet.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            recent: VecDeque::new(),
            most: 0,
        }
    }

    /// Notes one event; times must not go backwards.
    pub fn note(&mut self, now: Duration) {
        while self
            .recent
            .front()
            .is_some_and(|&oldest| oldest + self.length <= now)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.most = self.most.max(self.recent.len());
    }

    /// The most events in any `(t − length, t]`.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }
}
