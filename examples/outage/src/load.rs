//! How the server fails.

use std::ops::Range;
use std::time::Duration;

/// For how long requests arrive.
pub const LENGTH: Duration = Duration::from_secs(180);

/// When the server is out, in the load that has an outage.
pub const OUTAGE: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(120);

/// A server's failures over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Its name in the JSON.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    failing: Failing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failing {
    /// All attempts during [`OUTAGE`], and no other.
    Outage,
    /// This share of all attempts, independently of each other.
    Share(f64),
}

/// All loads.
pub const LOADS: [Load; 4] = [
    Load {
        name: "outage",
        what: "60 s healthy, 60 s in which every attempt fails, 60 s healthy; counted are the requests that arrive in the outage",
        failing: Failing::Outage,
    },
    Load {
        name: "fail_5",
        what: "for 180 s, 5 % of all attempts fail, independently",
        failing: Failing::Share(0.05),
    },
    Load {
        name: "fail_10",
        what: "for 180 s, 10 % of all attempts fail, independently",
        failing: Failing::Share(0.10),
    },
    Load {
        name: "fail_20",
        what: "for 180 s, 20 % of all attempts fail, independently",
        failing: Failing::Share(0.20),
    },
];

impl Load {
    /// How likely an attempt fails that departs at `at`.
    #[must_use]
    pub fn failing(&self, at: Duration) -> f64 {
        match self.failing {
            Failing::Outage => f64::from(u8::from(OUTAGE.contains(&at))),
            Failing::Share(share) => share,
        }
    }

    /// Whether a request that arrives at `at` counts for the figures: in an outage, those that arrive during it do.
    #[must_use]
    pub fn counts(&self, at: Duration) -> bool {
        match self.failing {
            Failing::Outage => OUTAGE.contains(&at),
            Failing::Share(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_and_ends_on_the_minute() {
        let outage = LOADS[0];
        for (millis, fails) in [(0, 0.0), (59_999, 0.0), (60_000, 1.0), (119_999, 1.0)] {
            let at = Duration::from_millis(millis);
            assert_eq!(outage.failing(at), fails, "{millis}");
            assert_eq!(outage.counts(at), fails > 0.0, "{millis}");
        }
        assert_eq!(outage.failing(Duration::from_secs(120)), 0.0);
        assert!(!outage.counts(Duration::from_secs(120)));
    }

    #[test]
    fn independent_failures_are_the_same_at_any_time_and_all_requests_count() {
        for (load, share) in LOADS[1..].iter().zip([0.05, 0.1, 0.2]) {
            for seconds in [0, 90, 179] {
                let at = Duration::from_secs(seconds);
                assert_eq!(load.failing(at), share);
                assert!(load.counts(at));
            }
        }
    }
}
