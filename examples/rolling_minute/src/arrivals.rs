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

    /// For each `step` of the run until `end`: the most that had come in the minute before any moment of it.
    #[must_use]
    pub fn highest_each(&self, step: Duration, end: Duration) -> Vec<usize> {
        let mut trailing = self.trailing().peekable();
        let mut highest = Vec::new();
        let mut until = Duration::ZERO;
        while until < end {
            // Between requests the count only falls, so it is highest where the step begins, or where a request comes.
            let begin = until;
            until += step;
            let mut most = self.in_minute_before(begin);
            while let Some((_, count)) = trailing.next_if(|(at, _)| *at < until) {
                most = most.max(count);
            }
            highest.push(most);
        }
        highest
    }

    fn in_minute_before(&self, moment: Duration) -> usize {
        let come = self.0.partition_point(|arrival| arrival.at <= moment);
        let gone = self
            .0
            .partition_point(|arrival| arrival.at + MINUTE <= moment);
        come - gone
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
    fn the_highest_of_each_step_counts_what_is_still_in_the_minute() {
        use Verdict::Accepted;
        let arrivals = arrivals(&[
            (1, Accepted),
            (9, Accepted),
            (61, Accepted),
            (100, Accepted),
        ]);
        let highest = arrivals.highest_each(Duration::from_secs(10), Duration::from_secs(120));
        // Two until 61 s, when one comes as one goes; from 69 s on one, and again two from 100 s to 121 s.
        assert_eq!(highest, [2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn where_nothing_came_the_peak_is_zero() {
        assert_eq!(Arrivals::default().peak(), 0);
    }
}
