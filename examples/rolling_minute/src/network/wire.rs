//! What is under way, and in which order it reaches the server.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

use crate::arrivals::{Arrival, Arrivals};
use crate::latency::Latency;
use crate::server::{MINUTE, Server, Verdict};

/// The requests between departure and answer, and the server that they go to.
///
/// A request is stamped at a uniformly random moment of its round trip. The server is asked when an answer is due, about all
/// that was stamped until then, in the order of the stamps: what departs later cannot be stamped earlier.
pub(super) struct Wire {
    server: Box<dyn Server>,
    /// The server's clock when the run starts: clients do not begin with the server's minute.
    phase: Duration,
    latency: Latency,
    rng: Rng,
    on_the_way: BinaryHeap<Reverse<(Duration, Ticket)>>,
    /// By ticket; `None` for what is on the way still.
    verdicts: Vec<Option<Verdict>>,
    answered: usize,
    most_in_flight: usize,
    arrivals: Arrivals,
}

/// Names a request, by how many departed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(usize);

impl Wire {
    pub(super) fn new(server: Box<dyn Server>, latency: Latency, mut rng: Rng) -> Self {
        Self {
            server,
            phase: MINUTE.mul_f64(rng.f64()),
            latency,
            rng,
            on_the_way: BinaryHeap::new(),
            verdicts: Vec::new(),
            answered: 0,
            most_in_flight: 0,
            arrivals: Arrivals::default(),
        }
    }

    /// Sends a request off at `now`. The answer is due at the moment returned.
    pub(super) fn depart(&mut self, now: Duration) -> (Ticket, Duration) {
        let round_trip = self.latency.draw(&mut self.rng);
        let stamp = now + round_trip.mul_f64(self.rng.f64());
        let ticket = Ticket(self.verdicts.len());
        self.verdicts.push(None);
        self.on_the_way.push(Reverse((stamp, ticket)));
        let in_flight = self.verdicts.len() - self.answered;
        self.most_in_flight = self.most_in_flight.max(in_flight);
        (ticket, now + round_trip)
    }

    /// Answers a request at `now`, when its round trip is over.
    pub(super) fn answer(&mut self, now: Duration, ticket: Ticket) -> Verdict {
        self.judge_until(now);
        self.answered += 1;
        self.verdicts[ticket.0].expect("stamped before it is answered")
    }

    /// Takes what the server has seen until `end`.
    pub(super) fn finish(&mut self, end: Duration) -> Arrivals {
        self.judge_until(end);
        std::mem::take(&mut self.arrivals)
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }

    fn judge_until(&mut self, now: Duration) {
        while let Some(&Reverse((at, ticket))) = self.on_the_way.peek() {
            if at > now {
                return;
            }
            self.on_the_way.pop();
            let verdict = self.server.judge(self.phase + at);
            self.verdicts[ticket.0] = Some(verdict);
            self.arrivals.push(Arrival { at, verdict });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LATENCIES;
    use crate::server::Rolling;

    fn wire() -> Wire {
        let [_, latency, _] = LATENCIES;
        Wire::new(Box::new(Rolling::default()), latency, Rng::with_seed(7))
    }

    #[test]
    fn requests_are_stamped_inside_their_round_trip_and_judged_in_that_order() {
        let mut wire = wire();
        let mut due: Vec<_> = (0..100)
            .map(|tenth| wire.depart(Duration::from_millis(100 * tenth)))
            .collect();
        due.sort_by_key(|&(_, at)| at);
        for &(ticket, at) in &due {
            assert_eq!(wire.answer(at, ticket), Verdict::Accepted);
        }
        assert!(wire.on_the_way.is_empty());
        let stamps: Vec<_> = wire.finish(MINUTE).trailing().map(|(at, _)| at).collect();
        assert_eq!(stamps.len(), 100);
        assert!(stamps.is_sorted());
        assert!(stamps.last() <= due.last().map(|(_, at)| at));
    }

    #[test]
    fn a_request_that_is_stamped_after_the_end_is_not_counted() {
        let mut wire = wire();
        wire.depart(Duration::ZERO);
        wire.depart(MINUTE);
        assert_eq!(wire.finish(MINUTE).peak(), 1);
    }

    #[test]
    fn the_most_in_flight_is_remembered() {
        let mut wire = wire();
        for minute in [0, 3, 6] {
            let start = minute * MINUTE;
            let tickets = [start, start + MINUTE].map(|now| wire.depart(now).0);
            for ticket in tickets {
                wire.answer(start + 2 * MINUTE, ticket);
            }
        }
        assert_eq!(wire.most_in_flight(), 2);
    }
}
