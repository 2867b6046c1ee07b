//! How long to pause before a retry.

use std::time::Duration;

/// Exponential growth up to a cap, then full jitter below what came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) throttle_base: Duration,
    pub(crate) max_delay: Duration,
}

impl Backoff {
    /// The longest pause before retry number `retry`, counted from 1.
    pub(crate) fn ceiling(&self, throttled: bool, retry: u32) -> Duration {
        let base = if throttled {
            self.throttle_base
        } else {
            self.base
        };
        let doubled = 2u32.saturating_pow(retry.saturating_sub(1));
        base.saturating_mul(doubled).min(self.max_delay)
    }
}

/// A pause between zero and `ceiling`, all equally likely.
///
/// `draw` picks a number up to and including its argument. The cap comes first: jitter that is cut off by a cap sends all
/// clients back at the same moment.
pub(crate) fn full_jitter(ceiling: Duration, draw: impl FnOnce(u64) -> u64) -> Duration {
    let most = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(draw(most).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(50),
        throttle_base: Duration::from_secs(1),
        max_delay: Duration::from_secs(20),
    };

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        for (throttled, retry, millis) in [
            (false, 1, 50),
            (false, 2, 100),
            (false, 3, 200),
            (false, 9, 12_800),
            (false, 10, 20_000),
            (false, u32::MAX, 20_000),
            (true, 1, 1_000),
            (true, 2, 2_000),
            (true, 6, 20_000),
        ] {
            let ceiling = BACKOFF.ceiling(throttled, retry);
            assert_eq!(ceiling, Duration::from_millis(millis), "{retry}");
        }
    }

    #[test]
    fn jitter_reaches_from_nothing_to_the_ceiling_and_not_beyond() {
        let ceiling = Duration::from_secs(20);
        assert_eq!(full_jitter(ceiling, |_| 0), Duration::ZERO);
        assert_eq!(full_jitter(ceiling, |most| most), ceiling);
        assert_eq!(full_jitter(ceiling, |_| u64::MAX), ceiling);
        assert_eq!(full_jitter(Duration::ZERO, |most| most), Duration::ZERO);
    }

    #[test]
    fn jitter_differs_at_the_cap_too() {
        let ceiling = BACKOFF.ceiling(false, 30);
        let delays: std::collections::HashSet<_> = (0..2000)
            .map(|_| full_jitter(ceiling, |most| fastrand::u64(..=most)))
            .collect();
        assert!(delays.len() > 1990, "{}", delays.len());
    }
}
