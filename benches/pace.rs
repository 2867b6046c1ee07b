//! How much a limiter lets through.

use std::time::Duration;

/// So many in so long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many.
    pub limit: u32,
    /// In how long.
    pub window: Duration,
}

impl Pace {
    /// More than anybody takes, by a window so short that places free as fast as they are taken.
    ///
    /// So a log of stamps stays some dozens long, one comes and one goes with each request: the work of a long run, without
    /// a list that grows through the measurement. The limit is small, since some logs walk through all the room that they
    /// have set aside.
    pub const OPEN: Self = Self {
        limit: 1000,
        window: Duration::from_micros(5),
    };

    /// Nothing for a long time, once the first hundred are through.
    pub const SHUT: Self = Self {
        limit: 100,
        window: Duration::from_secs(3600),
    };

    /// The time from one to the next where they come evenly; 1 ns at least.
    pub fn spacing(&self) -> Duration {
        (self.window / self.limit).max(Duration::from_nanos(1))
    }
}
