//! How long a token lives, and how long to wait for the next one: pure arithmetic.

use std::time::Duration;

use crate::clock::Moment;

/// The longest lifetime that is believed. Nothing is lost by renewing once a year.
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest pause that a source may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A slot's durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) soft: Duration,
    pub(crate) leeway: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) fetch: Duration,
    pub(crate) wait: Duration,
}

impl Timing {
    /// The defaults of a source with a client of its own.
    pub(crate) const DIRECT: Self = Self {
        soft: Duration::from_secs(300),
        leeway: Duration::from_secs(1),
        backoff: Backoff {
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        },
        fetch: Duration::from_secs(10),
        wait: Duration::from_secs(30),
    };

    /// The defaults of a source whose requests go through a stack. A rate layer lets them queue for a little more than twice its
    /// window; a fetch that is given up earlier rejoins the queue at its end, and may never get through.
    pub(crate) const QUEUED: Self = Self {
        fetch: Duration::from_secs(150),
        wait: Duration::from_secs(180),
        ..Self::DIRECT
    };

    /// When a token that was asked for at `born` and lives for `lifetime` is due for renewal, and when it ends.
    ///
    /// `jitter`, between 0 and 1, spreads the renewals of many processes over the last quarter of the soft window.
    pub(super) fn plan(&self, lifetime: Duration, born: Moment, jitter: f64) -> Expiry {
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let hard = lifetime - self.leeway.min(lifetime / 10);
        let window = self.soft.min(lifetime / 5).mul_f64(1.0 - jitter / 4.0);
        let soft = lifetime.saturating_sub(window).min(hard);
        Expiry {
            soft: born.after(soft),
            hard: born.after(hard),
        }
    }
}

/// When a token is due for renewal, and when it is used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) soft: Moment,
    pub(super) hard: Moment,
}

/// The pauses after failed fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The pause after the `failures`-th failure in a row, at least as long as the source `asked` for.
    ///
    /// The ceiling doubles from twice the shortest pause to the longest one; the pause is drawn from the upper half
    /// below it, so that it is jittered at every step, the last one included.
    pub(super) fn pause(&self, failures: u32, jitter: f64, asked: Option<Duration>) -> Duration {
        let factor = 2_u32.saturating_pow(failures.max(1));
        let ceiling = self.shortest.saturating_mul(factor).min(self.longest);
        let floor = self.shortest.max(ceiling / 2);
        let pause = floor + ceiling.saturating_sub(floor).mul_f64(jitter);
        pause.max(asked.unwrap_or_default().min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds from birth to soft and hard expiry.
    fn plan(lifetime: Duration, jitter: f64) -> (f64, f64) {
        let born = Moment {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
        };
        let expiry = Timing::DIRECT.plan(lifetime, born, jitter);
        let since = |moment: Moment| {
            let mono = moment.mono - born.mono;
            assert_eq!(moment.wall, born.wall + mono);
            mono.as_secs_f64()
        };
        (since(expiry.soft), since(expiry.hard))
    }

    #[test]
    fn a_token_is_due_five_minutes_or_a_fifth_before_its_end() {
        for (lifetime, jitter, soft, hard) in [
            (3600, 0.0, 3300.0, 3599.0),
            (3600, 1.0, 3375.0, 3599.0),
            (100, 0.0, 80.0, 99.0),
            (100, 1.0, 85.0, 99.0),
            (1, 0.0, 0.8, 0.9),
            (0, 0.0, 0.0, 0.0),
        ] {
            let got = plan(SECOND * lifetime, jitter);
            assert_eq!(got, (soft, hard), "{lifetime} s, jitter {jitter}");
        }
    }

    #[test]
    fn no_lifetime_overflows_a_clock() {
        let year = LONGEST_LIFETIME.as_secs_f64();
        assert_eq!(plan(Duration::MAX, 0.0), (year - 300.0, year - 1.0));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_jittered_throughout() {
        let backoff = Timing::DIRECT.backoff;
        for (failures, least, most) in [
            (1, 1, 2),
            (2, 2, 4),
            (3, 4, 8),
            (6, 30, 60),
            (7, 30, 60),
            (u32::MAX, 30, 60),
        ] {
            assert_eq!(backoff.pause(failures, 0.0, None), SECOND * least);
            assert_eq!(backoff.pause(failures, 1.0, None), SECOND * most);
        }
        let exact = Backoff {
            shortest: SECOND,
            longest: SECOND,
        };
        assert_eq!(exact.pause(5, 0.7, None), SECOND);
    }

    #[test]
    fn a_source_may_ask_for_more_but_not_for_ever() {
        let backoff = Timing::DIRECT.backoff;
        assert_eq!(backoff.pause(1, 0.0, Some(SECOND * 9)), SECOND * 9);
        assert_eq!(backoff.pause(3, 0.0, Some(SECOND)), SECOND * 4);
        assert_eq!(backoff.pause(1, 0.0, Some(Duration::MAX)), LONGEST_PAUSE);
    }
}
