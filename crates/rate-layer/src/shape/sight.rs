//! When places free, as far as it can be seen.

use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::ring::Ring;
use crate::shape::terms::Terms;

/// When places free, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// No earlier than this, unless a place is given back.
    pub(crate) at: Moment,
    /// Whether the places that will serve are closing already, so that the moment is exact.
    pub(crate) in_sight: bool,
}

impl Turn {
    pub(crate) fn now(now: Moment) -> Self {
        Self {
            at: now,
            in_sight: true,
        }
    }

    /// When both have come.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            in_sight: self.in_sight && other.in_sight,
        }
    }
}

/// The places of a window that a request may use, as seen at one moment.
pub(crate) struct Sight<'a> {
    pub(crate) now: Moment,
    pub(crate) capacity: u32,
    pub(crate) in_flight: u32,
    /// What closes: most of it, or all, in the first.
    pub(crate) rings: [Option<&'a Ring>; 3],
    pub(crate) terms: &'a Terms,
    pub(crate) server: &'a ServerClock,
    /// When a place frees that is answered now.
    pub(crate) answered_now: Moment,
}

impl Sight<'_> {
    /// When the last of the next `places` places frees, if every place is taken again as soon as it frees.
    ///
    /// Never too late, unless a place is given back before. Nothing may be due by now.
    ///
    /// Why: call f(1) ≤ … ≤ f(N) the moments at which the places free, in flight ones no sooner than if they were answered
    /// now, and c the time for which a place stays taken. Before f(n) + r·c a place up to n has been taken at
    /// most r + 1 times, and the others r times; before f(1) + (r + 1)·c likewise. So the (r·N + n)th taking is no earlier
    /// than the smaller of the two.
    #[inline]
    pub(crate) fn turn(&self, places: u64) -> Turn {
        let first = self.nth_free(0);
        let before = places.saturating_sub(1);
        if before == 0 || self.capacity == 0 {
            return first;
        }
        self.later_turn(first, before)
    }

    /// The turn behind `before` others, of whom the first has its turn at `first`.
    #[inline(never)]
    fn later_turn(&self, first: Turn, before: u64) -> Turn {
        let capacity = u64::from(self.capacity);
        let rounds = u32::try_from(before / capacity).unwrap_or(u32::MAX);
        let nth = self.nth_free(before % capacity);
        let again = self.freed_again(first.at);
        let taken_first = nth.at.min(again);
        let at = match rounds.checked_sub(1) {
            None => taken_first,
            Some(more) => self
                .freed_again(taken_first)
                .after(self.terms.cycle().saturating_mul(more)),
        };
        Turn {
            at,
            in_sight: nth.in_sight && nth.at <= again && rounds == 0,
        }
    }

    /// When a place frees again at the earliest that is taken at `moment`.
    fn freed_again(&self, moment: Moment) -> Moment {
        if moment <= self.now {
            self.answered_now
        } else {
            self.terms.freed_again(moment, self.server)
        }
    }

    /// When the place behind the `n` that free first frees.
    #[inline(always)]
    fn nth_free(&self, n: u64) -> Turn {
        let closing: u64 = self.rings().map(|ring| u64::from(ring.total())).sum();
        let taken = closing + u64::from(self.in_flight);
        let capacity = u64::from(self.capacity);
        let room = capacity.saturating_sub(taken);
        if n < room {
            return Turn::now(self.now);
        }
        // More may be taken than there are, where a limit was lowered or a cost corrected: so many must free unused.
        let behind = n - room + taken.saturating_sub(capacity);
        // An answer that comes now frees its place no sooner than that, and may free it before a late one.
        let may_be_answered = self.in_flight > 0 || self.terms.frees_before_headers();
        let in_sight = self
            .nth_closing(behind)
            .filter(|&free_at| !may_be_answered || free_at <= self.answered_now);
        Turn {
            at: in_sight.unwrap_or(self.answered_now),
            in_sight: in_sight.is_some(),
        }
    }

    #[inline]
    fn nth_closing(&self, n: u64) -> Option<Moment> {
        match self.rings {
            [Some(one), None, None] => one.nth(n, self.terms.tick),
            _ => self.nth_of_several(n),
        }
    }

    #[inline(never)]
    fn nth_of_several(&self, n: u64) -> Option<Moment> {
        let mut rings = self.rings().filter(|ring| ring.total() > 0);
        let (one, others) = (rings.next()?, rings.next());
        if others.is_none() {
            return one.nth(n, self.terms.tick);
        }
        let mut passed = 0;
        self.merged().find_map(|(at, places)| {
            passed += u64::from(places);
            (passed > n).then_some(at)
        })
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.rings.into_iter().flatten()
    }

    /// All rings in one order.
    fn merged(&self) -> impl Iterator<Item = (Moment, u32)> {
        let tick = self.terms.tick;
        let mut rings = self.rings.map(|ring| {
            let ring = ring.into_iter().flat_map(move |ring| ring.iter(tick));
            ring.peekable()
        });
        std::iter::from_fn(move || {
            let heads = rings.iter_mut().enumerate();
            let heads = heads.filter_map(|(number, ring)| Some((ring.peek()?.0, number)));
            let (_, first) = heads.min()?;
            rings[first].next()
        })
    }
}
