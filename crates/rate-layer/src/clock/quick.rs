//! Tokio's clock, read by the processor's counter in between.

use tokio::time::Instant;

use crate::clock::counter::{Seen, Source};
use crate::moment::Moment;

/// A clock that is tokio's, and quicker to read.
#[derive(Debug)]
pub(crate) struct Quick {
    counter: quanta::Clock,
    seen: Seen,
    /// Where the counter stood when it was made.
    origin: u64,
}

impl Quick {
    /// The first of the program finds out how fast the counter runs: a few milliseconds as a rule, 200 at the most.
    pub(crate) fn new() -> Self {
        let counter = quanta::Clock::new();
        Self {
            origin: counter.raw(),
            seen: Seen::nothing(0),
            counter,
        }
    }

    /// The time since `start`.
    #[inline]
    pub(crate) fn now(&self, start: Instant) -> Moment {
        Moment::from_nanos(self.seen.time(&Read { quick: self, start }))
    }
}

/// A look from a start on.
struct Read<'a> {
    quick: &'a Quick,
    start: Instant,
}

impl Source for Read<'_> {
    #[inline]
    fn count(&self) -> u64 {
        let Quick {
            counter, origin, ..
        } = self.quick;
        counter.delta_as_nanos(*origin, counter.raw())
    }

    fn time(&self) -> u64 {
        let since = Instant::now().saturating_duration_since(self.start);
        Moment::START.after(since).as_nanos()
    }
}
