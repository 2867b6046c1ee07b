//! What holds at every moment.

use super::super::desk::at;
use super::calls::{Call, Stage};
use super::{World, rounded};
use crate::book::waiter::Standing;
use crate::lane::Lane;
use crate::moment::Moment;

impl World {
    /// Each line is looked after when something may happen in it, and by all drivers that are there.
    pub(super) fn check_agenda(&mut self) {
        for id in &self.ids {
            let event = self.book.next_event(at(self.now), id.index);
            let line = self.book.limiters[id.index].line.as_ref();
            let due = line.map_or(Moment::NEVER, |line| line.due());
            assert!(
                due <= event,
                "{id:?} at {}: {due:?}, not {event:?}",
                self.now
            );
        }
        let next = self.book.next();
        self.book.drivers.assert_in_time(next);
        let late = |call: &&Call| {
            let until = rounded(call.plan.until()).unwrap_or(u64::MAX);
            matches!(call.stage, Stage::Waits { .. }) && !call.plan.sleeps && until < self.now
        };
        assert!(
            !self.calls.iter().any(|call| late(&call)),
            "at {}",
            self.now
        );
    }

    /// The book holds as many places as the requests do, and those who have been offered some.
    pub(super) fn check_places(&mut self) {
        for window in 0..self.ids.len() {
            let id = self.ids[window];
            let offered = self
                .book
                .waiters
                .values()
                .filter(|waiter| matches!(waiter.standing, Standing::Offered { .. }));
            let offered: u32 = offered.map(|waiter| waiter.cost_at(id.index)).sum();
            self.book.reading(at(self.now), id).expect("it is there");
            let tiers = self.book.limiters[id.index].tiers.windows().enumerate();
            for (number, tier) in tiers {
                let held = tier.in_flight() + tier.closing();
                let taken = self.naive.taken(self.now, window, number, None);
                assert_eq!(held, taken + offered, "window {window} at {}", self.now);
            }
        }
    }

    /// Nobody of the rest goes before one who goes first and wants the same, unless the rest hold nothing.
    pub(super) fn check_lanes(&self) {
        let now = self.now;
        let just = |call: &Call| matches!(call.stage, Stage::Admitted { at } | Stage::Departed { at, .. } if at == now);
        for &number in self.waited.iter().rev() {
            let call = &self.calls[number];
            if !just(call) {
                break;
            }
            let wants = call.plan.by_window();
            let Some((&window, &cost)) = wants.iter().next().filter(|_| wants.len() == 1) else {
                continue;
            };
            let overtaken = self.waiting().any(|other| {
                let other = &self.calls[other];
                let earlier = matches!(other.stage, Stage::Waits { since, .. } if since < now);
                earlier && other.plan.lane == Lane::First && other.plan.wants_one_thing(window)
            });
            // One that wants several goes by its ticket, and may have come to go since this one was offered its place.
            let since = |call: &Call| matches!(call.stage, Stage::Admitted { at } | Stage::Departed { at, .. } | Stage::Over { admitted: Some(at), .. } if at + 50 >= now);
            let others = self.calls.iter().any(|other| {
                let here = other.plan.wants.iter().any(|want| want.0 == window);
                let several = !other.plan.wants_one_thing(window);
                several && here && other.plan.lane == Lane::Rest && since(other)
            });
            if call.plan.lane == Lane::First || !overtaken || others {
                continue;
            }
            for tier in 0..self.naive.windows[window].tiers.len() {
                let held = self.naive.taken(now, window, tier, Some(Lane::Rest));
                assert_eq!(
                    held, cost,
                    "the rest go before all, and hold something at {now}"
                );
            }
        }
    }
}
