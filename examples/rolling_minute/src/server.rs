//! The servers: each counts to a hundred a minute in its own way. None shares a line with the limiters.

mod fixed_minute;
mod gcra;
mod rolling;
mod rolling_counts_rejects;
mod sliding_counter;
mod whole_seconds;

use std::fmt;
use std::time::Duration;

pub use fixed_minute::FixedMinute;
pub use gcra::Gcra;
pub use rolling::Rolling;
pub use rolling_counts_rejects::RollingCountsRejects;
pub use sliding_counter::SlidingCounter;
pub use whole_seconds::WholeSeconds;

/// How many requests each server allows in a minute.
pub const LIMIT: usize = 100;

/// The length of every server's window.
pub const MINUTE: Duration = Duration::from_secs(60);

/// What a server makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Accepted,
    /// It is answered with 429.
    Rejected,
}

/// Counts requests, and turns away what is too much.
pub trait Server: Send {
    /// Judges one request at `now`, by the server's own clock. Never called with an earlier time than before.
    fn judge(&mut self, now: Duration) -> Verdict;
}

/// One kind of server: its name, and how a new one is made.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in the JSON.
    pub name: &'static str,
    /// What it does: what follows "a server that".
    pub what: &'static str,
    make: fn() -> Box<dyn Server>,
}

impl Kind {
    /// A server that has seen nothing yet.
    #[must_use]
    pub fn start(&self) -> Box<dyn Server> {
        (self.make)()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All servers. A client that keeps the rolling minute exactly cannot offend the first [`EXACT`].
pub const SERVERS: [Kind; 6] = [
    Kind {
        name: "rolling",
        what: "accepts no more than 100 in any 60 s",
        make: || Box::new(Rolling::default()),
    },
    Kind {
        name: "rolling_counts_rejects",
        what: "rejects where more than 100 came in 60 s, and counts what it rejects too",
        make: || Box::new(RollingCountsRejects::default()),
    },
    Kind {
        name: "fixed_minute",
        what: "accepts no more than 100 in each minute of its clock",
        make: || Box::new(FixedMinute::default()),
    },
    Kind {
        name: "gcra",
        what: "has a bucket of 100 tokens, and adds one each 600 ms",
        make: || Box::new(Gcra::default()),
    },
    Kind {
        name: "sliding_counter",
        what: "guesses the last 60 s from the counts of this minute and the one before",
        make: || Box::new(SlidingCounter::default()),
    },
    Kind {
        name: "whole_seconds",
        what: "stamps in whole seconds, and accepts no more than 100 in 60 s with both ends",
        make: || Box::new(WholeSeconds::default()),
    },
];

/// How many of [`SERVERS`], from the first on, allow all that an exact rolling minute allows.
pub const EXACT: usize = 4;
