//! What became of each request of a run.

use std::time::Duration;

/// One request, over all its attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// When the program had it, since the start of the run.
    pub arrived: Duration,
    /// How often it was sent.
    pub attempts: u32,
    /// Whether the program got what it asked for.
    pub succeeded: bool,
    /// How long the program waited for its outcome, good or bad.
    pub took: Duration,
}

/// All requests of a run, and when their attempts departed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    calls: Vec<Call>,
    departures: Vec<u32>,
}

impl Log {
    /// Takes note of a request that arrives, and gives its number.
    pub fn arrive(&mut self, arrived: Duration) -> usize {
        self.calls.push(Call {
            arrived,
            ..Call::default()
        });
        self.calls.len() - 1
    }

    /// Takes note of an attempt that departs, and says how many of its request departed before.
    ///
    /// # Panics
    ///
    /// If `call` is no number that [`arrive`](Self::arrive) gave.
    pub fn depart(&mut self, call: usize, at: Duration) -> u32 {
        let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX - 1);
        if self.departures.len() <= second {
            self.departures.resize(second + 1, 0);
        }
        self.departures[second] += 1;
        let attempts = &mut self.calls[call].attempts;
        *attempts += 1;
        *attempts - 1
    }

    /// Takes note of a request's outcome.
    ///
    /// # Panics
    ///
    /// If `call` is no number that [`arrive`](Self::arrive) gave.
    pub fn end(&mut self, call: usize, at: Duration, succeeded: bool) {
        let call = &mut self.calls[call];
        call.succeeded = succeeded;
        call.took = at.saturating_sub(call.arrived);
    }

    /// All requests, in the order of their arrival.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How many attempts departed in that second of the run.
    #[must_use]
    pub fn departed_in(&self, second: usize) -> u32 {
        self.departures.get(second).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn attempts_count_for_their_request_and_for_the_second_in_which_they_depart() {
        let mut log = Log::default();
        let first = log.arrive(990 * MS);
        let second = log.arrive(995 * MS);
        assert_eq!(log.depart(first, 990 * MS), 0);
        assert_eq!(log.depart(second, 995 * MS), 0);
        assert_eq!(log.depart(first, 3000 * MS), 1);
        log.end(first, 3010 * MS, true);
        log.end(second, 996 * MS, false);
        let seen: Vec<_> = (0..5).map(|second| log.departed_in(second)).collect();
        assert_eq!(seen, [2, 0, 0, 1, 0]);
        let call = |arrived, attempts, succeeded, took| Call {
            arrived: arrived * MS,
            attempts,
            succeeded,
            took: took * MS,
        };
        assert_eq!(
            log.calls(),
            [call(990, 2, true, 2020), call(995, 1, false, 1)]
        );
    }
}
