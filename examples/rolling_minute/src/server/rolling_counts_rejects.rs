use std::collections::VecDeque;
use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// Accepts a request if fewer than the limit have come in the minute that ends with it, accepted or not.
///
/// Who keeps coming is kept out.
#[derive(Debug, Default)]
pub struct RollingCountsRejects {
    seen: VecDeque<Duration>,
}

impl Server for RollingCountsRejects {
    fn judge(&mut self, now: Duration) -> Verdict {
        while self.seen.front().is_some_and(|at| now - *at >= MINUTE) {
            self.seen.pop_front();
        }
        self.seen.push_back(now);
        if self.seen.len() > LIMIT {
            Verdict::Rejected
        } else {
            Verdict::Accepted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_request_counts_for_a_minute_too() {
        let mut server = RollingCountsRejects::default();
        for _ in 0..LIMIT {
            assert_eq!(server.judge(Duration::ZERO), Verdict::Accepted);
        }
        // 100 more, all rejected, and they fill the minute that follows.
        for _ in 0..LIMIT {
            assert_eq!(server.judge(Duration::from_secs(30)), Verdict::Rejected);
        }
        assert_eq!(server.judge(MINUTE), Verdict::Rejected);
        assert_eq!(server.judge(Duration::from_secs(89)), Verdict::Rejected);
        // Those of 30 s are out, those of 60 s and 89 s are not.
        assert_eq!(server.judge(Duration::from_secs(90)), Verdict::Accepted);
    }
}
