use std::collections::VecDeque;
use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// Accepts a request if it has accepted fewer than the limit in the minute that ends with it.
///
/// The minute is half-open: what was accepted exactly 60 s ago is out.
#[derive(Debug, Default)]
pub struct Rolling {
    accepted: VecDeque<Duration>,
}

impl Server for Rolling {
    fn judge(&mut self, now: Duration) -> Verdict {
        while self.accepted.front().is_some_and(|at| now - *at >= MINUTE) {
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
    fn a_place_is_free_again_60_s_after_it_was_taken() {
        let mut server = Rolling::default();
        for second in 0..100 {
            let now = Duration::from_millis(100 * second);
            assert_eq!(server.judge(now), Verdict::Accepted);
        }
        for (millis, verdict) in [
            (9_900, Verdict::Rejected),
            (59_999, Verdict::Rejected),
            // The request of 0 s is out, those of 0.1 s and later are not.
            (60_000, Verdict::Accepted),
            (60_099, Verdict::Rejected),
            (60_100, Verdict::Accepted),
        ] {
            assert_eq!(
                server.judge(Duration::from_millis(millis)),
                verdict,
                "{millis}"
            );
        }
    }

    #[test]
    fn a_rejected_request_takes_no_place() {
        let mut server = Rolling::default();
        for _ in 0..LIMIT {
            server.judge(Duration::ZERO);
        }
        for _ in 0..LIMIT {
            assert_eq!(server.judge(Duration::from_secs(59)), Verdict::Rejected);
        }
        assert_eq!(server.judge(MINUTE), Verdict::Accepted);
    }
}
