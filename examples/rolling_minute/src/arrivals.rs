//! What a server has seen, and what follows from it.

use std::time::Duration;

use crate::server::{MINUTE, Verdict};

/// One request at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the server stamped it, from the start of the run.
    pub at: Duration,
    /// What it made of it.
    pub verdict: Verdict,
}

/// All requests at the server, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals(Vec<Arrival>);

impl Arrivals {
    /// Adds a request. It must not be earlier than the one before.
    pub fn push(&mut self, arrival: Arrival) {
        debug_assert!(self.0.last().is_none_or(|last| last.at <= arrival.at));
        self.0.push(arrival);
    }

    /// How many were rejected.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.0
            .iter()
            .filter(|arrival| arrival.verdict == Verdict::Rejected)
            .count()
    }

    /// How many were accepted at `from` or later.
    #[must_use]
    pub fn accepted_from(&self, from: Duration) -> usize {
        self.0
            .iter()
            .filter(|arrival| arrival.at >= from && arrival.verdict == Verdict::Accepted)
            .count()
    }

    /// For each request, when it came, and how many had come by then in the minute that ends with it, accepted or not.
    pub fn trailing(&self) -> impl Iterator<Item = (Duration, usize)> {
        let mut first = 0;
        self.0.iter().enumerate().map(move |(index, arrival)| {
            while arrival.at - self.0[first].at >= MINUTE {
                first += 1;
            }
            (arrival.at, index + 1 - first)
        })
    }

    /// The most that came in any minute.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.trailing().map(|(_, count)| count).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(list: &[(u64, Verdict)]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for &(seconds, verdict) in list {
            let at = Duration::from_secs(seconds);
            arrivals.push(Arrival { at, verdict });
        }
        arrivals
    }

    #[test]
    fn the_trailing_minute_is_half_open_and_holds_rejected_requests_too() {
        use Verdict::{Accepted, Rejected};
        let arrivals = arrivals(&[
            (0, Accepted),
            (30, Accepted),
            (59, Rejected),
            (60, Accepted),
            (89, Accepted),
            (150, Accepted),
        ]);
        let counts: Vec<_> = arrivals.trailing().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 3, 4, 1]);
        assert_eq!(arrivals.peak(), 4);
        assert_eq!(arrivals.rejected(), 1);
        assert_eq!(arrivals.accepted_from(MINUTE), 3);
    }

    #[test]
    fn where_nothing_came_the_peak_is_zero() {
        assert_eq!(Arrivals::default().peak(), 0);
    }
}
