use std::collections::VecDeque;
use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// A rolling log whose stamps are whole seconds, and whose comparison takes in both ends.
///
/// What was accepted at 0.0 s still counts at 60.9 s: the minute lasts up to a second longer than it says.
#[derive(Debug, Default)]
pub struct WholeSeconds {
    accepted: VecDeque<u64>,
}

impl Server for WholeSeconds {
    fn judge(&mut self, now: Duration) -> Verdict {
        let now = now.as_secs();
        let gone = |at: &u64| now - at > MINUTE.as_secs();
        while self.accepted.front().is_some_and(gone) {
            self.accepted.pop_front();
        }
        if self.accepted.len() >= LIMIT {
            return Verdict::Rejected;
        }
        self.accepted.push_back(now);
        Verdict::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_the_61st_second_begins() {
        for stamp in [0, 500, 999] {
            let mut server = WholeSeconds::default();
            for _ in 0..LIMIT {
                assert_eq!(
                    server.judge(Duration::from_millis(stamp)),
                    Verdict::Accepted
                );
            }
            for (millis, verdict) in [
                (60_000, Verdict::Rejected),
                (60_999, Verdict::Rejected),
                (61_000, Verdict::Accepted),
            ] {
                assert_eq!(
                    server.judge(Duration::from_millis(millis)),
                    verdict,
                    "stamped at {stamp} ms, then {millis} ms"
                );
            }
        }
    }
}
