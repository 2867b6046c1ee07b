//! The one place that reads the wall clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Unix time that never steps: the wall clock is read once, tokio's clock carries it on.
///
/// A test that pauses tokio's time pauses this clock too, and nobody who sets the machine's clock moves a window.
#[derive(Debug)]
pub(crate) struct Clock {
    unix_at_start: Duration,
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "tokens and the Date header need the time of day"
        )]
        let wall = SystemTime::now();
        Self {
            unix_at_start: wall
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            start: Instant::now(),
        }
    }

    /// Time since the Unix epoch, to the nanosecond.
    pub(crate) fn now(&self) -> Duration {
        self.unix_at_start + self.start.elapsed()
    }

    /// The time of day as a server would say it whose clock is `offset` seconds off.
    pub(crate) fn shifted(&self, offset: i64) -> Duration {
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 {
            self.now().saturating_sub(by)
        } else {
            self.now().saturating_add(by)
        }
    }
}
