//! Those who wait: from standing in line to their places, or out of it.

use std::mem;

use crate::book::Book;
use crate::book::admit::Taken;
use crate::book::claims::Claims;
use crate::book::outcome::{Caller, Denied, Driven, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Claim, Standing, Ticket, Waiter, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;

impl Book {
    /// Admits at once, or puts the request in line, with its caller's waker.
    pub(crate) fn join(
        &mut self,
        now: Moment,
        claims: &mut Claims,
        lane: Lane,
        patience: Patience,
        caller: &mut Caller<'_>,
        wakes: &mut Wakes,
    ) -> Result<Joined, Denied> {
        let denied = match self.take_if_free(now, claims, lane, wakes) {
            Ok(Taken::All) => return Ok(Joined::Admitted),
            Ok(taken) => match self.turn_beyond(now, claims, lane, patience.until, &taken) {
                Some(turn) => Denied::TooLate(turn),
                None if self.queue_is_full(claims, patience.queue) => {
                    Denied::Full(self.turn_after(now, claims, lane, &taken))
                }
                None => {
                    let ticket = self.stand_in_line(now, claims, lane, patience.until, wakes);
                    let driven = self.attend(ticket, caller);
                    return Ok(Joined::Waits { ticket, driven });
                }
            },
            Err(denied) => denied,
        };
        self.tally(claims, |tally| tally.refused += 1);
        Err(self.unless_held_up(claims, denied))
    }

    /// When the turn would come of a request that was not admitted, if that is after `until`.
    fn turn_beyond(
        &self,
        now: Moment,
        claims: &[Claim],
        lane: Lane,
        until: Moment,
        taken: &Taken,
    ) -> Option<Moment> {
        // Most have patience enough, which is seen sooner than when their turn is.
        if let (Taken::Nothing, [claim]) = (taken, claims)
            && let Some(latest) = self.newcomers_turn_at_the_latest(now, claim, lane)
            && latest <= until
        {
            debug_assert!(self.newcomers_turns(now, claims, lane).at <= latest);
            return None;
        }
        Some(self.turn_after(now, claims, lane, taken)).filter(|&turn| turn > until)
    }

    fn turn_after(&self, now: Moment, claims: &[Claim], lane: Lane, taken: &Taken) -> Moment {
        match taken {
            Taken::NothingUntil(turn) => turn.at,
            Taken::All | Taken::Nothing => self.newcomers_turns(now, claims, lane).at,
        }
    }

    /// Whether so many wait for one of the windows that nobody may join them.
    fn queue_is_full(&self, claims: &[Claim], queue: usize) -> bool {
        let members = |claim: &Claim| self.limiters[claim.id.index].members();
        claims.iter().any(|claim| members(claim) >= queue)
    }

    /// Puts a request in line that waits until then at the most.
    pub(super) fn stand_in_line(
        &mut self,
        now: Moment,
        claims: &Claims,
        lane: Lane,
        until: Moment,
        wakes: &mut Wakes,
    ) -> Ticket {
        self.tally(claims, |tally| tally.waited += 1);
        // Of those that keep it waiting, the one that will for longest: so it is passed over least.
        let lacking = |&at: &usize| !self.is_available(&claims[at], lane, claims.len() == 1);
        let turn_of = |&at: &usize| self.newcomers_turn(now, &claims[at], lane).at;
        let claim = match claims.len() {
            1 => 0,
            all => (0..all)
                .filter(lacking)
                .max_by_key(turn_of)
                .unwrap_or_default(),
        };
        for claim in claims.iter() {
            self.limiters[claim.id.index].line_mut().enroll();
        }
        let at = claims[claim];
        let ticket = self.waiters.insert(Waiter {
            claims: claims.clone(),
            lane,
            stands_with: lane,
            standing: Standing::InLine(claim),
            fronts: 0,
            until,
            waker: None,
        });
        let line = self.limiters[at.id.index].line_mut();
        line.stand(lane, ticket, at.cost);
        // Behind another one of its lane that waits for this window, it changes nothing.
        let before = line.last_but_one(lane);
        if before.is_none_or(|before| self.waiters[&before].is_aged()) {
            self.reschedule(now, &[at.id.index], wakes);
        }
        self.note_deadline(until, ticket, wakes);
        ticket
    }

    fn note_deadline(&mut self, until: Moment, ticket: Ticket, wakes: &mut Wakes) {
        let waiters = &self.waiters;
        let waits = |ticket: &Ticket| waiters.get(ticket).is_some();
        if self.deadlines.have_one_by(until) {
            // All drivers look then at the latest, whether that one waits still or not.
            self.deadlines.put(until, ticket, waiters.len(), waits);
            return;
        }
        let before = self.deadlines.next(waits);
        self.deadlines.put(until, ticket, waiters.len(), waits);
        if until < before {
            self.call_the_late(wakes);
        }
    }

    /// Leaves the waker of one who waits here, for the one that it has left before.
    fn attend(&mut self, ticket: Ticket, caller: &mut Caller<'_>) -> Driven {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            mem::swap(&mut waiter.waker, &mut caller.waker);
        }
        match (caller.runtime)() {
            Some(runtime) => match self.drivers.ensure(runtime) {
                Some(driver) => Driven::By(driver),
                None => Driven::Already,
            },
            None => Driven::Nowhere,
        }
    }

    /// Takes what a waiter has been offered, if it has been: then `claims` are what it holds. For that no clock is needed.
    pub(crate) fn claim(&mut self, ticket: Ticket, claims: &mut Claims, wakes: &mut Wakes) -> bool {
        let offered = |waiter: &Waiter| matches!(waiter.standing, Standing::Offered { .. });
        // Late or not: as long as nobody has passed them on, the places are its own.
        let is_offered = self.waiters.get(&ticket).is_some_and(offered);
        if is_offered {
            if let Some(waiter) = self.remove(ticket, wakes) {
                *claims = waiter.claims;
            }
            self.tally(claims, |tally| tally.admitted += 1);
        }
        is_offered
    }

    /// Has a waiter look after its line, and take what it has been offered: then `claims` are what it holds; or what it wanted, where
    /// it is turned away.
    ///
    /// Where it waits on, its caller's waker is left here, and the one that was left before is handed back, to be dropped once
    /// the lock is free.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        ticket: Ticket,
        claims: &mut Claims,
        caller: &mut Caller<'_>,
        wakes: &mut Wakes,
    ) -> Look {
        if self.claim(ticket, claims, wakes) {
            return Look::Admitted;
        }
        let has_missed = self.revive(ticket);
        self.look_after(now, ticket, has_missed, wakes);
        if self.claim(ticket, claims, wakes) {
            return Look::Admitted;
        }
        let Some(waiter) = self.waiters.get(&ticket) else {
            return Look::OutOfPatience;
        };
        match waiter.standing {
            Standing::Hopeless => {
                let lane = waiter.lane;
                if let Some(waiter) = self.remove(ticket, wakes) {
                    *claims = waiter.claims;
                }
                self.tally(claims, |tally| tally.refused += 1);
                Look::Never(self.most(claims, lane))
            }
            _ if waiter.until <= now => Look::OutOfPatience,
            _ => Look::Waits(self.attend(ticket, caller)),
        }
    }

    /// Looks after the lines of one who waits, who may have come back into them just now.
    fn look_after(&mut self, now: Moment, ticket: Ticket, is_back: bool, wakes: &mut Wakes) {
        let Some(waiter) = self.waiters.get(&ticket) else {
            return;
        };
        let claims = waiter.claims.clone();
        if is_back {
            self.tend_freed(now, &claims, wakes);
        } else {
            self.tend(now, &claims, wakes);
        }
    }

    /// Takes a waiter out of its line; what it has been offered goes to the next. Says when the turn of one that comes now would come
    /// that wants the same, if anybody can, where it was out of patience.
    pub(crate) fn leave(
        &mut self,
        now: Moment,
        ticket: Ticket,
        leaving: Leaving,
        wakes: &mut Wakes,
    ) -> Option<Moment> {
        let waiter = self.remove(ticket, wakes)?;
        let claims = &waiter.claims;
        if leaving == Leaving::OutOfPatience {
            self.tally(claims, |tally| tally.refused += 1);
        }
        if matches!(waiter.standing, Standing::Offered { .. }) {
            self.give_back(now, claims, waiter.lane);
        }
        self.tend_freed(now, claims, wakes);
        let asks = leaving == Leaving::OutOfPatience && !self.are_held_up(claims);
        asks.then(|| self.turn_of_newcomer(now, claims, waiter.lane))
    }
}
