//! The one place where this crate reads a clock.

use std::time::{Instant, SystemTime};

/// The monotonic clock, paused where tokio's is.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall clock: only for a date in `Retry-After` whose response says nothing of the server's own time.
#[expect(
    clippy::disallowed_methods,
    reason = "the only reading of the wall clock; pure code takes it as an argument"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
