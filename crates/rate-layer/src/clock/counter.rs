//! The processor's counter, between two looks at the clock: three times as fast to read, and not to be trusted for long.
//!
//! A counter runs at a rate that is known to some parts in a million, stops or starts anew where the machine sleeps, and need not be the
//! same on each processor. So it never says what time it is: it says how long ago the clock was looked at, and is believed for a
//! millisecond. Whatever it does, the time that is told is no more than that ahead of the clock, as long as the counter does not stop.
//! It is believed only while it has kept step with the clock from one look to the next: so a clock that tests have paused is
//! looked at every time.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// For how long after a look the counter is believed, in nanoseconds.
const TRUSTED: u64 = 1_000_000;
/// How much may pass between the two counts around a look for it to tell when that was.
const CLOSE: u64 = 2_000;
/// How far apart two looks must be at least to tell whether both keep step.
const APART: u64 = 20_000;
/// Long past.
const NEVER: u64 = 1 << 62;

/// What tells the time, in nanoseconds from whenever it likes.
pub(crate) trait Source {
    /// The counter.
    fn count(&self) -> u64;
    /// The clock.
    fn time(&self) -> u64;
}

/// What has been seen of the clock and the counter.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The count of the look from which on the counter is believed.
    since: AtomicU64,
    /// By how much the clock was ahead of the counter; it wraps. Written before the count that it belongs to, and read after it: so it is
    /// never older.
    ahead: AtomicU64,
    /// Count and time of the last look.
    last: Mutex<Option<(u64, u64)>>,
}

impl Seen {
    /// Of a counter that now stands at `count`: nothing yet.
    pub(crate) fn nothing(count: u64) -> Self {
        Self {
            since: AtomicU64::new(count.wrapping_sub(NEVER)),
            ahead: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    /// What time it is, by the clock's measure.
    #[inline]
    pub(crate) fn time(&self, source: &impl Source) -> u64 {
        let count = source.count();
        if count.wrapping_sub(self.since.load(Ordering::Acquire)) < TRUSTED {
            return count.wrapping_add(self.ahead.load(Ordering::Acquire));
        }
        self.look(source)
    }

    #[inline(never)]
    fn look(&self, source: &impl Source) -> u64 {
        let Some(mut last) = self.last.try_lock() else {
            // Another thread looks already.
            return source.time();
        };
        let before = source.count();
        let now = source.time();
        let count = source.count();
        if count.wrapping_sub(before) > CLOSE {
            // Interrupted in between: there is no saying when that was.
            return now;
        }
        let (counted, passed) = match *last {
            // It is too early to tell.
            Some((then, _)) if count.wrapping_sub(then) < APART => return now,
            Some((then, at)) => (count.wrapping_sub(then), now.saturating_sub(at)),
            None => (0, 0),
        };
        *last = Some((count, now));
        let slack = CLOSE + counted / 1_000;
        if counted > 0 && counted.abs_diff(passed) <= slack {
            // By the later of the two counts, so that it never runs ahead by what passes around a look.
            self.ahead.store(now.wrapping_sub(count), Ordering::Release);
            self.since.store(count, Ordering::Release);
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// A clock and a counter that tests move.
    #[derive(Default)]
    struct Played {
        count: Cell<u64>,
        time: Cell<u64>,
        looks: Cell<u32>,
        /// What passes while the clock is looked at.
        delay: Cell<u64>,
    }

    impl Played {
        fn pass(&self, nanos: u64) {
            self.count.set(self.count.get().wrapping_add(nanos));
            self.time.set(self.time.get() + nanos);
        }
    }

    impl Source for Played {
        fn count(&self) -> u64 {
            self.count.get()
        }

        fn time(&self) -> u64 {
            self.looks.set(self.looks.get() + 1);
            let time = self.time.get();
            self.pass(self.delay.get());
            time
        }
    }

    fn trusted() -> (Played, Seen) {
        let source = Played::default();
        source.pass(1 << 50);
        let seen = Seen::nothing(source.count());
        seen.time(&source);
        source.pass(APART);
        seen.time(&source);
        (source, seen)
    }

    #[test]
    fn the_clock_is_looked_at_once_a_millisecond() {
        let (source, seen) = trusted();
        source.looks.set(0);
        for _ in 0..10_000 {
            source.pass(1_000);
            assert_eq!(seen.time(&source), source.time.get());
        }
        assert_eq!(source.looks.get(), 10);
    }

    #[test]
    fn a_clock_that_stands_still_is_looked_at_every_time() {
        let source = Played::default();
        let seen = Seen::nothing(0);
        for step in 1..1_000 {
            source.count.set(step * 50_000);
            if step % 100 == 0 {
                // As a test does that has paused it.
                source.time.set(source.time.get() + 60_000_000_000);
            }
            assert_eq!(seen.time(&source), source.time.get());
        }
    }

    #[test]
    fn a_clock_that_is_stopped_later_is_believed_again_within_two_milliseconds() {
        let (source, seen) = trusted();
        for _ in 0..3 {
            source.count.set(source.count.get() + TRUSTED);
            seen.time(&source);
        }
        assert_eq!(seen.time(&source), source.time.get());
        source.count.set(source.count.get() + 1);
        assert_eq!(seen.time(&source), source.time.get());
    }

    #[test]
    fn a_look_that_was_interrupted_counts_for_nothing() {
        let (source, seen) = trusted();
        source.pass(TRUSTED);
        source.delay.set(30_000_000);
        let time = source.time.get();
        assert_eq!(seen.time(&source), time);
        source.delay.set(0);
        assert_eq!(seen.time(&source), source.time.get());
    }

    proptest! {
        /// A counter may do as it likes, but for standing still: no processor's is more than that ahead.
        #[test]
        fn the_time_is_no_more_than_a_millisecond_ahead(
            steps in prop::collection::vec((0_u64..3_000_000, any::<prop::sample::Index>(), -900_000_i64..900_000), 1..200),
        ) {
            let (source, seen) = trusted();
            for (passed, which, skew) in steps {
                source.pass(passed);
                let jump: u64 = if which.index(10) == 0 { 1 << 40 } else { 0 };
                source.count.set(source.count.get().wrapping_sub(jump).wrapping_add_signed(skew));
                let told = seen.time(&source);
                prop_assert!(told <= source.time.get() + TRUSTED, "{told} {}", source.time.get());
            }
        }

        #[test]
        fn a_steady_counter_whose_rate_is_off_by_a_hundred_parts_in_a_million_is_off_by_less_than_a_microsecond(
            steps in prop::collection::vec(0_u64..3_000_000, 1..200),
        ) {
            let (source, seen) = trusted();
            for passed in steps {
                source.pass(passed);
                source.count.set(source.count.get() + passed / 10_000);
                let told = seen.time(&source);
                prop_assert!(told.abs_diff(source.time.get()) < 1_000);
            }
        }
    }
}
