//! What has come of it all.

use super::World;
use super::calls::{Call, Stage};
use crate::lane::Lane;

impl World {
    pub(in crate::book::tests) fn admissions(&self) -> Vec<Option<u64>> {
        let admitted = |call: &Call| match call.stage {
            Stage::Admitted { at } | Stage::Departed { at, .. } => Some(at),
            Stage::Over { admitted, .. } => admitted,
            _ => None,
        };
        self.calls.iter().map(admitted).collect()
    }

    /// Nobody who waited was admitted before another one who waited longer for the same thing in the same lane. Within
    /// one millisecond they come as they are polled.
    pub(in crate::book::tests) fn assert_in_order(&self) {
        let admissions = self.admissions();
        for lane in [Lane::First, Lane::Rest] {
            for window in 0..self.ids.len() {
                let mut waited = self.waited.clone();
                waited.retain(|&call| {
                    let plan = &self.calls[call].plan;
                    plan.lane == lane && plan.wants_one_thing(window)
                });
                waited.sort_unstable();
                let times: Vec<_> = waited.iter().map(|&call| admissions[call]).collect();
                assert!(times.is_sorted(), "{times:?}");
            }
        }
    }

    /// Everybody awake was admitted, told that it never will be, or has gone; and no trace is left of any.
    pub(in crate::book::tests) fn assert_all_served(&mut self) {
        for (number, call) in self.calls.iter().enumerate() {
            let plan = &call.plan;
            let gone = plan.cancelled.is_some() || plan.patience.is_some() || plan.sleeps;
            let over = |stage: &Stage| matches!(stage, Stage::Over { admitted, refused } if admitted.is_some() || *refused);
            assert!(
                over(&call.stage) || gone,
                "{number}: {:?} {:?}",
                call.stage,
                self.book.waiters
            );
        }
        let asleep = |window: usize| {
            let waits = |call: &&Call| {
                matches!(call.stage, Stage::Waits { .. })
                    && call.plan.wants.iter().any(|want| want.0 == window)
            };
            self.calls.iter().filter(waits).count()
        };
        // Whoever is driven has looked, and has gone if nobody waits.
        let nobody_waits = self.book.waiters.len() == 0;
        let alive = self
            .drivers
            .iter()
            .filter(|one| self.is_driven(one.runtime));
        assert!(!nobody_waits || alive.count() == 0, "{:?}", self.drivers);
        assert_eq!(self.book.drivers.len(), self.drivers.len());
        for window in 0..self.ids.len() {
            let limiter = &self.book.limiters[self.ids[window].index];
            assert_eq!(limiter.members(), asleep(window));
        }
    }
}
