//! The forms in which servers say when a window resets.

use std::time::Duration;

use super::stated::Stated;
use super::time;
use crate::throttle::{ResponseHead, since_epoch};

/// How a server writes the moment at which its window resets.
///
/// Moments are read against the response's own `Date`, since the clocks may differ: without one they say nothing. `Date` is in
/// whole seconds, so that such a reset may be up to a second late, and never early. What is over at the response is 0;
/// what is further off than [`Stated::LONGEST`] is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetForm {
    /// Told from the value.
    ///
    /// A number below 1 000 000 000 (as unix time: September 2001) is [`Seconds`](Self::Seconds), one below
    /// 100 000 000 000 is [`UnixSeconds`](Self::UnixSeconds), any other [`UnixMillis`](Self::UnixMillis). What is no number is
    /// a [`Duration`](Self::Duration) or else a [`Timestamp`](Self::Timestamp). The guess is wrong for servers that send a
    /// delay in milliseconds.
    #[default]
    Guess,
    /// A delay in seconds: `60`, `0.25`.
    Seconds,
    /// Seconds since the unix epoch: `1609844400`, `1609844400.25`.
    UnixSeconds,
    /// Milliseconds since the unix epoch: `1609844400000`.
    UnixMillis,
    /// A delay with units, as Go prints it: `6m0s`, `12ms`, `1h2m3.5s`.
    Duration,
    /// A moment, as in RFC 3339 (`2021-01-05T11:00:00Z`; seconds may be missing) or an HTTP-date (RFC 9110, section 5.6.7).
    Timestamp,
}

impl ResetForm {
    /// How long after `head` the reset is.
    pub(super) fn read(self, value: &str, head: &ResponseHead<'_>) -> Option<Duration> {
        let delay = match self {
            Self::Guess => return self.guess(value, head),
            Self::Seconds => time::seconds(value)?,
            Self::Duration => time::duration(value)?,
            Self::UnixSeconds => time::seconds(value)?.saturating_sub(head.date()?),
            Self::UnixMillis => (time::seconds(value)? / 1000).saturating_sub(head.date()?),
            Self::Timestamp => time::rfc3339(value)
                .or_else(|| since_epoch(value))?
                .saturating_sub(head.date()?),
        };
        (delay <= Stated::LONGEST).then_some(delay)
    }

    fn guess(self, value: &str, head: &ResponseHead<'_>) -> Option<Duration> {
        if let Some(number) = time::seconds(value) {
            return Self::of_number(number.as_secs()).read(value, head);
        }
        let as_duration = Self::Duration.read(value, head);
        as_duration.or_else(|| Self::Timestamp.read(value, head))
    }

    /// How long after `head` the reset is that a whole number guesses at.
    pub(super) fn number(self, number: u64, head: &ResponseHead<'_>) -> Option<Duration> {
        let delay = match Self::of_number(number) {
            Self::UnixSeconds => Duration::from_secs(number).saturating_sub(head.date()?),
            Self::UnixMillis => Duration::from_millis(number).saturating_sub(head.date()?),
            _ => Duration::from_secs(number),
        };
        (delay <= Stated::LONGEST).then_some(delay)
    }

    fn of_number(number: u64) -> Self {
        match number {
            0..1_000_000_000 => Self::Seconds,
            1_000_000_000..100_000_000_000 => Self::UnixSeconds,
            _ => Self::UnixMillis,
        }
    }
}
