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
    /// What closes; the second is empty where nothing goes first.
    pub(crate) rings: [Option<&'a Ring>; 2],
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
            [Some(one), None] | [None, Some(one)] => one.nth(n, self.terms.tick),
            [Some(one), Some(other)] if other.total() == 0 => one.nth(n, self.terms.tick),
            _ => self.nth_of_both(n),
        }
    }

    #[inline(never)]
    fn nth_of_both(&self, n: u64) -> Option<Moment> {
        let mut passed = 0;
        self.merged().find_map(|(at, places)| {
            passed += u64::from(places);
            (passed > n).then_some(at)
        })
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.rings.into_iter().flatten()
    }

    /// Both rings in one order.
    fn merged(&self) -> impl Iterator<Item = (Moment, u32)> {
        let [one, other] = self
            .rings
            .map(|ring| ring.map(|ring| ring.iter(self.terms.tick)));
        let (mut one, mut other) = (one.into_iter().flatten(), other.into_iter().flatten());
        let (mut a, mut b) = (one.next(), other.next());
        std::iter::from_fn(move || match (a, b) {
            (Some(first), Some(second)) if second.0 < first.0 => {
                b = other.next();
                Some(second)
            }
            (Some(first), _) => {
                a = one.next();
                Some(first)
            }
            (None, Some(second)) => {
                b = other.next();
                Some(second)
            }
            (None, None) => None,
        })
    }
}
