//! The bound, exactly.

use std::sync::LazyLock;

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
fn a_throttle_costs_what_was_said_and_comes_back_whole() {
    let now = crate::clock::now();
    let a = uri(0);
    let budget = Budget::new(4).throttle_cost(1.5);
    let taken = budget.take(a, Price::Throttle, now).expect("enough");
    assert_eq!(budget.balance(now), 2.5);
    taken.refund(now);
    assert_eq!(budget.balance(now), 4.0);
    let mut taken = budget.take(a, Price::Throttle, now).expect("enough");
    taken.send();
    drop(taken);
    assert_eq!(budget.balance(now), 2.5);
    drop(budget.take(a, Price::Failure, now));
    assert_eq!(budget.balance(now), 2.5);
    // More than it can ever hold.
    let budget = Budget::new(1).throttle_cost(1.5).per_second(1.0);
    assert!(budget.take(a, Price::Throttle, now + 9 * SECOND).is_none());
    // Nothing at all.
    let budget = Budget::new(0).throttle_cost(0.0);
    assert!(budget.take(a, Price::Throttle, now).is_some());
    assert!(budget.take(a, Price::Failure, now).is_none());
    let budget = Budget::new(3).throttle_cost(1e300).per_second(1e300);
    assert!(budget.take(a, Price::Throttle, now).is_none());
}

#[test]
fn a_retry_without_a_connection_costs_what_was_said_and_no_more_than_it_cost() {
    let now = crate::clock::now();
    let left = |budget: &Budget, price| {
        let mut taken = budget.take(uri(0), price, now).expect("enough");
        taken.send();
        taken.found_no_connection(now);
        budget.balance(now)
    };
    let budget = Budget::new(4).throttle_cost(2.0);
    assert_eq!(left(&budget, Price::Failure), 3.8);
    assert_eq!(left(&budget, Price::Throttle), 3.6);
    for (cost, held) in [(0.0, 4.0), (0.5, 3.5), (1.0, 3.0), (1e300, 3.0)] {
        let budget = Budget::new(4).connect_cost(cost);
        assert_eq!(left(&budget, Price::Failure), held, "{cost}");
    }
    let budget = Budget::new(4).throttle_cost(0.0);
    assert_eq!(left(&budget, Price::Throttle), 4.0);
}

#[test]
#[should_panic(expected = "a rate of retries")]
fn a_rate_below_zero_is_refused() {
    let _ = Budget::new(1).per_success(-0.1);
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Success(u8),
    Retry(u8, Price),
    /// Refunded once it is known that it never left.
    NeverLeft(u8, Price),
    /// Sent, and found no connection.
    NoConnection(u8, Price),
    /// Given up before it was sent.
    GivenUp(u8, Price),
    Pass(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let price = prop_oneof![Just(Price::Failure), Just(Price::Throttle)];
    let retry = || (0..ORIGINS, price.clone());
    prop_oneof![
        (0..ORIGINS).prop_map(Event::Success),
        retry().prop_map(|(origin, price)| Event::Retry(origin, price)),
        retry().prop_map(|(origin, price)| Event::NeverLeft(origin, price)),
        retry().prop_map(|(origin, price)| Event::NoConnection(origin, price)),
        retry().prop_map(|(origin, price)| Event::GivenUp(origin, price)),
        (0u32..5_000).prop_map(Event::Pass),
    ]
}

/// How many origins there are.
const ORIGINS: u8 = 6;

fn uri(origin: u8) -> &'static Uri {
    static URIS: LazyLock<Vec<Uri>> = LazyLock::new(|| {
        let uris = (0..ORIGINS).map(|origin| format!("https://{origin}.example/"));
        uris.map(|uri| uri.parse().expect("a URI")).collect()
    });
    &URIS[usize::from(origin)]
}

#[derive(Default)]
struct Count {
    failures: u64,
    throttles: u64,
    /// What these have cost.
    dials: f64,
    successes: u64,
    elapsed: Duration,
}

/// Plays `events` against `budget`, and counts what it let through.
fn play(budget: &Budget, start: Instant, events: &[Event]) -> Count {
    let mut count = Count::default();
    for event in events {
        let now = start + count.elapsed;
        match *event {
            Event::Success(origin) => {
                budget.reward(uri(origin), now);
                count.successes += 1;
            }
            Event::Retry(origin, price) => {
                if let Some(mut taken) = budget.take(uri(origin), price, now) {
                    taken.send();
                    match price {
                        Price::Failure => count.failures += 1,
                        Price::Throttle => count.throttles += 1,
                    }
                }
            }
            Event::NeverLeft(origin, price) => {
                if let Some(mut taken) = budget.take(uri(origin), price, now) {
                    taken.send();
                    taken.refund(now);
                }
            }
            Event::NoConnection(origin, price) => {
                if let Some(mut taken) = budget.take(uri(origin), price, now) {
                    taken.send();
                    taken.found_no_connection(now);
                    let rates = budget.shared.rates;
                    count.dials += rates.connect_cost.min(match price {
                        Price::Failure => 1.0,
                        Price::Throttle => rates.throttle_cost,
                    });
                }
            }
            Event::GivenUp(origin, price) => drop(budget.take(uri(origin), price, now)),
            Event::Pass(millis) => count.elapsed += Duration::from_millis(millis.into()),
        }
    }
    count
}

/// Plays from two threads at once, and says what the retries cost and what the bound allows, of `allowances`.
fn play_twice(budget: &Budget, ours: &[Event], theirs: &[Event], allowances: u16) -> (f64, f64) {
    let start = crate::clock::now();
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| play(budget, start, theirs));
        (play(budget, start, ours), other.join().expect("no panic"))
    });
    let rates = budget.shared.rates;
    let elapsed = a.elapsed.max(b.elapsed).as_secs_f64();
    let each = f64::from(rates.capacity) + rates.per_second * elapsed;
    let bound =
        f64::from(allowances) * each + rates.per_success * (a.successes + b.successes) as f64;
    let cost = (a.failures + b.failures) as f64
        + rates.throttle_cost * (a.throttles + b.throttles) as f64
        + a.dials
        + b.dials;
    // A hair for the arithmetic of these lines; the budget's own is in whole nanoseconds.
    (cost, bound * (1.0 + 1e-12) + 1e-9)
}

proptest! {
    #[test]
    fn the_bound_holds_and_is_exact_under_two_threads(
        capacity in 0u32..20,
        per_success in 0.0f64..2.0,
        per_second in 0.0f64..5.0,
        throttle_cost in 0.0f64..4.0,
        connect_cost in 0.0f64..2.0,
        ours in prop::collection::vec(event(), 0..100),
        theirs in prop::collection::vec(event(), 0..100),
    ) {
        let budget = Budget::new(capacity)
            .per_success(per_success)
            .per_second(per_second)
            .throttle_cost(throttle_cost)
            .connect_cost(connect_cost);
        let (cost, bound) = play_twice(&budget, &ours, &theirs, 1);
        prop_assert!(cost <= bound, "{cost} > {bound}");
    }

    #[test]
    fn the_bound_holds_for_all_allowances_together_whatever_origins_come(
        capacity in 0u32..6,
        per_success in 0.0f64..2.0,
        per_second in 0.0f64..5.0,
        throttle_cost in 0.0f64..4.0,
        connect_cost in 0.0f64..2.0,
        places in 0u16..4,
        ours in prop::collection::vec(event(), 0..100),
        theirs in prop::collection::vec(event(), 0..100),
    ) {
        let budget = Budget::new(capacity)
            .per_success(per_success)
            .per_second(per_second)
            .throttle_cost(throttle_cost)
            .connect_cost(connect_cost)
            .per_origin(places);
        let (cost, bound) = play_twice(&budget, &ours, &theirs, places + 1);
        prop_assert!(cost <= bound, "{cost} > {bound}");
    }

    #[test]
    fn nothing_is_withheld_that_is_due(
        capacity in 1u32..20,
        events in prop::collection::vec(event(), 0..100),
    ) {
        // Rates that whole nanoseconds can say, so that a plain model is exact.
        let budget = Budget::new(capacity)
            .per_success(0.25)
            .per_second(0.5)
            .throttle_cost(1.5)
            .connect_cost(0.25);
        let start = crate::clock::now();
        let (mut held, mut elapsed) = (u64::from(capacity) * 4000, Duration::ZERO);
        for event in events {
            let now = start + elapsed;
            match event {
                Event::Success(_) => {
                    budget.deposit(now);
                    held += 1000;
                }
                Event::Retry(origin, price) => {
                    let cost = if price == Price::Throttle { 6000 } else { 4000 };
                    let taken = budget.take(uri(origin), price, now);
                    prop_assert_eq!(taken.is_some(), held >= cost);
                    taken.into_iter().for_each(|mut taken| taken.send());
                    held = held.checked_sub(cost).unwrap_or(held);
                }
                Event::NeverLeft(origin, price) => {
                    if let Some(taken) = budget.take(uri(origin), price, now) {
                        taken.refund(now);
                    }
                }
                Event::NoConnection(origin, price) => {
                    let cost = if price == Price::Throttle { 6000 } else { 4000 };
                    let taken = budget.take(uri(origin), price, now);
                    prop_assert_eq!(taken.is_some(), held >= cost);
                    if let Some(taken) = taken {
                        taken.found_no_connection(now);
                        held -= 1000;
                    }
                }
                Event::GivenUp(..) => {
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
