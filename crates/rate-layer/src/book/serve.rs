//! Who is offered what has become free.
//!
//! A place that frees is *offered* to the first in line, and stays reserved for it until it claims the place or the offer
//! lapses; then the place goes to the next, and the one that missed it keeps its ticket. It is offered nothing more until
//! it shows that it lives, by being polled: a waiter whose future lies forgotten in some corner costs the others one offer,
//! once.
//!
//! One that wants places in several windows gets all at once, or none. It stands in the line of *one* of them, the one that
//! keeps it waiting; when it comes to the front there and another one lacks a place, it changes over into that one's line,
//! where its ticket says, and whoever stood behind it goes on: it has been passed over. One that has come to the front of
//! every line and was passed over each time has aged. It stands in all its lines from then on, and what it needs is set
//! aside wherever it is first. So it waits for one more place to free, no longer.
//!
//! There is no deadlock between windows taken in different orders. Nobody holds a place while it waits for another one; what is set
//! aside for one that has aged binds those behind it alone. All lines are in the order of one sequence of tickets: the oldest of
//! those that have aged is passed over by nobody, and nothing is set aside from it.

use std::time::Duration;

use smallvec::SmallVec;

use crate::book::Book;
use crate::book::waiter::{Claim, Claims, Standing, Ticket, Waiter, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;
use std::task::Waker;

/// How long places stay offered to one waiter.
const CLAIM_WITHIN: Duration = Duration::from_millis(50);

/// Windows to look at, by number.
pub(super) type Work = SmallVec<[u32; 4]>;

impl Book {
    /// Sees to what is due in the windows of `claims`, on behalf of somebody who does not stand in their lines.
    #[inline(never)]
    pub(super) fn tend(&mut self, now: Moment, claims: &[Claim], wakes: &mut Wakes) {
        let changed = self.serve_all_of(now, claims, wakes);
        self.call_lookouts_of(now, &changed, wakes);
    }

    pub(super) fn call_lookouts_of(&mut self, now: Moment, changed: &[u32], wakes: &mut Wakes) {
        for &index in changed {
            self.call_lookouts(now, index, wakes);
        }
    }

    /// Passes lapsed offers on, and offers what is free, in the windows of `claims`. Says in whose lines something changed:
    /// their lookouts are to be called.
    pub(super) fn serve_all_of(
        &mut self,
        now: Moment,
        claims: &[Claim],
        wakes: &mut Wakes,
    ) -> Work {
        let mut work = Work::new();
        for claim in claims {
            if !self.limiters.has(claim.id) {
                continue;
            }
            let limiter = &mut self.limiters[claim.id.index];
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.expire(terms, now);
            if limiter.members() > 0 {
                work.push(claim.id.index);
            }
        }
        let mut touched = Work::new();
        while let Some(index) = work.pop() {
            if self.serve(now, index, &mut work, wakes) && !touched.contains(&index) {
                touched.push(index);
            }
        }
        touched
    }

    /// Serves the line of the window at `index`. What else is to be looked at then goes into `work`.
    fn serve(&mut self, now: Moment, index: u32, work: &mut Work, wakes: &mut Wakes) -> bool {
        let mut changed = self.lapse_offers(now, index, work);
        let (mut ahead, mut set_aside) = (0, 0_u32);
        while let Some(ticket) = self.at(index, ahead) {
            let waiter = &self.waiters[&ticket];
            let (lane, cost) = (waiter.lane, waiter.cost_at(index));
            let limiter = &self.limiters[index];
            let terms = &self.groups[limiter.group as usize].terms;
            if cost > limiter.tiers.most(terms, lane) {
                self.give_up_on(ticket, wakes);
                changed = true;
                continue;
            }
            if !limiter.has_room(terms, lane, cost.saturating_add(set_aside)) {
                break;
            }
            let Some(elsewhere) = self.kept_waiting_elsewhere(now, ticket, index) else {
                self.offer(now, ticket, wakes);
                changed = true;
                continue;
            };
            if self.pass_over(ticket, index, elsewhere, work) {
                changed = true;
            }
            if self.waiters[&ticket].is_aged() {
                set_aside = set_aside.saturating_add(cost);
                ahead += 1;
            }
        }
        changed
    }

    /// Ends the offers that have lapsed in the window at `index`.
    fn lapse_offers(&mut self, now: Moment, index: u32, work: &mut Work) -> bool {
        let mut changed = false;
        while let Some((lapses, ticket)) = self.next_lapse(index)
            && lapses <= now
        {
            let Some(waiter) = self.waiters.get_mut(&ticket) else {
                break;
            };
            waiter.standing = Standing::Missed;
            let (claims, lane) = (waiter.claims.clone(), waiter.lane);
            self.give_back(now, &claims, lane);
            work.extend(
                claims
                    .iter()
                    .map(|claim| claim.id.index)
                    .filter(|&i| i != index),
            );
            changed = true;
        }
        changed
    }

    /// When the next offer lapses in the window at `index`, and whose it is.
    pub(super) fn next_lapse(&mut self, index: u32) -> Option<(Moment, Ticket)> {
        let waiters = &self.waiters;
        let line = self.limiters[index].line.as_mut()?;
        line.next_offer(|ticket, lapses| {
            let offered = |waiter: &Waiter| waiter.standing == Standing::Offered { lapses };
            waiters.get(&ticket).is_some_and(offered)
        })
    }

    fn at(&self, index: u32, ahead: usize) -> Option<Ticket> {
        let limiter = &self.limiters[index];
        limiter.line.as_ref()?.get(ahead, limiter.rest_first())
    }

    /// The first of the claims of `ticket`, but for the one of the window at `index`, that lacks a place.
    fn kept_waiting_elsewhere(&mut self, now: Moment, ticket: Ticket, index: u32) -> Option<usize> {
        let waiter = &self.waiters[&ticket];
        if waiter.claims.len() == 1 {
            return None;
        }
        for claim in &waiter.claims {
            let limiter = &mut self.limiters[claim.id.index];
            limiter.expire(&self.groups[limiter.group as usize].terms, now);
        }
        waiter.claims.iter().position(|claim| {
            claim.id.index != index && !self.is_available(claim, waiter.lane, ticket)
        })
    }

    /// Whether there is room for `claim` behind those that stand before `ticket`.
    pub(super) fn is_available(&self, claim: &Claim, lane: Lane, ticket: Ticket) -> bool {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let mut wanted = claim.cost;
        if let Some(line) = &limiter.line
            && line.len() > 0
        {
            let rest_first = limiter.rest_first();
            let overtaker = usize::from(rest_first && lane == Lane::First);
            for ahead in 0..line.ahead(lane, ticket) + overtaker {
                let Some(other) = line.get(ahead, rest_first) else {
                    break;
                };
                if other == ticket {
                    break;
                }
                let other = &self.waiters[&other];
                if !other.is_aged() {
                    // It waits for this window: were there room, it would have been served.
                    return false;
                }
                wanted = wanted.saturating_add(other.cost_at(claim.id.index));
            }
        }
        limiter.has_room(terms, lane, wanted)
    }

    /// Offers `ticket` all that it wants, and calls it.
    fn offer(&mut self, now: Moment, ticket: Ticket, wakes: &mut Wakes) {
        self.step_out(ticket);
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        let lapses = now.after(CLAIM_WITHIN);
        waiter.standing = Standing::Offered { lapses };
        wakes.call(waiter.waker.take());
        let (mut claims, lane) = (waiter.claims.clone(), waiter.lane);
        self.take(&mut claims, lane);
        for claim in &claims {
            let line = self.limiters[claim.id.index].line_mut();
            line.offer(lapses, ticket);
        }
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.claims = claims;
        }
    }

    /// Notes that `ticket` is first in the window at `index`, and kept waiting by another one. Says whether it moved.
    fn pass_over(&mut self, ticket: Ticket, index: u32, elsewhere: usize, work: &mut Work) -> bool {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return false;
        };
        if waiter.is_aged() {
            return false;
        }
        let here = waiter
            .claims
            .iter()
            .position(|claim| claim.id.index == index);
        waiter.fronts |= here.map_or(0, |here| 1 << here);
        let everywhere = (1_u32 << waiter.claims.len()) - 1;
        let standing = if waiter.fronts == everywhere {
            Standing::InAllLines
        } else {
            Standing::InLine(elsewhere)
        };
        work.push(waiter.claims[elsewhere].id.index);
        self.step_out(ticket);
        self.step_in(ticket, standing);
        true
    }

    /// Takes one out of line that asks for more than there is.
    fn give_up_on(&mut self, ticket: Ticket, wakes: &mut Wakes) {
        self.step_out(ticket);
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.standing = Standing::Hopeless;
            wakes.call(waiter.waker.take());
        }
    }

    /// Takes every open offer in the window at `index` back; who had one stands in line again.
    pub(super) fn recall_offers(&mut self, now: Moment, index: u32) -> Claims {
        let mut affected = Claims::new();
        let offers = match &mut self.limiters[index].line {
            Some(line) => line.take_offers(),
            None => return affected,
        };
        for (lapses, ticket) in offers {
            let Some(waiter) = self.waiters.get(&ticket) else {
                continue;
            };
            if waiter.standing != (Standing::Offered { lapses }) {
                continue;
            }
            let (claims, lane) = (waiter.claims.clone(), waiter.lane);
            let here = claims.iter().position(|claim| claim.id.index == index);
            self.give_back(now, &claims, lane);
            self.step_in(ticket, Standing::InLine(here.unwrap_or_default()));
            affected.extend(claims);
        }
        affected
    }

    /// Notes that the holder of `ticket` lives: if it has missed an offer, it stands in line again, where its ticket says.
    pub(super) fn revive(&mut self, ticket: Ticket) {
        let missed = |waiter: &Waiter| waiter.standing == Standing::Missed;
        if self.waiters.get(&ticket).is_some_and(missed) {
            self.step_in(ticket, Standing::InLine(0));
        }
    }

    /// Takes a waiter out, without a trace.
    pub(super) fn remove(&mut self, ticket: Ticket, wakes: &mut Wakes) -> Option<Waiter> {
        self.step_out(ticket);
        let mut waiter = self.waiters.remove(&ticket)?;
        wakes.retire(waiter.waker.take());
        for claim in &waiter.claims {
            self.limiters[claim.id.index].line_mut().dismiss();
        }
        Some(waiter)
    }

    /// Lets `ticket` rest until its alarm, or until `waker` is called. Says when its alarm is.
    ///
    /// An earlier alarm that is yet to come stays: a look for no reason must not put off one with a reason.
    pub(super) fn rest(
        &mut self,
        now: Moment,
        ticket: Ticket,
        alarm: Moment,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Moment {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            wakes.retire(Some(waker));
            return alarm;
        };
        if waiter.alarm <= now || alarm < waiter.alarm {
            waiter.alarm = alarm;
        }
        wakes.retire(waiter.waker.replace(waker));
        waiter.alarm
    }

    /// Takes `ticket` out of whichever lines it stands in.
    fn step_out(&mut self, ticket: Ticket) {
        let Some(waiter) = self.waiters.get(&ticket) else {
            return;
        };
        for claim in lines_of(&waiter.claims, waiter.standing) {
            if let Some(line) = &mut self.limiters[claim.id.index].line {
                line.step_out(waiter.lane, ticket, claim.cost);
            }
        }
    }

    /// Puts `ticket` into the lines that `standing` names.
    fn step_in(&mut self, ticket: Ticket, standing: Standing) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        waiter.standing = standing;
        for claim in lines_of(&waiter.claims, standing) {
            let line = self.limiters[claim.id.index].line_mut();
            line.stand(waiter.lane, ticket, claim.cost);
        }
    }
}

/// The claims in whose lines one stands.
fn lines_of(claims: &[Claim], standing: Standing) -> &[Claim] {
    match standing {
        Standing::InLine(claim) => std::slice::from_ref(&claims[claim]),
        Standing::InAllLines => claims,
        Standing::Offered { .. } | Standing::Missed | Standing::Hopeless => &[],
    }
}
