//! When the places of a window will be free.

use super::{Places, Rolling};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::server::clock::ServerClock;
use crate::shape::ring::Ring;
use crate::shape::sight::{Sight, Turn};
use crate::shape::terms::Terms;

impl Rolling {
    /// When the last of the next `behind.total` places frees for a request of `lane`.
    ///
    /// Never too late, unless a place is given back before; exact for the first in line where it is in sight. Ask after
    /// [`expire`](Self::expire).
    #[inline]
    pub(crate) fn turn(
        &self,
        terms: &Terms,
        server: &ServerClock,
        now: Moment,
        lane: Lane,
        behind: Places,
    ) -> Turn {
        let reserve = self.reserve(terms);
        let turn = self.sight(terms, server, now).turn(behind.of_all);
        if lane == Lane::First || reserve == 0 {
            return turn;
        }
        // The reserve is either in use by those that it is for, or kept for them.
        let others = self.apart.as_ref().map(|apart| &apart.others);
        let rest = self.sight_of_rest(terms, server, now, self.limit - reserve, others);
        turn.and(rest.turn(behind.of_lane))
    }

    /// A moment that [`turn`](Self::turn) is not after, where nothing is reserved: without a look at what closes when.
    ///
    /// All that is taken by now frees within the longest time for which one is taken, and each place may be taken that long again by
    /// each that had it before.
    pub(crate) fn turn_at_the_latest(&self, terms: &Terms, now: Moment, behind: Places) -> Moment {
        let rounds = behind.of_all / u64::from(self.limit.max(1));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).saturating_add(2);
        let from = now.max(self.seen);
        from.after(terms.longest().saturating_mul(rounds))
    }

    /// When the last of the next `requests` of the rest may go, if each goes before all others as soon as the rest hold
    /// nothing; the last one wants `cost` places. Never too late, as [`turn`](Self::turn) is.
    pub(crate) fn turn_of_rest(
        &self,
        terms: &Terms,
        server: &ServerClock,
        now: Moment,
        requests: u64,
        cost: u32,
    ) -> Moment {
        let hold_nothing = self.sight_of_rest(terms, server, now, 1, None).turn(1).at;
        let free = self.sight(terms, server, now).turn(1).at;
        let first = hold_nothing.max(free);
        let last = match requests.checked_sub(2) {
            None => first,
            Some(more) => {
                let again = terms.freed_again(first, server);
                let more = u32::try_from(more).unwrap_or(u32::MAX);
                again.after(terms.cycle().saturating_mul(more))
            }
        };
        let enough = self.sight(terms, server, now).turn(u64::from(cost)).at;
        last.max(enough)
    }

    /// What can be seen of all places.
    fn sight<'a>(&'a self, terms: &'a Terms, server: &'a ServerClock, now: Moment) -> Sight<'a> {
        let apart = self.apart.as_deref();
        Sight {
            now,
            capacity: self.limit,
            in_flight: self.in_flight(),
            rings: [
                Some(&self.rest.closing),
                apart.map(|apart| &apart.first.closing),
                apart.map(|apart| &apart.others),
            ],
            terms,
            server,
            answered_now: terms.answered(now, server),
        }
    }

    /// What can be seen of the places that the rest may hold, if there are `capacity` of them, which they share with `others`.
    fn sight_of_rest<'a>(
        &'a self,
        terms: &'a Terms,
        server: &'a ServerClock,
        now: Moment,
        capacity: u32,
        others: Option<&'a Ring>,
    ) -> Sight<'a> {
        Sight {
            capacity,
            in_flight: self.rest.in_flight,
            rings: [Some(&self.rest.closing), others, None],
            ..self.sight(terms, server, now)
        }
    }
}
