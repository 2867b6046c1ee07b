//! Who gets a place at once, and what others are told.

use std::slice;

use crate::book::Book;
use crate::book::outcome::Denied;
use crate::book::waiter::{Claim, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Places;
use crate::shape::sight::Turn;

/// What came of a wish for places.
pub(super) enum Taken {
    All,
    /// When there would be places, has to be found out.
    Nothing,
    NothingUntil(Turn),
}

impl Book {
    /// Admits where no clock is needed for it: there is room, and nobody stands in line.
    #[inline]
    pub(crate) fn admit_unseen(&mut self, claims: &mut [Claim], lane: Lane) -> bool {
        if let [claim] = claims {
            return self.admit_one_unseen(claim, lane);
        }
        self.admit_several_unseen(claims, lane)
    }

    #[inline(never)]
    pub(super) fn admit_several_unseen(&mut self, claims: &mut [Claim], lane: Lane) -> bool {
        let free = claims.iter().all(|claim| {
            if !self.limiters.has(claim.id) {
                return false;
            }
            let limiter = &self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            let wanted = Places::of_first(claim.cost);
            !terms.need_the_time() && limiter.is_open() && limiter.has_room(terms, lane, wanted)
        });
        if free {
            self.admitted(claims, lane);
        }
        free
    }

    /// The same for a request that wants one thing, as most do.
    #[inline(always)]
    pub(crate) fn admit_one_unseen(&mut self, claim: &mut Claim, lane: Lane) -> bool {
        let Some(limiter) = self.limiters.at_mut(claim.id) else {
            return false;
        };
        let group = &mut self.groups[limiter.group as usize];
        let is_taken = limiter.take_if_free(&group.terms, lane, claim);
        if is_taken {
            group.tally.admitted += 1;
            self.admissions += 1;
        }
        is_taken
    }

    /// Admits at once, or says when.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        claims: &mut [Claim],
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        let denied = match self.decide(now, claims, lane, wakes) {
            Ok(None) => return Ok(()),
            Ok(Some(turn)) => Denied::TooLate(turn.at),
            Err(denied) => denied,
        };
        self.tally(claims, |tally| tally.refused += 1);
        Err(self.unless_held_up(claims, denied))
    }

    /// The same for a request that wants one thing, as most do.
    #[inline(always)]
    pub(crate) fn admit_one(
        &mut self,
        now: Moment,
        claim: &mut Claim,
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        if let Some(turn) = self.refuse_plainly(now, claim, lane) {
            return Err(Denied::TooLate(turn));
        }
        match self.decide_alone(now, claim, lane) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(turn))) => Err(self.refused(claim, Denied::TooLate(turn.at))),
            Some(Err(denied)) => Err(self.refused(claim, denied)),
            None => self.admit(now, slice::from_mut(claim), lane, wakes),
        }
    }

    fn refused(&mut self, claim: &Claim, denied: Denied) -> Denied {
        self.tally(slice::from_ref(claim), |tally| tally.refused += 1);
        self.unless_held_up(slice::from_ref(claim), denied)
    }

    /// Refuses a request for one place and says when there will be one, where a plain window is full and nobody waits for it.
    #[inline(always)]
    fn refuse_plainly(&mut self, now: Moment, claim: &Claim, lane: Lane) -> Option<Moment> {
        let limiter = self.limiters.at_mut(claim.id)?;
        let group = &mut self.groups[limiter.group as usize];
        let (terms, window) = limiter.plain_mut(&group.terms, lane)?;
        let turn = window
            .next_plainly(terms, now)
            .filter(|_| claim.cost == 1)?;
        group.tally.refused += 1;
        Some(turn)
    }

    /// What `denied` says; of when, nothing, where nobody knows the end of what keeps requests waiting.
    #[inline]
    pub(super) fn unless_held_up(&self, claims: &[Claim], denied: Denied) -> Denied {
        match denied {
            Denied::TooLate(_) if self.are_held_up(claims) => Denied::TooLate(Moment::NEVER),
            Denied::Full(_) if self.are_held_up(claims) => Denied::Full(Moment::NEVER),
            denied => denied,
        }
    }

    /// Takes all, or says when the turn comes of one that comes now.
    pub(super) fn decide(
        &mut self,
        now: Moment,
        claims: &mut [Claim],
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<Option<Turn>, Denied> {
        let taken = self.take_if_free(now, claims, lane, wakes)?;
        Ok(match taken {
            Taken::All => None,
            Taken::Nothing => Some(self.newcomers_turns(now, claims, lane)),
            Taken::NothingUntil(turn) => Some(turn),
        })
    }

    /// Takes all, or nothing.
    pub(super) fn take_if_free(
        &mut self,
        now: Moment,
        claims: &mut [Claim],
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<Taken, Denied> {
        if let [claim] = claims
            && let Some(outcome) = self.decide_alone(now, claim, lane)
        {
            return outcome.map(|turn| turn.map_or(Taken::All, Taken::NothingUntil));
        }
        let lacks = |claim: &Claim| claim.cost > self.most(slice::from_ref(claim), lane);
        if let Some(claim) = claims.iter().find(|claim| lacks(claim)) {
            return Err(Denied::Never(self.most(slice::from_ref(claim), lane)));
        }
        self.tend(now, claims, wakes);
        let alone = claims.len() == 1;
        let free = |claim: &Claim| self.is_available(claim, lane, alone);
        if claims.iter().all(free) {
            self.admitted(claims, lane);
            self.tell_the_overtaken(now, claims, wakes);
            return Ok(Taken::All);
        }
        Ok(Taken::Nothing)
    }

    /// When the turn comes in all windows of one that comes now.
    pub(super) fn newcomers_turns(&self, now: Moment, claims: &[Claim], lane: Lane) -> Turn {
        let turns = claims
            .iter()
            .map(|claim| self.newcomers_turn(now, claim, lane));
        turns.fold(Turn::now(now), Turn::and)
    }

    /// The same for a request that wants one thing for which nobody waits, as most do: no line is to be looked at. `None` where
    /// there is one.
    #[inline(always)]
    pub(super) fn decide_alone(
        &mut self,
        now: Moment,
        claim: &mut Claim,
        lane: Lane,
    ) -> Option<Result<Option<Turn>, Denied>> {
        let limiter = self.limiters.at_mut(claim.id)?;
        if limiter.members() > 0 {
            return None;
        }
        let group = &mut self.groups[limiter.group as usize];
        let most = limiter.tiers.most(&group.terms, lane);
        if claim.cost > most {
            return Some(Err(Denied::Never(most)));
        }
        limiter.expire(&group.terms, now);
        if limiter.has_room(&group.terms, lane, Places::of_first(claim.cost)) {
            limiter.take(&group.terms, lane, claim);
            group.tally.admitted += 1;
            self.admissions += 1;
            return Some(Ok(None));
        }
        let places = Places::of_first(claim.cost);
        let turn = limiter.turn(&group.terms, now, lane, places);
        Some(Ok(Some(turn)))
    }

    /// Has lines looked after anew in which some stand whom a newcomer has overtaken: of what had room here, and was kept waiting
    /// elsewhere, it may have taken the room.
    fn tell_the_overtaken(&mut self, now: Moment, claims: &[Claim], wakes: &mut Wakes) {
        for claim in claims {
            if self.limiters[claim.id.index].in_line() > 0 {
                self.reschedule(now, &[claim.id.index], wakes);
            }
        }
    }

    pub(super) fn admitted(&mut self, claims: &mut [Claim], lane: Lane) {
        self.take(claims, lane);
        self.tally(claims, |tally| tally.admitted += 1);
    }

    pub(super) fn take(&mut self, claims: &mut [Claim], lane: Lane) {
        self.admissions += 1;
        for claim in claims {
            let limiter = &mut self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.take(terms, lane, claim);
        }
    }

    /// What a request of `lane` may cost at the most in each of the windows.
    pub(super) fn most(&self, claims: &[Claim], lane: Lane) -> u32 {
        let most = claims.iter().map(|claim| {
            let limiter = &self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.tiers.most(terms, lane)
        });
        most.min().unwrap_or(u32::MAX)
    }
}
