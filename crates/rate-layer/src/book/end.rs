//! What becomes of places that are held.

use std::slice;

use crate::book::waiter::{Claim, Wakes};
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::{Correction, Ending, Held};

impl Book {
    /// Notes that admitted places depart. Says when they have: it is never before what the windows have seen.
    pub(crate) fn depart(&mut self, now: Moment, claims: &[Claim], lane: Lane) -> Moment {
        let now = self.no_earlier(now, claims);
        for claim in claims {
            if !self.limiters.has(claim.id) {
                continue;
            }
            let limiter = &mut self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.tiers.depart(terms, now, lane, claim.cost);
        }
        now
    }

    /// Ends admitted places.
    #[inline]
    pub(crate) fn end(
        &mut self,
        now: Moment,
        holding: Holding<'_>,
        ending: Ending,
        wakes: &mut Wakes,
    ) {
        let is_ended = match (holding.claims, holding.departed, ending) {
            ([claim], None, Ending::Answered) => self.answer_one(now, claim, holding.lane, wakes),
            _ => false,
        };
        if !is_ended {
            self.end_any(now, Holding { ..holding }, ending, wakes);
        }
    }

    /// Ends the place of an answered request where it is one of a plain window, as with most. Says whether it is.
    #[inline]
    pub(crate) fn answer_one(
        &mut self,
        now: Moment,
        claim: &Claim,
        lane: Lane,
        wakes: &mut Wakes,
    ) -> bool {
        let Some(limiter) = self.limiters.at_mut(claim.id) else {
            return false;
        };
        let terms = &self.groups[limiter.group as usize].terms;
        let somebody_waits = limiter.members() > 0;
        let Some((terms, window)) = limiter.plain_if_mut(terms, lane) else {
            return false;
        };
        window.answered_plainly(terms, now, claim.cost);
        if somebody_waits {
            // Its place frees no sooner than everybody has reckoned with.
            self.tend(now, slice::from_ref(claim), wakes);
        }
        true
    }

    /// Takes an admission back that should not have been, as if nobody had asked.
    #[cold]
    pub(crate) fn take_back(&mut self, now: Moment, holding: Holding<'_>, wakes: &mut Wakes) {
        let claims = holding.claims;
        self.tally(claims, |tally| tally.admitted -= 1);
        self.end_all(now, holding, Ending::NeverLeft);
        self.tend_freed(now, claims, wakes);
    }

    #[inline(never)]
    pub(super) fn end_any(
        &mut self,
        now: Moment,
        holding: Holding<'_>,
        ending: Ending,
        wakes: &mut Wakes,
    ) {
        self.note_unanswered(holding.claims, ending);
        let claims = holding.claims;
        let held_up = self.are_held_up(claims);
        let somebody_waits = self.end_all(now, holding, ending);
        let is_seeded = ending == Ending::Answered && self.seed_unheard(now, claims, wakes);
        if !somebody_waits {
            return;
        }
        // What is answered frees its place no sooner than everybody has reckoned with, as long as the program's clock decides.
        let is_foreseen = ending != Ending::NeverLeft
            && !is_seeded
            && !held_up
            && !claims.iter().any(|claim| claim.counts_departure);
        if is_foreseen {
            self.tend(now, claims, wakes);
        } else {
            self.tend_freed(now, claims, wakes);
        }
    }

    pub(super) fn note_unanswered(&mut self, claims: &[Claim], ending: Ending) {
        match ending {
            Ending::Answered => {}
            Ending::Abandoned => self.tally(claims, |tally| tally.abandoned += 1),
            Ending::NeverLeft => self.tally(claims, |tally| tally.given_back += 1),
        }
    }

    /// Sets right what an answered request has cost. Says what it counts for now.
    pub(crate) fn correct(
        &mut self,
        now: Moment,
        claim: Claim,
        by: Correction,
        wakes: &mut Wakes,
    ) -> u32 {
        if !self.limiters.has(claim.id) {
            return by.cost;
        }
        let limiter = &mut self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let cost = limiter.correct(terms, now, by);
        self.tend_freed(now, &[claim], wakes);
        cost
    }

    pub(super) fn give_back(&mut self, now: Moment, claims: &[Claim], lane: Lane) {
        let holding = Holding {
            claims,
            lane,
            departed: None,
        };
        self.end_all(now, holding, Ending::NeverLeft);
    }

    /// Ends places, without a look at who waits for them. Says whether anybody does.
    pub(super) fn end_all(&mut self, now: Moment, holding: Holding<'_>, ending: Ending) -> bool {
        let mut somebody_waits = false;
        for claim in holding.claims {
            // What is gone by now had nothing in it that counts.
            let Some(limiter) = self.limiters.at_mut(claim.id) else {
                continue;
            };
            let terms = &self.groups[limiter.group as usize].terms;
            let held = Held {
                lane: holding.lane,
                cost: claim.cost,
                departed: holding.departed,
            };
            limiter.end(terms, now, held, ending);
            somebody_waits |= limiter.members() > 0;
        }
        somebody_waits
    }

    /// Clocks are read before the lock is taken. What a window has seen since then does not become unseen.
    pub(super) fn no_earlier(&self, now: Moment, claims: &[Claim]) -> Moment {
        let there = claims.iter().filter(|claim| self.limiters.has(claim.id));
        let seen = there.map(|claim| self.limiters[claim.id.index].tiers.seen());
        seen.fold(now, Moment::max)
    }
}
