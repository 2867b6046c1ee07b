use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// Accepts the first requests of each minute of its clock, and no more until the next begins.
#[derive(Debug, Default)]
pub struct FixedMinute {
    minute: u128,
    accepted: usize,
}

impl Server for FixedMinute {
    fn judge(&mut self, now: Duration) -> Verdict {
        let minute = now.as_nanos() / MINUTE.as_nanos();
        if minute != self.minute {
            self.minute = minute;
            self.accepted = 0;
        }
        if self.accepted >= LIMIT {
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
    fn the_count_starts_again_with_the_clocks_minute() {
        let mut server = FixedMinute::default();
        let late = Duration::from_millis(59_999);
        for _ in 0..LIMIT {
            assert_eq!(server.judge(late), Verdict::Accepted);
        }
        assert_eq!(server.judge(late), Verdict::Rejected);
        // A millisecond later it is another minute, and twice the limit has passed.
        for _ in 0..LIMIT {
            assert_eq!(server.judge(MINUTE), Verdict::Accepted);
        }
        assert_eq!(
            server.judge(MINUTE + Duration::from_millis(59_999)),
            Verdict::Rejected
        );
    }
}
