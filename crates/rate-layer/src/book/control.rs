//! What the program, or the server, changes while requests wait.

use crate::book::Book;
use crate::book::limiters::Id;
use crate::book::waiter::{Claim, Wakes};
use crate::moment::Moment;

impl Book {
    /// Notes that the server has throttled a request, and admits nothing before the time that it named.
    ///
    /// Open offers are taken back: whoever had one stands in line again.
    pub(crate) fn throttled(
        &mut self,
        now: Moment,
        id: Id,
        until: Option<Moment>,
        wakes: &mut Wakes,
    ) {
        self.tally(&[Claim::new(id, 0)], |tally| tally.throttled += 1);
        if let Some(until) = until.filter(|&until| until > now) {
            self.silence(now, id, wakes, |limiter| {
                // Never shortens an earlier call.
                limiter.closed_until = limiter.closed_until.max(until);
            });
        }
    }

    /// Admits nothing until it is resumed.
    pub(crate) fn pause(&mut self, now: Moment, id: Id, wakes: &mut Wakes) {
        self.silence(now, id, wakes, |limiter| limiter.paused = true);
    }

    /// Ends a pause.
    pub(crate) fn resume(&mut self, now: Moment, id: Id, wakes: &mut Wakes) {
        self.change(now, id, wakes, |limiter| limiter.paused = false);
    }

    /// Changes the limit of the window that is so long; of the first, if none is named. Says whether there is one.
    ///
    /// Those that ask for more than there is now are told so.
    pub(crate) fn set_limit(
        &mut self,
        now: Moment,
        id: Id,
        length: Option<std::time::Duration>,
        limit: u32,
        wakes: &mut Wakes,
    ) -> bool {
        let mut found = false;
        let groups = &self.groups;
        if self.limiters.has(id) {
            let limiter = &mut self.limiters[id.index];
            let terms = &groups[limiter.group as usize].terms;
            limiter.tiers.for_windows(terms, |terms, window| {
                let named = length.is_none_or(|length| length == terms.quota.window());
                if named && !found {
                    window.set_limit(limit);
                    found = true;
                }
            });
            if found && limiter.key.is_some() {
                limiter.memory_mut().is_set = true;
            }
            self.turn_away_the_hopeless(now, id.index, wakes);
            self.change(now, id, wakes, |_| {});
        }
        found
    }

    fn silence(
        &mut self,
        now: Moment,
        id: Id,
        wakes: &mut Wakes,
        silence: impl FnOnce(&mut super::Limiter),
    ) {
        if !self.limiters.has(id) {
            return;
        }
        silence(&mut self.limiters[id.index]);
        let affected = self.recall_offers(now, id.index);
        self.tend_freed(now, &affected, wakes);
        self.change(now, id, wakes, |_| {});
    }

    fn change(
        &mut self,
        now: Moment,
        id: Id,
        wakes: &mut Wakes,
        change: impl FnOnce(&mut super::Limiter),
    ) {
        if !self.limiters.has(id) {
            return;
        }
        change(&mut self.limiters[id.index]);
        self.tend_freed(now, &[Claim::new(id, 0)], wakes);
    }
}
