//! What bounds the load that retries add.

use std::fmt;
use std::hint;
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
    empty_at: Apart,
}

/// A number in cache lines of its own: whoever reads what is beside it does not wait for those that write it.
#[repr(align(128))]
struct Apart(AtomicI64);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    capacity: u32,
    per_success: f64,
    per_second: f64,
}

/// How many turns a thread that has lost a race stands aside for at most: a microsecond or two.
const ASIDE: u32 = 64;

impl Shared {
    /// Sets the moment to what `next` makes of it, where it makes something of it.
    ///
    /// Two threads that hand the number's cache line to and fro with each step take several times as long as one after the
    /// other. So the one that has lost a race stands aside, longer each time, while the other gets on.
    fn update(&self, mut next: impl FnMut(i64) -> Option<i64>) -> bool {
        let mut aside = ASIDE / 8;
        loop {
            let at = self.empty_at.0.load(Relaxed);
            let Some(after) = next(at) else {
                return false;
            };
            let outcome = self
                .empty_at
                .0
                .compare_exchange(at, after, Relaxed, Relaxed);
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
        let empty_at = Apart(AtomicI64::new(-scale.full));
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
        self.shared.update(take)
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
    ///
    /// No more than its capacity is ever missing.
    pub(crate) fn charge(&self, now: Instant) {
        let scale = self.shared.scale;
        let now = self.elapsed(now, scale);
        let take = |at: i64| {
            let after = at.max(now - scale.full) + scale.cost;
            // Never less than is missing already: another thread may have read a later clock.
            Some(after.min(now + scale.full).max(at))
        };
        self.shared.update(take);
    }

    /// How many retries it holds.
    pub fn balance(&self, now: Instant) -> f64 {
        let scale = self.shared.scale;
        let now = self.elapsed(now, scale);
        let held = (now - self.shared.empty_at.0.load(Relaxed)).min(scale.full);
        held.max(0) as f64 / scale.cost as f64
    }

    fn add(&self, now: Instant, scale: Scale, amount: i64) {
        let now = self.elapsed(now, scale);
        let full = now - scale.full;
        let give = |empty_at: i64| {
            // A full budget stays as it is: no write, so that healthy threads do not fight for the cache line. What this
            // adds beyond the capacity is cut off where the number is read.
            (empty_at > full).then(|| empty_at - amount)
        };
        self.shared.update(give);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(budget: &Budget, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn the_default_holds_ten_and_gains_by_success_and_by_time() {
        let budget = Budget::default();
        let now = crate::clock::now();
        assert_eq!(drain(&budget, now), 10);
        for _ in 0..4 {
            budget.deposit(now);
        }
        assert!(!budget.withdraw(now));
        budget.deposit(now);
        assert_eq!(drain(&budget, now), 1);
        assert_eq!(drain(&budget, now + SECOND * 10), 1);
        assert_eq!(drain(&budget, now + SECOND * 40), 3);
    }

    #[test]
    fn seven_idle_days_fill_it_once_and_no_more() {
        let budget = Budget::default();
        let now = crate::clock::now();
        assert_eq!(drain(&budget, now), 10);
        let later = now + SECOND * 7 * 24 * 3600;
        assert_eq!(budget.balance(later), 10.0);
        assert_eq!(drain(&budget, later), 10);
        assert_eq!(drain(&budget, later), 0);
    }

    #[test]
    fn successes_of_a_full_budget_are_not_saved_up() {
        let budget = Budget::new(3).per_success(0.5);
        let now = crate::clock::now();
        for _ in 0..1000 {
            budget.deposit(now);
        }
        assert_eq!(drain(&budget, now), 3);
    }

    #[test]
    fn a_budget_without_rates_never_recovers() {
        let budget = Budget::new(2);
        let now = crate::clock::now();
        assert_eq!(drain(&budget, now), 2);
        budget.deposit(now);
        assert_eq!(drain(&budget, now + SECOND * 1_000_000), 0);
    }

    #[test]
    fn a_refund_is_one_retry() {
        let budget = Budget::new(1);
        let now = crate::clock::now();
        assert!(budget.withdraw(now) && !budget.withdraw(now));
        budget.refund(now);
        assert_eq!(drain(&budget, now), 1);
    }

    #[test]
    fn no_more_is_ever_missing_than_the_capacity() {
        let budget = Budget::new(3).per_second(1.0);
        let now = crate::clock::now();
        for _ in 0..1000 {
            budget.charge(now);
        }
        // Three seconds until it is empty and one more until it holds a retry; charges that read an earlier clock add none.
        budget.charge(now - SECOND);
        assert_eq!(drain(&budget, now + SECOND * 4 - SECOND / 1000), 0);
        assert_eq!(drain(&budget, now + SECOND * 4), 1);
        assert_eq!(budget.balance(now + SECOND * 9), 3.0);
    }

    #[test]
    fn extreme_rates_neither_overflow_nor_let_anything_through() {
        let now = crate::clock::now();
        let eternity = now + SECOND * 3600 * 24 * 365 * 200;
        for (capacity, per_second, held) in [
            (0, 1e6, 0),
            (3, 1e-300, 3),
            (3, f64::MIN_POSITIVE, 3),
            (3, 1e-12, 3),
            (3, 1e300, 3),
        ] {
            let budget = Budget::new(capacity).per_success(1e300);
            let budget = budget.per_second(per_second);
            assert_eq!(drain(&budget, now), held, "{per_second}");
            budget.deposit(now);
            assert_eq!(drain(&budget, now), held, "{per_second}");
            budget.deposit(eternity);
            assert_eq!(drain(&budget, eternity), held, "{per_second}");
        }
        let budget = Budget::new(u32::MAX).per_second(1e-9);
        assert!(budget.withdraw(now) && budget.withdraw(eternity));
    }

    #[test]
    fn a_clock_that_is_read_late_changes_nothing() {
        let budget = Budget::new(1).per_second(1.0);
        let now = crate::clock::now() + SECOND;
        assert!(budget.withdraw(now));
        assert!(budget.withdraw(now + SECOND));
        assert!(!budget.withdraw(now));
        assert!(!budget.withdraw(now - SECOND));
    }

    #[test]
    #[should_panic(expected = "a rate of retries")]
    fn a_rate_below_zero_is_refused() {
        let _ = Budget::new(1).per_success(-0.1);
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Success,
        Retry,
        NeverLeft,
        Pass(u32),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Success),
            Just(Event::Retry),
            Just(Event::NeverLeft),
            (0u32..5_000).prop_map(Event::Pass),
        ]
    }

    #[derive(Default)]
    struct Count {
        retries: u64,
        successes: u64,
        elapsed: Duration,
    }

    /// Plays `events` against `budget`, and counts what it let through.
    fn play(budget: &Budget, start: Instant, events: &[Event]) -> Count {
        let mut count = Count::default();
        for event in events {
            let now = start + count.elapsed;
            match event {
                Event::Success => {
                    budget.deposit(now);
                    count.successes += 1;
                }
                Event::Retry => count.retries += u64::from(budget.withdraw(now)),
                Event::NeverLeft => {
                    if budget.withdraw(now) {
                        budget.refund(now);
                    }
                }
                Event::Pass(millis) => count.elapsed += Duration::from_millis((*millis).into()),
            }
        }
        count
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_is_exact_under_two_threads(
            capacity in 0u32..20,
            per_success in 0.0f64..2.0,
            per_second in 0.0f64..5.0,
            ours in prop::collection::vec(event(), 0..200),
            theirs in prop::collection::vec(event(), 0..200),
        ) {
            let budget = Budget::new(capacity).per_success(per_success).per_second(per_second);
            let start = crate::clock::now();
            let (a, b) = std::thread::scope(|scope| {
                let other = scope.spawn(|| play(&budget, start, &theirs));
                (play(&budget, start, &ours), other.join().expect("no panic"))
            });
            let elapsed = a.elapsed.max(b.elapsed).as_secs_f64();
            let bound = f64::from(capacity)
                + per_second * elapsed
                + per_success * (a.successes + b.successes) as f64;
            // A hair for the arithmetic of this line; the budget's own is in whole nanoseconds.
            prop_assert!((a.retries + b.retries) as f64 <= bound * (1.0 + 1e-12) + 1e-9);
        }

        #[test]
        fn nothing_is_withheld_that_is_due(
            capacity in 1u32..20,
            events in prop::collection::vec(event(), 0..200),
        ) {
            // Rates that whole nanoseconds can say, so that a plain model is exact.
            let budget = Budget::new(capacity).per_success(0.25).per_second(0.5);
            let start = crate::clock::now();
            let (mut held, mut elapsed) = (u64::from(capacity) * 4000, Duration::ZERO);
            for event in events {
                let now = start + elapsed;
                match event {
                    Event::Success => {
                        budget.deposit(now);
                        held += 1000;
                    }
                    Event::Retry => {
                        prop_assert_eq!(budget.withdraw(now), held >= 4000);
                        held = held.checked_sub(4000).unwrap_or(held);
                    }
                    Event::NeverLeft => {
                        if budget.withdraw(now) {
                            budget.refund(now);
                        }
                    }
                    Event::Pass(millis) => {
                        // The first use starts the budget's clock; until then it is full in any case.
                        elapsed += Duration::from_millis(millis.into());
                        held += u64::from(millis) * 2;
                    }
                }
                held = held.min(u64::from(capacity) * 4000);
            }
        }
    }

    #[test]
    fn two_threads_take_exactly_what_there_is() {
        let budget = Budget::new(1000).per_success(0.5);
        let now = crate::clock::now();
        let take = || {
            let mut taken = 0;
            for _ in 0..10_000 {
                taken += u32::from(budget.withdraw(now));
            }
            taken
        };
        let taken = std::thread::scope(|scope| {
            let other = scope.spawn(take);
            take() + other.join().expect("no panic")
        });
        assert_eq!(taken, 1000);
    }
}
