//! How often a slot's renewed credentials may be met with another 401.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use call_context::SlotName;

use crate::Budget;

/// How many fruitless replays a slot has to its credit, and how many it may owe.
const FRUITLESS: u32 = 100;
/// How many slots are told apart. Beyond that, new ones share a credit.
const SLOTS: usize = 1024;

/// The second line behind the gate's own bounds: a server that refuses every fresh credential doubles no traffic for long.
///
/// Only replays that met another 401 cost something, so that a thousand late 401s after one renewal all go through. That
/// they did is known when they are back: those that are under way together when the credit runs out overdraw it. What they
/// owe is bounded by the credit itself, so that one burst locks a slot for 101 seconds and no longer.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    slots: Mutex<HashMap<Option<SlotName>, Budget>>,
}

impl Renewals {
    /// Whether a 401 of `slot` may be replayed.
    pub(crate) fn allows(&self, slot: Option<&SlotName>, now: Instant) -> bool {
        let slots = self.lock();
        let shared = || slots.get(&None).filter(|_| slots.len() >= SLOTS);
        let credit = slots.get(&slot.cloned()).or_else(shared);
        credit.is_none_or(|credit| credit.balance(now) >= 1.0)
    }

    /// Notes that a replay for `slot` met another 401.
    pub(crate) fn fruitless(&self, slot: Option<&SlotName>, now: Instant) {
        let mut slots = self.lock();
        let mut key = slot.cloned();
        if !slots.contains_key(&key) && slots.len() >= SLOTS {
            slots.retain(|_, credit| credit.balance(now) < f64::from(FRUITLESS));
            if slots.len() >= SLOTS {
                key = None;
            }
        }
        let credit = slots.entry(key);
        credit
            .or_insert_with(|| Budget::new(FRUITLESS).per_second(1.0))
            .charge(now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<SlotName>, Budget>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_slot_has_a_hundred_fruitless_replays_and_one_more_a_second() {
        let renewals = Renewals::default();
        let now = crate::clock::now();
        let (wallet, business) = (SlotName::from("wallet"), SlotName::from("business"));
        for _ in 0..FRUITLESS {
            assert!(renewals.allows(Some(&wallet), now));
            renewals.fruitless(Some(&wallet), now);
        }
        assert!(!renewals.allows(Some(&wallet), now));
        assert!(renewals.allows(Some(&business), now));
        assert!(renewals.allows(None, now));
        assert!(renewals.allows(Some(&wallet), now + Duration::from_secs(1)));
    }

    #[test]
    fn one_burst_locks_a_slot_for_no_longer_than_its_credit_takes_to_come_in() {
        let renewals = Renewals::default();
        let now = crate::clock::now();
        for _ in 0..10 * FRUITLESS {
            renewals.fruitless(None, now);
        }
        assert!(renewals.allows(Some(&SlotName::from("named")), now));
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!renewals.allows(None, after(100)));
        assert!(renewals.allows(None, after(101)));
    }

    #[test]
    fn the_slots_told_apart_are_bounded() {
        let renewals = Renewals::default();
        let now = crate::clock::now();
        for tenant in 0..2 * SLOTS {
            renewals.fruitless(Some(&SlotName::from(tenant.to_string())), now);
        }
        assert!(renewals.lock().len() <= SLOTS + 1);
    }
}
