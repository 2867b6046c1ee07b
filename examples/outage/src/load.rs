//! How the server fails.

use std::ops::Range;
use std::time::Duration;

/// For how long requests arrive.
pub const LENGTH: Duration = Duration::from_secs(180);

/// When the server is out, in the load that has an outage.
pub const OUTAGE: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(120);

/// A server that restarts is away for so long, each time.
const RESTART: Duration = Duration::from_millis(200);

/// The time from one restart to the next.
const RESTARTS: Duration = Duration::from_secs(20);

/// What happens to an attempt that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is answered with a 503.
    Answer,
    /// It finds no connection.
    NoConnection,
}

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
    Outage(Failure),
    /// All attempts find no connection while the server restarts.
    Restarts,
    /// This share of all attempts, independently of each other.
    Share(f64),
}

/// All loads.
pub const LOADS: [Load; 6] = [
    Load {
        name: "outage",
        what: "60 s healthy, 60 s in which every attempt fails, 60 s healthy; counted are the requests that arrive in the outage",
        failing: Failing::Outage(Failure::Answer),
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
    Load {
        name: "no_connection",
        what: "60 s healthy, 60 s in which no connection comes about, 60 s healthy; counted are the requests that arrive in between",
        failing: Failing::Outage(Failure::NoConnection),
    },
    Load {
        name: "restarts",
        what: "for 180 s, each 20 s no connection comes about for 0.2 s",
        failing: Failing::Restarts,
    },
];

impl Load {
    /// How likely an attempt fails that departs at `at`.
    #[must_use]
    pub fn failing(&self, at: Duration) -> f64 {
        let certainly = |fails: bool| f64::from(u8::from(fails));
        match self.failing {
            Failing::Outage(_) => certainly(OUTAGE.contains(&at)),
            Failing::Restarts => {
                let since_the_last = at.as_millis() % RESTARTS.as_millis();
                certainly(at >= RESTARTS && since_the_last < RESTART.as_millis())
            }
            Failing::Share(share) => share,
        }
    }

    /// What happens to an attempt that fails.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self.failing {
            Failing::Outage(failure) => failure,
            Failing::Restarts => Failure::NoConnection,
            Failing::Share(_) => Failure::Answer,
        }
    }

    /// Whether a request that arrives at `at` counts for the figures: in an outage, those that arrive during it do.
    #[must_use]
    pub fn counts(&self, at: Duration) -> bool {
        match self.failing {
            Failing::Outage(_) => OUTAGE.contains(&at),
            Failing::Restarts | Failing::Share(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_and_ends_on_the_minute() {
        for outage in [LOADS[0], LOADS[4]] {
            for (millis, fails) in [(0, 0.0), (59_999, 0.0), (60_000, 1.0), (119_999, 1.0)] {
                let at = Duration::from_millis(millis);
                assert_eq!(outage.failing(at), fails, "{millis}");
                assert_eq!(outage.counts(at), fails > 0.0, "{millis}");
            }
            assert_eq!(outage.failing(Duration::from_secs(120)), 0.0);
            assert!(!outage.counts(Duration::from_secs(120)));
        }
        assert_eq!(LOADS[0].failure(), Failure::Answer);
        assert_eq!(LOADS[4].failure(), Failure::NoConnection);
    }

    #[test]
    fn a_restart_takes_a_fifth_of_a_second_and_all_requests_count() {
        let restarts = LOADS[5];
        for (millis, fails) in [
            (0, 0.0),
            (20_000, 1.0),
            (20_199, 1.0),
            (20_200, 0.0),
            (160_100, 1.0),
        ] {
            let at = Duration::from_millis(millis);
            assert_eq!(restarts.failing(at), fails, "{millis}");
            assert!(restarts.counts(at));
        }
        assert_eq!(restarts.failure(), Failure::NoConnection);
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
