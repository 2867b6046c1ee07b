//! One allowance in one atomic number.

use std::hint;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// How many turns a thread that has lost a race stands aside for at most: a microsecond or two.
const ASIDE: u32 = 64;

/// An allowance, kept as a moment: the one at which it was, or will be, empty. What it holds is the time since then, counted
/// in the time that one retry costs. So it grows by itself, and one number says it all.
///
/// All arguments are nanoseconds of the budget's own time; `full` is what it holds at most.
#[derive(Debug)]
pub(super) struct Bucket {
    empty_at: AtomicI64,
}

impl Bucket {
    /// Full, at the time zero.
    pub(super) fn new(full: i64) -> Self {
        Self {
            empty_at: AtomicI64::new(-full),
        }
    }

    /// Takes `amount` out of it, or nothing where it holds less.
    pub(super) fn withdraw(&self, now: i64, amount: i64, full: i64) -> bool {
        self.update(|empty_at| {
            let after = empty_at.max(now - full) + amount;
            (after <= now).then_some(after)
        })
    }

    /// Adds `amount`.
    pub(super) fn add(&self, now: i64, amount: i64, full: i64) {
        let full_since = now - full;
        self.update(|empty_at| {
            // A full one stays as it is: no write, so that healthy threads do not fight for the cache line. What this
            // adds beyond the capacity is cut off where the number is read.
            (empty_at > full_since).then(|| empty_at - amount)
        });
    }

    /// Takes `amount` out of it though it may hold less, down to as much below zero as it holds at most above.
    pub(super) fn charge(&self, now: i64, amount: i64, full: i64) {
        self.update(|at| {
            let after = at.max(now - full) + amount;
            // Never less than is missing already: another thread may have read a later clock.
            Some(after.min(now + full).max(at))
        });
    }

    /// What it holds.
    pub(super) fn held(&self, now: i64, full: i64) -> i64 {
        let held = now - self.empty_at.load(Relaxed);
        held.clamp(0, full)
    }

    pub(super) fn is_full(&self, now: i64, full: i64) -> bool {
        self.held(now, full) >= full
    }

    /// Sets the moment to what `next` makes of it, where it makes something of it.
    ///
    /// Two threads that hand the number's cache line to and fro with each step take several times as long as one after the
    /// other. So the one that has lost a race stands aside, longer each time, while the other gets on.
    fn update(&self, mut next: impl FnMut(i64) -> Option<i64>) -> bool {
        let mut aside = ASIDE / 8;
        loop {
            let at = self.empty_at.load(Relaxed);
            let Some(after) = next(at) else {
                return false;
            };
            let outcome = self.empty_at.compare_exchange(at, after, Relaxed, Relaxed);
            if outcome.is_ok() {
                return true;
            }
            for _ in 0..aside {
                hint::spin_loop();
            }
            aside = (2 * aside).min(ASIDE);
        }
    }
}
