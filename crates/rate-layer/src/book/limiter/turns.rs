//! When those have their turn who wait at the limits of one key.

use super::Limiter;
use crate::book::waiter::Ticket;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Places;
use crate::shape::sight::Turn;
use crate::shape::tiers::{AllTerms, One};

impl Limiter {
    /// When the last of the next places frees. Of a pause nobody knows the end: it counts as over.
    #[inline]
    pub(crate) fn turn(&self, terms: &AllTerms, now: Moment, lane: Lane, places: Places) -> Turn {
        let mut turn = self.tiers.turn(terms, self.server(), now, lane, places);
        turn.at = turn.at.max(self.closed_until);
        turn
    }

    /// When one of `lane` has its turn that wants `cost` places and has those before it in line that `places` counts, itself
    /// included, of which `requests` are of its own lane.
    pub(crate) fn turn_in_line(
        &self,
        terms: &AllTerms,
        now: Moment,
        lane: Lane,
        places: Places,
        (requests, cost): (u64, u32),
    ) -> Turn {
        let turn = self.turn(terms, now, lane, places);
        if lane == Lane::First || !self.has_in_line(Lane::First) {
            return turn;
        }
        // It may go before those who go first, when it and the others of its lane come to that.
        match self.turn_of_rest(terms, now, requests, cost) {
            Some(alone) if alone < turn.at => Turn {
                at: alone,
                in_sight: false,
            },
            _ => turn,
        }
    }

    /// A moment that the turn of a newcomer is not after, if nothing keeps requests waiting but a plain window.
    pub(crate) fn newcomers_turn_at_the_latest(
        &self,
        terms: &AllTerms,
        now: Moment,
        lane: Lane,
        cost: u32,
    ) -> Option<Moment> {
        if self.is_held_back() || self.has_in_line(Lane::First) {
            return None;
        }
        let (terms, window) = self.tiers.plain(terms)?;
        let (places, _) = self.with_newcomer(lane, cost);
        Some(window.turn_at_the_latest(terms, now, places))
    }

    /// What is in line before a newcomer of `lane` that wants `cost` places, with itself: the places, and the requests of its lane.
    pub(crate) fn with_newcomer(&self, lane: Lane, cost: u32) -> (Places, u64) {
        match &self.line {
            Some(line) => {
                let before = line.ahead_in_lane(lane, Ticket::NEWCOMER);
                (line.places(lane, cost), before as u64 + 1)
            }
            None => (Places::of_first(cost), 1),
        }
    }

    /// When a newcomer of the rest that wants one place has its turn, as far as one of the limits goes.
    pub(crate) fn newcomers_turn_by(&self, one: One<'_>, now: Moment) -> Moment {
        let (places, requests) = self.with_newcomer(Lane::Rest, 1);
        let mut turn = one.turn(self.server(), now, Lane::Rest, places).at;
        if self.has_in_line(Lane::First) {
            turn = turn.min(one.turn_of_rest(self.server(), now, requests, 1));
        }
        turn.max(self.closed_until)
    }

    /// When the last of the next `requests` of the rest may go, if each goes before all others as soon as the rest hold
    /// nothing; the last one wants `cost` places. None where there is no window to hold something in.
    pub(crate) fn turn_of_rest(
        &self,
        terms: &AllTerms,
        now: Moment,
        requests: u64,
        cost: u32,
    ) -> Option<Moment> {
        self.tiers.windows().next()?;
        let server = self.server();
        let turn = self.tiers.turn_of_rest(terms, server, now, requests, cost);
        Some(turn.max(self.closed_until))
    }
}
