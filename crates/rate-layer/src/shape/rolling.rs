//! The window itself: how many places are taken, and when they free. No clock, no lock, no waiting.
//!
//! Why it is safe to admit when this says so is proved at [`Window`](crate::Window).

mod outlook;

use crate::lane::Lane;
use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::ring::Ring;
use crate::shape::terms::Terms;

/// The places of one window.
///
/// A place is free, in flight, or closing: taken until a known moment. The places of the rest are counted apart from all others:
/// they may not use what is reserved, and go before all when they hold nothing.
#[derive(Debug)]
pub(crate) struct Rolling {
    limit: u32,
    rest: Taken,
    /// None as long as there are only those of the rest.
    apart: Option<Box<Apart>>,
    /// The latest time that the window has been told.
    seen: Moment,
    /// How many places have freed by themselves, over all time.
    freed: u32,
}

/// The places that the requests of one lane hold.
#[derive(Debug, Default)]
struct Taken {
    in_flight: u32,
    closing: Ring,
}

/// The places that the rest do not hold.
#[derive(Debug, Default)]
struct Apart {
    first: Taken,
    /// What others have taken, of whom only the server knows. They reduce what the rest may use, and not the reserve.
    others: Ring,
}

impl Taken {
    #[inline]
    fn total(&self) -> u32 {
        self.in_flight.saturating_add(self.closing.total())
    }
}

/// How a place in flight came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Response headers arrived: the server has counted.
    Answered,
    /// It departed, and nothing came back: the server may count it yet.
    Abandoned,
    /// It never left: the server will not count it.
    NeverLeft,
}

impl Rolling {
    pub(crate) fn new(terms: &Terms, now: Moment) -> Self {
        Self {
            limit: terms.quota.limit(),
            rest: Taken::default(),
            apart: None,
            seen: now,
            freed: 0,
        }
    }

    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Changes the limit. Who holds a place keeps it.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// What a request of `lane` may cost at the most.
    #[inline]
    pub(crate) fn most(&self, terms: &Terms, lane: Lane) -> u32 {
        match lane {
            Lane::First => self.limit,
            Lane::Rest => self.limit - self.reserve(terms),
        }
    }

    /// Whether the places `wanted` are free for `lane`, as of when the window was last told the time.
    ///
    /// An old time is a safe one: since then, places can only have freed.
    #[inline]
    pub(crate) fn has_room(&self, terms: &Terms, lane: Lane, wanted: Places) -> bool {
        if wanted.of_all > u64::from(self.room()) {
            return false;
        }
        match lane {
            Lane::First => true,
            Lane::Rest => {
                if terms.quota.reserved() == 0 {
                    return true;
                }
                let reserve = self.reserve(terms);
                let taken = self.rest.total().saturating_add(self.others());
                let room = (self.limit - reserve).saturating_sub(taken);
                wanted.of_lane <= u64::from(room)
            }
        }
    }

    /// Whether only the rest hold places.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.apart.is_none()
    }

    /// Takes `cost` places for the rest if they are free, where nothing is reserved and only the rest hold places.
    #[inline(always)]
    pub(crate) fn take_plainly(&mut self, cost: u32) -> bool {
        debug_assert!(self.is_plain());
        let in_flight = u64::from(self.rest.in_flight) + u64::from(cost);
        let taken = in_flight + u64::from(self.rest.closing.total());
        let is_free = taken <= u64::from(self.limit);
        if is_free {
            // No more than the limit.
            self.rest.in_flight = in_flight as u32;
        }
        is_free
    }

    /// When the next place frees, where just all are taken, nothing is due by now, and only the rest hold places, whose headers
    /// begin their time. `None` where it is not so simple.
    #[inline(always)]
    pub(crate) fn next_plainly(&self, terms: &Terms, now: Moment) -> Option<Moment> {
        debug_assert!(self.is_plain());
        let closing = &self.rest.closing;
        let next = closing.next(terms.tick)?;
        let taken = u64::from(self.rest.in_flight) + u64::from(closing.total());
        if next <= now || taken != u64::from(self.limit) {
            return None;
        }
        if self.rest.in_flight == 0 {
            return Some(next);
        }
        // An answer that comes now may free its place before one that came late.
        Some(next.min(terms.answered_plainly(now)))
    }

    /// Until when all places are taken, if nothing is given back, where [`next_plainly`](Self::next_plainly) says that moment at any
    /// time until then: no answer to come frees a place before it.
    pub(crate) fn full_until(&self, terms: &Terms) -> Option<Moment> {
        debug_assert!(self.is_plain());
        let next = self.rest.closing.next(terms.tick)?;
        let taken = u64::from(self.rest.in_flight) + u64::from(self.rest.closing.total());
        let is_first = self.rest.in_flight == 0 || next <= terms.answered_plainly(self.seen);
        (taken == u64::from(self.limit) && is_first).then_some(next)
    }

    /// Ends what [`take_plainly`](Self::take_plainly) began and was answered.
    #[inline(always)]
    pub(crate) fn answered_plainly(&mut self, terms: &Terms, now: Moment, cost: u32) {
        debug_assert!(self.is_plain());
        let now = now.max(self.seen);
        self.seen = now;
        let freed = self.rest.closing.expire(now, terms.tick);
        self.freed = self.freed.wrapping_add(freed);
        let (free_at, limit) = (terms.answered_plainly(now), self.limit);
        self.rest.in_flight -= cost;
        self.rest.closing.close(free_at, cost, terms.tick, limit);
    }

    /// Puts back places that [`take_plainly`](Self::take_plainly) took, as if nobody had.
    pub(crate) fn put_back_plainly(&mut self, places: u32) {
        debug_assert!(self.is_plain());
        self.rest.in_flight -= places;
    }

    /// The same as [`answered_plainly`](Self::answered_plainly) of one place at each of these times, where the window may have seen
    /// later ones since: each frees when it would have freed if the window had been told at once.
    pub(crate) fn answered_earlier(&mut self, terms: &Terms, times: &[Moment]) {
        debug_assert!(self.is_plain());
        let Some(latest) = times.iter().max() else {
            return;
        };
        if *latest > self.seen {
            self.seen = *latest;
            let freed = self.rest.closing.expire(self.seen, terms.tick);
            self.freed = self.freed.wrapping_add(freed);
        }
        self.rest.in_flight -= times.len() as u32;
        for at in times {
            let free_at = terms.answered_plainly(*at);
            if free_at <= self.seen {
                self.freed = self.freed.wrapping_add(1);
            } else {
                let limit = self.limit;
                self.rest.closing.close(free_at, 1, terms.tick, limit);
            }
        }
    }

    /// Takes `cost` places, whether they are free or not.
    #[inline]
    pub(crate) fn take(&mut self, lane: Lane, cost: u32) {
        let lane = self.lane_mut(lane);
        lane.in_flight = lane.in_flight.saturating_add(cost);
    }

    /// Starts the clock of places that depart, where the server is known to count within a time.
    pub(crate) fn depart(&mut self, terms: &Terms, now: Moment, lane: Lane, cost: u32) {
        let now = now.max(self.seen);
        self.expire(terms, now);
        if let Some(free_at) = terms.departed(now) {
            self.lane_mut(lane).in_flight -= cost;
            self.close(terms, lane, free_at, cost);
        }
    }

    /// Ends what [`take`](Self::take) began and was answered, if it made no difference when it departed. What most do.
    #[inline(always)]
    pub(crate) fn answered(
        &mut self,
        terms: &Terms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        cost: u32,
    ) {
        // Clocks are read before the lock is taken: what another thread has seen free since then is not there to be ended.
        let now = now.max(self.seen);
        self.expire(terms, now);
        let free_at = terms.answered(now, server);
        self.lane_mut(lane).in_flight -= cost;
        self.close(terms, lane, free_at, cost);
    }

    /// Ends what [`take`](Self::take) began. `departed` is when it departed, if it has.
    pub(crate) fn end(
        &mut self,
        terms: &Terms,
        server: &ServerClock,
        now: Moment,
        held: Held,
        ending: Ending,
    ) {
        if ending == Ending::Answered && held.departed.is_none() {
            return self.answered(terms, server, now, held.lane, held.cost);
        }
        let now = now.max(self.seen);
        self.expire(terms, now);
        let wanted = match ending {
            Ending::Answered => Some(terms.answered(now, server)),
            Ending::Abandoned => Some(terms.abandoned(now, server)),
            Ending::NeverLeft => None,
        };
        match held.departed.and_then(|departed| terms.departed(departed)) {
            None => self.lane_mut(held.lane).in_flight -= held.cost,
            Some(free_at) if free_at <= now => return,
            Some(free_at) if wanted.is_some_and(|wanted| wanted >= free_at) => return,
            Some(free_at) => {
                let closing = &mut self.lane_mut(held.lane).closing;
                closing.reopen(free_at, held.cost, terms.tick);
            }
        }
        if let Some(wanted) = wanted {
            self.close(terms, held.lane, wanted, held.cost);
        }
    }

    /// Sets right what a request has cost that was answered at `answered`. Says what it counts for now: more than can be told apart
    /// are as many as can.
    pub(crate) fn correct(
        &mut self,
        terms: &Terms,
        server: &ServerClock,
        now: Moment,
        by: Correction,
    ) -> u32 {
        self.expire(terms, now.max(self.seen));
        let free_at = terms.corrected(by, server);
        if free_at <= self.seen {
            return by.cost;
        }
        if by.cost > by.before {
            let closing = self.lane_mut(by.lane).closing.total();
            self.close(terms, by.lane, free_at, by.cost - by.before);
            by.before + (self.lane_mut(by.lane).closing.total() - closing)
        } else {
            let less = by.before - by.cost;
            self.lane_mut(by.lane)
                .closing
                .reopen(free_at, less, terms.tick);
            by.cost
        }
    }

    /// Closes up to `places` of the free places until `free_at`: somebody else has taken them.
    pub(crate) fn concede(&mut self, terms: &Terms, places: u32, free_at: Moment) {
        let latest = self.seen.after(terms.longest());
        let places = places.min(self.room());
        if places > 0 && free_at > self.seen {
            let (free_at, limit) = (free_at.min(latest), self.limit);
            let others = &mut self.apart.get_or_insert_default().others;
            others.close(free_at, places, terms.tick, limit);
        }
    }

    /// Frees what is due at `now`.
    #[inline]
    pub(crate) fn expire(&mut self, terms: &Terms, now: Moment) {
        if now <= self.seen {
            return;
        }
        self.seen = now;
        let mut freed = self.rest.closing.expire(now, terms.tick);
        if let Some(apart) = &mut self.apart {
            freed = freed.wrapping_add(apart.first.closing.expire(now, terms.tick));
            freed = freed.wrapping_add(apart.others.expire(now, terms.tick));
        }
        self.freed = self.freed.wrapping_add(freed);
    }

    /// Whether no place is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken() == 0
    }

    /// How many places others have taken.
    fn others(&self) -> u32 {
        self.apart.as_ref().map_or(0, |apart| apart.others.total())
    }

    /// Whether those that do not go first hold nothing.
    pub(crate) fn rest_holds_nothing(&self) -> bool {
        self.rest.total() == 0
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        let apart = self.apart.as_ref();
        let first = apart.map_or(0, |apart| apart.first.in_flight);
        self.rest.in_flight.saturating_add(first)
    }

    pub(crate) fn closing(&self) -> u32 {
        let apart = self.apart.as_ref();
        let first = apart.map_or(0, |apart| apart.first.closing.total());
        let closing = self.rest.closing.total().saturating_add(first);
        closing.saturating_add(self.others())
    }

    /// How many places have freed by themselves, over all time; it wraps.
    #[inline]
    pub(crate) fn freed(&self) -> u32 {
        self.freed
    }

    /// The latest time that the window has been told.
    pub(crate) fn seen(&self) -> Moment {
        self.seen
    }

    #[inline]
    pub(crate) fn room(&self) -> u32 {
        self.limit.saturating_sub(self.taken())
    }

    #[inline]
    fn taken(&self) -> u32 {
        let first = self.apart.as_ref().map_or(0, |apart| apart.first.total());
        let taken = self.rest.total().saturating_add(first);
        taken.saturating_add(self.others())
    }

    /// As much of the reserve as leaves one place for the rest.
    #[inline]
    fn reserve(&self, terms: &Terms) -> u32 {
        terms.quota.reserved().min(self.limit.saturating_sub(1))
    }

    #[inline]
    fn lane_mut(&mut self, lane: Lane) -> &mut Taken {
        match lane {
            Lane::Rest => &mut self.rest,
            Lane::First => self.first_mut(),
        }
    }

    #[inline(never)]
    fn first_mut(&mut self) -> &mut Taken {
        &mut self.apart.get_or_insert_default().first
    }

    #[inline]
    fn close(&mut self, terms: &Terms, lane: Lane, free_at: Moment, places: u32) {
        let limit = self.limit;
        self.lane_mut(lane)
            .closing
            .close(free_at, places, terms.tick, limit);
    }
}

/// Places that a request holds, and since when it has departed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) lane: Lane,
    pub(crate) cost: u32,
    pub(crate) departed: Option<Moment>,
}

/// What an answered request has cost after all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Correction {
    pub(crate) lane: Lane,
    pub(crate) before: u32,
    pub(crate) cost: u32,
    pub(crate) departed: Option<Moment>,
    pub(crate) answered: Moment,
}

/// A number of places to wait for: those that all before one need, and those that the ones of its own lane need; its own
/// included in both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) of_all: u64,
    pub(crate) of_lane: u64,
}

impl Places {
    /// What one needs that is first.
    pub(crate) fn of_first(cost: u32) -> Self {
        let cost = u64::from(cost);
        Self {
            of_all: cost,
            of_lane: cost,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
