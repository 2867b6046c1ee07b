//! What bounds the load that retries add.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// An allowance for retries, shared by all clones.
///
/// Each retry takes one from it; what it holds grows with successes and with time, and never above its capacity. Whatever
/// happens, and however many threads take part, over any time `T` since the first use
///
/// ```text
/// retries ≤ capacity + per_second · T + per_success · successes
/// ```
///
/// where retries that never left the process are given back and not counted. Every operation is one short loop on one
/// atomic number, whatever the time since the last one.
///
/// The default holds 10, and gains 0.2 for each success and 0.1 for each second.
///
/// ```
/// use std::time::{Duration, Instant};
/// use retry_layer::Budget;
///
/// # #[expect(clippy::disallowed_methods, reason = "an example")]
/// let now = Instant::now();
/// let budget = Budget::new(2).per_success(0.5).per_second(0.1);
/// assert!(budget.withdraw(now) && budget.withdraw(now) && !budget.withdraw(now));
/// budget.deposit(now);
/// budget.deposit(now);
/// assert!(budget.withdraw(now) && !budget.withdraw(now));
/// assert!(budget.withdraw(now + Duration::from_secs(10)));
/// ```
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

// A balance is kept as a moment: the one at which the budget was, or will be, empty. What it holds is the time since
// then, counted in the time that one retry costs. So it grows by itself, and one number says it all.
struct Shared {
    rates: Rates,
    scale: Scale,
    epoch: OnceLock<Instant>,
    /// Nanoseconds since the epoch at which the budget is empty.
    empty_at: AtomicI64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    capacity: u32,
    per_success: f64,
    per_second: f64,
}

/// Rates in nanoseconds of the budget's own time.
#[derive(Clone, Copy)]
struct Scale {
    /// Whether time passes at all.
    flows: bool,
    cost: i64,
    gain: i64,
    full: i64,
}

/// The longest cost of one retry, and of a full budget: far from an overflow of any sum below.
const LONGEST: i64 = i64::MAX / 8;

impl Rates {
    fn scale(self) -> Scale {
        let capacity = i64::from(self.capacity).max(1);
        // Rounded up, and the gain down, so that no rounding lets a retry through.
        let cost = (1e9 / self.per_second).ceil();
        // A floor so low that a full budget would take centuries to fill is none.
        let flows = cost.is_finite() && cost < (LONGEST / capacity) as f64;
        let cost = if flows {
            (cost as i64).max(1)
        } else {
            1_000_000_000
        };
        let gain = (self.per_success * cost as f64).floor();
        Scale {
            flows,
            cost,
            gain: (gain as i64).min(LONGEST),
            full: i64::from(self.capacity) * cost,
        }
    }
}

impl Budget {
    /// A budget that starts full, with `capacity` retries, and gains nothing.
    pub fn new(capacity: u32) -> Self {
        Self::with(Rates {
            capacity,
            per_success: 0.0,
            per_second: 0.0,
        })
    }

    fn with(rates: Rates) -> Self {
        let scale = rates.scale();
        let empty_at = AtomicI64::new(-scale.full);
        Self {
            shared: Arc::new(Shared {
                rates,
                scale,
                epoch: OnceLock::new(),
                empty_at,
            }),
        }
    }

    /// What each success adds, in retries. Makes a new, full budget.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn per_success(self, retries: f64) -> Self {
        assert!(is_rate(retries), "a rate of retries, but {retries}");
        Self::with(Rates {
            per_success: retries,
            ..self.shared.rates
        })
    }

    /// What each second adds, in retries. Makes a new, full budget.
    ///
    /// # Panics
    ///
    /// If `retries` is negative, infinite or not a number.
    #[must_use]
    pub fn per_second(self, retries: f64) -> Self {
        assert!(is_rate(retries), "a rate of retries, but {retries}");
        Self::with(Rates {
            per_second: retries,
            ..self.shared.rates
        })
    }

    /// Takes one retry out of it, or says that it is empty.
    pub fn withdraw(&self, now: Instant) -> bool {
        let scale = self.shared.scale;
        let now = self.elapsed(now, scale);
        let take = |empty_at: i64| {
            let after = empty_at.max(now - scale.full) + scale.cost;
            (after <= now).then_some(after)
        };
        let taken = self.shared.empty_at.fetch_update(Relaxed, Relaxed, take);
        taken.is_ok()
    }

    /// Adds what a success is worth.
    pub fn deposit(&self, now: Instant) {
        let scale = self.shared.scale;
        self.add(now, scale, scale.gain);
    }

    /// Puts back one retry that was taken out and never left the process.
    pub fn refund(&self, now: Instant) {
        let scale = self.shared.scale;
        self.add(now, scale, scale.cost);
    }

    /// Takes one retry out of it though it may be empty: what is missing must come in before the next one.
    pub(crate) fn charge(&self, now: Instant) {
        let scale = self.shared.scale;
        let now = self.elapsed(now, scale);
        let take = |at: i64| Some(at.max(now - scale.full).saturating_add(scale.cost));
        let _ = self.shared.empty_at.fetch_update(Relaxed, Relaxed, take);
    }

    /// How many retries it holds.
    pub fn balance(&self, now: Instant) -> f64 {
        let scale = self.shared.scale;
        let now = self.elapsed(now, scale);
        let held = (now - self.shared.empty_at.load(Relaxed)).min(scale.full);
        held.max(0) as f64 / scale.cost as f64
    }

    fn add(&self, now: Instant, scale: Scale, amount: i64) {
        let now = self.elapsed(now, scale);
        let full = now - scale.full;
        let give = |empty_at: i64| {
            // A full budget stays as it is: no write, so that healthy threads do not fight for the cache line.
            (empty_at > full).then(|| (empty_at - amount).max(full))
        };
        let _ = self.shared.empty_at.fetch_update(Relaxed, Relaxed, give);
    }

    fn elapsed(&self, now: Instant, scale: Scale) -> i64 {
        let epoch = *self.shared.epoch.get_or_init(|| now);
        if !scale.flows {
            return 0;
        }
        let elapsed = now.saturating_duration_since(epoch);
        let longest = Duration::from_nanos(LONGEST.unsigned_abs());
        elapsed.min(longest).as_nanos() as i64
    }
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate >= 0.0
}

impl Default for Budget {
    fn default() -> Self {
        Self::with(Rates {
            capacity: 10,
            per_success: 0.2,
            per_second: 0.1,
        })
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rates {
            capacity,
            per_success,
            per_second,
        } = self.shared.rates;
        f.debug_struct("Budget")
            .field("capacity", &capacity)
            .field("per_success", &per_success)
            .field("per_second", &per_second)
            .finish_non_exhaustive()
    }
}
