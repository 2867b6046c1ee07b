//! The one place where this crate asks what time it is.

mod server;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub(crate) use self::server::ServerTime;

/// One moment, on both clocks.
///
/// The monotonic clock stands still while a machine sleeps, and the wall clock may be set to anything: neither alone
/// tells when a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) mono: Instant,
    pub(crate) wall: SystemTime,
}

impl Moment {
    /// The moment `duration` later. Callers cap `duration`; what a clock cannot hold leaves that clock where it is.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self {
            mono: self.mono.checked_add(duration).unwrap_or(self.mono),
            wall: self.wall.checked_add(duration).unwrap_or(self.wall),
        }
    }

    /// How long it is from `now` to this moment, on the clock on which it is nearer.
    pub(crate) fn until(self, now: Self) -> Duration {
        let mono = self.mono.saturating_duration_since(now.mono);
        let wall = self.wall.duration_since(now.wall).unwrap_or_default();
        mono.min(wall)
    }

    /// Whether `now` is at or past this moment on either clock.
    #[inline]
    pub(crate) fn reached(self, now: Self) -> bool {
        now.mono >= self.mono || now.wall >= self.wall
    }
}

/// Both clocks; the wall clock may be replaced.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    wall: Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>,
}

impl Clock {
    pub(crate) fn with_wall(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            wall: Some(Arc::new(wall)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment {
            mono: Instant::now(),
            wall: self
                .wall
                .as_ref()
                .map_or_else(SystemTime::now, |wall| wall()),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(mono: Instant, wall: u64) -> Moment {
        Moment {
            mono,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
        }
    }

    #[test]
    fn either_clock_alone_reaches_a_moment() {
        let start = Instant::now();
        let end = at(start, 10_000).after(HOUR);
        assert!(!end.reached(at(start, 10_000)));
        assert!(end.reached(at(start + HOUR, 10_000)));
        assert!(end.reached(at(start, 13_600)));
    }

    #[test]
    fn a_duration_that_no_clock_can_hold_does_not_panic() {
        let start = at(Instant::now(), 0);
        assert!(start.after(Duration::MAX).reached(start));
    }
}
