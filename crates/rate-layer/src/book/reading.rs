//! What there is to see of windows.

use crate::book::Book;
use crate::book::limiters::Id;
use crate::book::outcome::{Reading, TierReading};
use crate::book::waiter::Claim;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Rolling;

impl Book {
    /// What there is to see at `now`.
    pub(crate) fn reading(&mut self, now: Moment, id: Id) -> Option<Reading> {
        if !self.limiters.has(id) {
            return None;
        }
        let limiter = &mut self.limiters[id.index];
        let group = &self.groups[limiter.group as usize];
        limiter.expire(&group.terms, now);
        // The tightest tells most.
        let windows = limiter.tiers.windows().zip(group.terms.windows());
        let tightest = windows.min_by_key(|(window, _)| window.room());
        let (limit, closing, in_flight) = tightest.map_or((0, 0, 0), |(window, _)| {
            (window.limit(), window.closing(), window.in_flight())
        });
        Some(Reading {
            window: tightest.map(|(_, terms)| terms.quota.window()),
            limit,
            closing,
            in_flight,
            waiting: limiter.members(),
            paused: limiter.paused,
            tally: group.tally,
            next_free: self.newcomers_turn(now, &Claim::new(id, 1), Lane::Rest).at,
        })
    }

    /// What there is to see of each of the limits at `now`, in their order.
    pub(crate) fn readings(&mut self, now: Moment, id: Id) -> Option<Vec<TierReading>> {
        let limiter = self.limiters.at_mut(id)?;
        let terms = &self.groups[limiter.group as usize].terms;
        limiter.expire(terms, now);
        let each = limiter.tiers.each(terms).map(|one| {
            let window = one.window();
            TierReading {
                limit: window.map_or(0, Rolling::limit),
                closing: window.map_or(0, Rolling::closing),
                in_flight: window.map_or(0, Rolling::in_flight),
                waiting: limiter.members(),
                next_free: limiter.newcomers_turn_by(one, now),
            }
        });
        Some(each.collect())
    }
}
