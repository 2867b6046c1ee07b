use std::time::Duration;

use super::{LIMIT, MINUTE, Server, Verdict};

/// A bucket of as many tokens as the limit, which fills up evenly in a minute.
///
/// Kept as the one moment at which the bucket will be full, the *theoretical arrival time* of the generic cell rate
/// algorithm.
#[derive(Debug, Default)]
pub struct Gcra {
    full_at: Duration,
}

/// The time in which one token grows.
const TOKEN: Duration = Duration::from_millis(MINUTE.as_millis() as u64 / LIMIT as u64);

impl Server for Gcra {
    fn judge(&mut self, now: Duration) -> Verdict {
        let full_at = self.full_at.max(now) + TOKEN;
        // More than a minute from full: the token is not there.
        if full_at > now + MINUTE {
            return Verdict::Rejected;
        }
        self.full_at = full_at;
        Verdict::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_empties_the_bucket_and_each_600_ms_bring_one_token() {
        let mut server = Gcra::default();
        let start = Duration::from_secs(7);
        for _ in 0..LIMIT {
            assert_eq!(server.judge(start), Verdict::Accepted);
        }
        for (millis, verdict) in [
            (0, Verdict::Rejected),
            (599, Verdict::Rejected),
            (600, Verdict::Accepted),
            (600, Verdict::Rejected),
            // Two have grown meanwhile.
            (1_800, Verdict::Accepted),
            (1_800, Verdict::Accepted),
            (1_800, Verdict::Rejected),
        ] {
            let now = start + Duration::from_millis(millis);
            assert_eq!(server.judge(now), verdict, "{millis}");
        }
    }

    #[test]
    fn the_bucket_holds_no_more_than_the_limit() {
        let mut server = Gcra::default();
        let late = Duration::from_secs(3_600);
        for _ in 0..LIMIT {
            assert_eq!(server.judge(late), Verdict::Accepted);
        }
        assert_eq!(server.judge(late), Verdict::Rejected);
    }
}
