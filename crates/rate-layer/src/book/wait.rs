//! Those who wait: from standing in line to their places, or out of it.

use std::task::Waker;

use crate::book::Book;
use crate::book::outcome::{Denied, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Claim, Claims, Standing, Ticket, Waiter, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::sight::Turn;

impl Book {
    /// Admits at once, or puts the request in line, with its waker. Where the request does not wait, the waker stays where it is.
    pub(crate) fn join(
        &mut self,
        now: Moment,
        claims: &mut Claims,
        lane: Lane,
        patience: Patience,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Result<Joined, Denied> {
        let denied = match self.decide(now, claims, lane, wakes) {
            Ok(None) => return Ok(Joined::Admitted),
            Ok(Some(turn)) if turn.at <= patience.until => {
                let members = |claim: &Claim| self.limiters[claim.id.index].members();
                if claims.iter().all(|claim| members(claim) < patience.queue) {
                    return Ok(self.stand_in_line(
                        now,
                        Claims::from_slice(claims),
                        lane,
                        turn,
                        waker,
                    ));
                }
                Denied::Full(turn.at)
            }
            Ok(Some(turn)) => Denied::TooLate(turn.at),
            Err(denied) => denied,
        };
        self.tally(claims, |tally| tally.refused += 1);
        Err(denied)
    }

    /// Puts a request in line whose turn comes at `turn`, as far as can be seen.
    pub(super) fn stand_in_line(
        &mut self,
        now: Moment,
        claims: Claims,
        lane: Lane,
        turn: Turn,
        waker: &mut Option<Waker>,
    ) -> Joined {
        self.tally(&claims, |tally| tally.waited += 1);
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
        let is_alone = claims.len() == 1;
        for claim in &claims {
            self.limiters[claim.id.index].line_mut().enroll();
        }
        let at = claims[claim];
        let ticket = self.waiters.insert(Waiter {
            claims,
            lane,
            stands_with: lane,
            standing: Standing::InLine(claim),
            fronts: 0,
            alarm: Moment::NEVER,
            waker: None,
        });
        let line = self.limiters[at.id.index].line_mut();
        line.stand(lane, ticket, at.cost);
        // Where each wants one place, its turn is known by now.
        let alarm = if is_alone && line.wants_one_each() {
            self.alarm_in_line(now, ticket, at.id.index, Some(turn))
        } else {
            self.alarm(now, ticket)
        };
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.alarm = alarm;
            waiter.waker = waker.take();
        }
        Joined::Waits { ticket, alarm }
    }

    /// Has a waiter look after its line, and take what it has been offered: then `claims` are what it holds.
    ///
    /// Where it waits on, its waker is left here, and the one that it left before is handed back, to be dropped once the lock is free.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        ticket: Ticket,
        claims: &mut Claims,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Look {
        self.revive(ticket);
        let offered = |waiter: &Waiter| matches!(waiter.standing, Standing::Offered { .. });
        if self.waiters.get(&ticket).is_some_and(offered) {
            // Late or not: as long as nobody has passed them on, the places are its own.
            let look = self.see(now, ticket, claims, false, waker, wakes);
            self.tend(now, claims, wakes);
            return look;
        }
        let changed = self.serve_all_of(now, claims, wakes);
        let look = self.see(now, ticket, claims, !changed.is_empty(), waker, wakes);
        self.call_lookouts_of(now, &changed, wakes);
        look
    }

    pub(super) fn see(
        &mut self,
        now: Moment,
        ticket: Ticket,
        claims: &mut Claims,
        changed: bool,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Look {
        let standing = self.waiters.get(&ticket).map(|waiter| waiter.standing);
        match standing {
            Some(Standing::Offered { .. }) => {
                if let Some(waiter) = self.remove(ticket, wakes) {
                    *claims = waiter.claims;
                }
                self.tally(claims, |tally| tally.admitted += 1);
                return Look::Admitted;
            }
            Some(Standing::Hopeless) => {
                let lane = self.waiters[&ticket].lane;
                self.remove(ticket, wakes);
                self.tally(claims, |tally| tally.refused += 1);
                return Look::Never(self.most(claims, lane));
            }
            _ => {}
        }
        let alarm = match self.next_event_of(now, ticket) {
            event if changed && event != Moment::NEVER => event,
            _ => self.alarm(now, ticket),
        };
        Look::Until(self.rest(now, ticket, alarm, waker))
    }

    /// Takes a waiter out of its line; what it has been offered goes to the next.
    pub(crate) fn leave(
        &mut self,
        now: Moment,
        ticket: Ticket,
        leaving: Leaving,
        wakes: &mut Wakes,
    ) {
        let Some(waiter) = self.remove(ticket, wakes) else {
            return;
        };
        let claims = &waiter.claims;
        if leaving == Leaving::OutOfPatience {
            self.tally(claims, |tally| tally.refused += 1);
        }
        if matches!(waiter.standing, Standing::Offered { .. }) {
            self.give_back(now, claims, waiter.lane);
        }
        self.tend_freed(now, claims, wakes);
    }
}
