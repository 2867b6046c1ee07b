use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// Guesses how many it has accepted in the last 60 s from two counts, as gateways do that keep two numbers a client.
///
/// The guess is this minute's count, and that of the minute before times the share of it that lies in the last 60 s. A
/// request is accepted where the guess is below the limit. Requests that came late in a minute are thus spread over all of it:
/// who keeps an exact rolling minute, but in bursts, is turned away.
#[derive(Debug, Default)]
pub struct SlidingCounter {
    minute: u128,
    before: usize,
    accepted: usize,
}

impl Server for SlidingCounter {
    fn judge(&mut self, now: Duration) -> Verdict {
        let length = MINUTE.as_nanos();
        let minute = now.as_nanos() / length;
        if minute != self.minute {
            let next = minute == self.minute + 1;
            self.before = if next { self.accepted } else { 0 };
            self.minute = minute;
            self.accepted = 0;
        }
        // All in units of a request times a nanosecond, so that nothing is rounded.
        let left = length - now.as_nanos() % length;
        let guess = self.before as u128 * left + self.accepted as u128 * length;
        if guess >= LIMIT as u128 * length {
            return Verdict::Rejected;
        }
        self.accepted += 1;
        Verdict::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_before_counts_by_the_share_that_is_left_of_it() {
        let mut server = SlidingCounter::default();
        for _ in 0..LIMIT {
            assert_eq!(server.judge(Duration::from_secs(10)), Verdict::Accepted);
        }
        for (millis, verdict) in [
            (59_999, Verdict::Rejected),
            // 100 · 60/60 + 0
            (60_000, Verdict::Rejected),
            // 100 · 59/60 + 0 = 98.3, then 99.3, then 100.3
            (61_000, Verdict::Accepted),
            (61_000, Verdict::Accepted),
            (61_000, Verdict::Rejected),
            // 100 · 58.8/60 + 2 = 100 exactly, and a moment later less
            (61_200, Verdict::Rejected),
            (61_201, Verdict::Accepted),
            // 100 · 30/60 + 3 = 53
            (90_000, Verdict::Accepted),
        ] {
            assert_eq!(
                server.judge(Duration::from_millis(millis)),
                verdict,
                "{millis}"
            );
        }
    }

    #[test]
    fn a_burst_of_70_s_ago_is_held_against_the_client() {
        let mut server = SlidingCounter::default();
        for _ in 0..LIMIT {
            server.judge(Duration::ZERO);
        }
        // An exact rolling minute would let 100 pass.
        let passed = (0..LIMIT)
            .filter(|_| server.judge(Duration::from_secs(70)) == Verdict::Accepted)
            .count();
        // 100 · 50/60 + 16 = 99.3, and with 17 it is 100.3.
        assert_eq!(passed, 17);
    }

    #[test]
    fn a_minute_without_requests_forgets_all() {
        let mut server = SlidingCounter::default();
        for _ in 0..LIMIT {
            server.judge(Duration::ZERO);
        }
        for _ in 0..LIMIT {
            assert_eq!(server.judge(2 * MINUTE), Verdict::Accepted);
        }
        assert_eq!(server.judge(2 * MINUTE), Verdict::Rejected);
    }
}
