//! A place of one key's window is taken, and the request answered, where there are many keys.

use std::iter;
use std::num::NonZeroU32;

use benches::{Harness, Pace, limiters};
use governor::clock::{DefaultClock, MonotonicClock};

pub(crate) fn measure(harness: &mut impl Harness) {
    by_keys(harness, "keyed_1k", 1_000);
    by_keys(harness, "keyed_100k", 100_000);
}

fn by_keys(harness: &mut impl Harness, group: &str, count: u64) {
    let keys: Vec<u64> = shuffled(count).collect();
    // All are known before the measurement begins.
    let windows = limiters::tollgate_keyed(Pace::OPEN, keys.len());
    let pair = |key: u64| {
        let place = windows.try_admit(key, NonZeroU32::MIN);
        place.expect("a place").answered();
    };
    keys.iter().copied().for_each(pair);
    let mut next = keys.iter().cycle();
    harness.op(group, "tollgate", || pair(*next.next().expect("a key")));
    let limiter = limiters::governor_keyed(Pace::OPEN, MonotonicClock);
    keys.iter()
        .for_each(|key| limiter.check_key(key).expect("a place"));
    let mut next = keys.iter().cycle();
    harness.op(group, "governor", || {
        let key = next.next().expect("a key");
        limiter.check_key(key).expect("a place");
    });
    let limiter = limiters::governor_keyed(Pace::OPEN, DefaultClock::default());
    keys.iter()
        .for_each(|key| limiter.check_key(key).expect("a place"));
    let mut next = keys.iter().cycle();
    harness.op(group, "governor_quanta", || {
        let key = next.next().expect("a key");
        limiter.check_key(key).expect("a place");
    });
    let limiter = limiters::throttle_net_keyed(Pace::OPEN, keys.len());
    keys.iter()
        .for_each(|key| assert!(limiter.try_acquire(key)));
    let mut next = keys.iter().cycle();
    harness.op(group, "throttle_net", || {
        let key = next.next().expect("a key");
        assert!(limiter.try_acquire(key));
    });
}

/// The numbers below `count`, each once, in the same far-flung order in every run.
fn shuffled(count: u64) -> impl Iterator<Item = u64> {
    // The full cycle of a congruential generator modulo a power of two, without what is too large.
    let modulus = count.next_power_of_two();
    iter::successors(Some(1), move |last: &u64| {
        Some(last.wrapping_mul(0x5851_F42D).wrapping_add(0x14057) % modulus)
    })
    .take(usize::try_from(modulus).expect("a small number"))
    .filter(move |key| *key < count)
}
