//! Who is offered what has become free.
//!
//! A place that frees is *offered* to the first in line, and stays reserved for it until it claims the place or the offer
//! lapses; then the place goes to the next, and the one that missed it keeps its ticket. It is offered nothing more until
//! it shows that it lives, by being polled: a waiter whose future lies forgotten in some corner costs the others one offer,
//! once.
//!
//! One that wants places in several windows gets all at once, or none. It stands in the line of *one* of them, the one that
//! keeps it waiting; when it comes to the front there and another one lacks a place, it changes over into that one's line,
//! where its ticket says, and whoever stood behind it goes on: it has been passed over. One that is kept waiting by a window in
//! which it has been passed over before has aged. It stands in all its lines from then on, and what it needs is set aside
//! wherever it is first. So each window passes it over once at the most, and once it is the oldest it waits for places to free
//! in each of its windows, no longer.
//!
//! There is no deadlock between windows taken in different orders. Nobody holds a place while it waits for another one; what is set
//! aside for one that has aged binds those behind it alone. All lines are in the order of one sequence of tickets: the oldest of
//! those that have aged is passed over by nobody, and nothing is set aside from it.

use std::mem;
use std::time::Duration;

use smallvec::SmallVec;

use crate::book::Book;
use crate::book::line::SetAside;
use crate::book::waiter::{Claim, Standing, Ticket, Waiter, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Places;

/// How long places stay offered to one waiter.
const CLAIM_WITHIN: Duration = Duration::from_millis(50);

/// Windows, by number.
pub(super) type Numbers = SmallVec<[u32; 4]>;

/// What is to be done, and what has been.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Windows whose lines are to be served.
    due: Numbers,
    /// Windows in whose lines something has changed.
    changed: Numbers,
    /// Windows whose lines have been served.
    served: Numbers,
}

impl Work {
    fn due(&mut self, index: u32) {
        if !self.due.contains(&index) {
            self.due.push(index);
        }
    }

    fn changed(&mut self, index: u32) {
        if !self.changed.contains(&index) {
            self.changed.push(index);
        }
    }

    /// Notes that somebody has come into these lines, or has left them. Where two lanes are, that changes who is first, so they
    /// are looked at again.
    fn all_changed(&mut self, claims: &[Claim]) {
        for claim in claims {
            self.changed(claim.id.index);
            if claims.len() > 1 {
                self.due(claim.id.index);
            }
        }
    }
}

impl Book {
    /// Sees to what is due in the windows of `claims`, on behalf of somebody who does not stand in their lines.
    #[inline(never)]
    pub(super) fn tend(&mut self, now: Moment, claims: &[Claim], wakes: &mut Wakes) {
        if !claims.iter().all(|claim| self.is_at_rest(now, claim)) {
            let changed = self.serve_all_of(now, claims, wakes);
            self.reschedule(now, &changed, wakes);
        }
    }

    /// The same where something has happened that nobody could foresee: the next may be served sooner than they thought, if
    /// not now.
    pub(super) fn tend_freed(&mut self, now: Moment, claims: &[Claim], wakes: &mut Wakes) {
        let mut changed = self.serve_all_of(now, claims, wakes);
        for claim in claims.iter().filter(|claim| self.limiters.has(claim.id)) {
            if !changed.contains(&claim.id.index) {
                changed.push(claim.id.index);
            }
        }
        self.reschedule(now, &changed, wakes);
    }

    /// Passes lapsed offers on, and offers what is free, in the windows of `claims`. Says in whose lines something changed: they are to
    /// be put on the agenda anew.
    pub(super) fn serve_all_of(
        &mut self,
        now: Moment,
        claims: &[Claim],
        wakes: &mut Wakes,
    ) -> Numbers {
        let there = claims.iter().filter(|claim| self.limiters.has(claim.id));
        let lines: Numbers = there.map(|claim| claim.id.index).collect();
        self.serve_lines(now, &lines, wakes)
    }

    /// The same for the lines at `indices`.
    pub(super) fn serve_lines(
        &mut self,
        now: Moment,
        indices: &[u32],
        wakes: &mut Wakes,
    ) -> Numbers {
        let mut work = Work::default();
        for &index in indices {
            let Some(limiter) = self.limiters.get_mut(index) else {
                continue;
            };
            let terms = &self.groups[limiter.group as usize].terms;
            limiter.expire(terms, now);
            if limiter.members() > 0 {
                work.due(index);
            }
        }
        self.serve_due(now, work, wakes)
    }

    fn serve_due(&mut self, now: Moment, mut work: Work, wakes: &mut Wakes) -> Numbers {
        while let Some(index) = work.due.pop() {
            if !work.served.contains(&index) {
                work.served.push(index);
            }
            self.serve(now, index, &mut work, wakes);
        }
        work.changed
    }

    /// Whether there is nothing to be served in the window of `claim`, as the agenda soon says of most, if nothing has happened but that
    /// time has passed.
    pub(super) fn is_at_rest(&mut self, now: Moment, claim: &Claim) -> bool {
        let Some(limiter) = self.limiters.at_mut(claim.id) else {
            return true;
        };
        limiter.expire(&self.groups[limiter.group as usize].terms, now);
        match &limiter.line {
            Some(line) if line.len() > 0 => line.due() > now,
            // Offers are not on the agenda where nobody stands behind them.
            Some(_) => {
                let lapse = self.next_lapse(claim.id.index);
                lapse.is_none_or(|(lapses, _)| lapses > now)
            }
            None => true,
        }
    }

    /// Serves the line of the window at `index`. What else is to be looked at then goes into `work`.
    fn serve(&mut self, now: Moment, index: u32, work: &mut Work, wakes: &mut Wakes) {
        let limiter = &mut self.limiters[index];
        limiter.expire(&self.groups[limiter.group as usize].terms, now);
        self.lapse_offers(now, index, work);
        self.offer_plainly(now, index, work, wakes);
        let (mut ahead, mut set_aside) = (0, SetAside::default());
        self.promote_rest(index, work);
        while let Some(ticket) = self.at(index, ahead) {
            let waiter = &self.waiters[&ticket];
            let (lane, cost) = (waiter.lane, waiter.cost_at(index));
            let limiter = &self.limiters[index];
            let terms = &self.groups[limiter.group as usize].terms;
            if cost > limiter.tiers.most(terms, lane) {
                self.give_up_on(ticket, work, wakes);
                (ahead, set_aside) = (0, SetAside::default());
                self.promote_rest(index, work);
                continue;
            }
            if !limiter.has_room(terms, lane, set_aside.and(lane, cost)) {
                break;
            }
            let Some(elsewhere) = self.kept_waiting_elsewhere(now, ticket, index) else {
                self.offer(now, ticket, work, wakes);
                (ahead, set_aside) = (0, SetAside::default());
                self.promote_rest(index, work);
                continue;
            };
            if self.waiters[&ticket].is_aged() {
                set_aside.add(lane, cost);
                ahead += 1;
                // Those who stand there may all sleep.
                for claim in self.waiters[&ticket].claims.iter() {
                    if !work.served.contains(&claim.id.index) {
                        work.due(claim.id.index);
                    }
                }
            } else {
                self.pass_over(ticket, index, elsewhere, work);
                (ahead, set_aside) = (0, SetAside::default());
                self.promote_rest(index, work);
            }
        }
    }

    /// Offers what is free as long as that is simple: the window is plain, nobody goes first, and the first wants places of it alone.
    /// So it is with most, and thousands may be served at once.
    fn offer_plainly(&mut self, now: Moment, index: u32, work: &mut Work, wakes: &mut Wakes) {
        let lapses = now.after(CLAIM_WITHIN);
        let limiter = &mut self.limiters[index];
        let terms = &self.groups[limiter.group as usize].terms;
        if limiter.is_held_back() || limiter.tiers.plain(terms).is_none() {
            return;
        }
        while !limiter.has_in_line(Lane::First)
            && let Some(ticket) = limiter.line.as_ref().and_then(|line| line.first_of_rest())
            && let Some(waiter) = self.waiters.get_mut(&ticket)
            && let [claim] = &mut waiter.claims[..]
            && limiter.has_room(terms, Lane::Rest, Places::of_first(claim.cost))
        {
            let line = limiter.line_mut();
            line.step_out(Lane::Rest, ticket, claim.cost);
            line.offer(lapses, ticket);
            limiter.take(terms, Lane::Rest, claim);
            self.admissions += 1;
            waiter.standing = Standing::Offered { lapses };
            wakes.call(waiter.waker.take());
            work.changed(index);
        }
    }

    /// Has the first of the rest stand with those who go first, if it is the turn of the rest and it wants several windows.
    ///
    /// One that wants this window alone simply goes before all. Of one that wants several, one window could say that it goes
    /// before another, and a second window the opposite: what is set aside for each would keep the other waiting for good. Its
    /// ticket says for all windows when it goes.
    fn promote_rest(&mut self, index: u32, work: &mut Work) {
        let limiter = &self.limiters[index];
        if !limiter.rest_first() {
            return;
        }
        let first = limiter.line.as_ref().and_then(|line| line.first_of_rest());
        let Some(ticket) = first else { return };
        let Some(waiter) = self.waiters.get(&ticket) else {
            return;
        };
        if waiter.claims.len() == 1 {
            return;
        }
        let (standing, claims) = (waiter.standing, waiter.claims.clone());
        self.step_out(ticket);
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.stands_with = Lane::First;
        }
        self.step_in(ticket, standing);
        work.all_changed(&claims);
        for claim in claims.iter().filter(|claim| claim.id.index != index) {
            work.due(claim.id.index);
        }
    }

    /// Ends the offers that have lapsed in the window at `index`.
    fn lapse_offers(&mut self, now: Moment, index: u32, work: &mut Work) {
        while let Some((lapses, ticket)) = self.next_lapse(index)
            && lapses <= now
        {
            let Some(waiter) = self.waiters.get_mut(&ticket) else {
                break;
            };
            waiter.standing = Standing::Missed;
            let (claims, lane) = (waiter.claims.clone(), waiter.lane);
            self.give_back(now, &claims, lane);
            work.all_changed(&claims);
        }
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
        for claim in waiter.claims.iter() {
            let limiter = &mut self.limiters[claim.id.index];
            limiter.expire(&self.groups[limiter.group as usize].terms, now);
        }
        waiter.claims.iter().position(|claim| {
            claim.id.index != index && !self.is_available_to(claim, waiter, ticket)
        })
    }

    /// Whether there is room for `claim`, of a newcomer that wants `alone` this window, behind all who stand before it.
    pub(super) fn is_available(&self, claim: &Claim, lane: Lane, alone: bool) -> bool {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let window = limiter.tiers.only_window(terms);
        if window.is_some_and(|(_, window)| window.room() < claim.cost) {
            // Whoever stands in line.
            return false;
        }
        // Of several windows none can say that it goes before all.
        let before_all = limiter.rest_is_due() && (alone || lane == Lane::First);
        let line = limiter.line.iter();
        let before = line.flat_map(|line| line.before(lane, Ticket::NEWCOMER, before_all));
        self.has_room_behind(claim, lane, before)
    }

    /// Whether there is room for `claim`, of one that waits and stands elsewhere, behind those that would stand before it.
    fn is_available_to(&self, claim: &Claim, waiter: &Waiter, ticket: Ticket) -> bool {
        let limiter = &self.limiters[claim.id.index];
        let with = waiter.stands_with;
        let before_all = limiter.rest_is_due() && with == Lane::First;
        let line = limiter.line.iter();
        let before = line.flat_map(|line| line.before(with, ticket, before_all));
        self.has_room_behind(claim, waiter.lane, before)
    }

    fn has_room_behind(
        &self,
        claim: &Claim,
        lane: Lane,
        before: impl Iterator<Item = Ticket>,
    ) -> bool {
        let limiter = &self.limiters[claim.id.index];
        let terms = &self.groups[limiter.group as usize].terms;
        let mut set_aside = SetAside::default();
        for other in before {
            let other = &self.waiters[&other];
            if !other.is_aged() {
                // It waits for this window: were there room, it would have been served.
                return false;
            }
            set_aside.add(other.lane, other.cost_at(claim.id.index));
        }
        limiter.has_room(terms, lane, set_aside.and(lane, claim.cost))
    }

    /// Offers `ticket` all that it wants, and calls it.
    fn offer(&mut self, now: Moment, ticket: Ticket, work: &mut Work, wakes: &mut Wakes) {
        self.step_out(ticket);
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        let lapses = now.after(CLAIM_WITHIN);
        waiter.standing = Standing::Offered { lapses };
        wakes.call(waiter.waker.take());
        let (mut claims, lane) = (mem::take(&mut waiter.claims), waiter.lane);
        self.take(&mut claims, lane);
        work.all_changed(&claims);
        for claim in claims.iter() {
            let line = self.limiters[claim.id.index].line_mut();
            line.offer(lapses, ticket);
        }
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.claims = claims;
        }
    }

    /// Notes that `ticket` is first in the window at `index`, and kept waiting by another one.
    fn pass_over(&mut self, ticket: Ticket, index: u32, elsewhere: usize, work: &mut Work) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        let here = waiter
            .claims
            .iter()
            .position(|claim| claim.id.index == index);
        waiter.fronts |= here.map_or(0, |here| 1 << here);
        let standing = if waiter.fronts & (1 << elsewhere) == 0 {
            Standing::InLine(elsewhere)
        } else {
            Standing::InAllLines
        };
        work.all_changed(&waiter.claims);
        self.step_out(ticket);
        self.step_in(ticket, standing);
    }

    /// Takes one out of line that asks for more than there is.
    fn give_up_on(&mut self, ticket: Ticket, work: &mut Work, wakes: &mut Wakes) {
        self.step_out(ticket);
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            work.all_changed(&waiter.claims);
            waiter.standing = Standing::Hopeless;
            wakes.call(waiter.waker.take());
        }
    }

    /// Tells all in line at `index` who ask for more than there is by now, wherever they stand.
    pub(super) fn turn_away_the_hopeless(&mut self, now: Moment, index: u32, wakes: &mut Wakes) {
        let limiter = &self.limiters[index];
        let terms = &self.groups[limiter.group as usize].terms;
        let Some(line) = &limiter.line else { return };
        let asks_too_much = |ticket: &Ticket| {
            let waiter = &self.waiters[ticket];
            waiter.cost_at(index) > limiter.tiers.most(terms, waiter.lane)
        };
        let hopeless: Vec<Ticket> = line.tickets().filter(asks_too_much).collect();
        let mut work = Work::default();
        for ticket in hopeless {
            self.give_up_on(ticket, &mut work, wakes);
        }
        // What was set aside for them elsewhere goes to others.
        let elsewhere = work.changed.clone();
        work.due.extend(elsewhere);
        let changed = self.serve_due(now, work, wakes);
        self.reschedule(now, &changed, wakes);
    }

    /// Takes every open offer in the window at `index` back; who had one stands in line again.
    pub(super) fn recall_offers(&mut self, now: Moment, index: u32) -> Vec<Claim> {
        let mut affected = Vec::new();
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
            affected.extend_from_slice(&claims);
        }
        affected
    }

    /// Notes that the holder of `ticket` lives: if it has missed an offer, it stands in line again, where its ticket says. Says
    /// whether it has.
    pub(super) fn revive(&mut self, ticket: Ticket) -> bool {
        let missed = |waiter: &Waiter| waiter.standing == Standing::Missed;
        let has_missed = self.waiters.get(&ticket).is_some_and(missed);
        if has_missed {
            self.step_in(ticket, Standing::InLine(0));
        }
        has_missed
    }

    /// Takes a waiter out, without a trace.
    pub(super) fn remove(&mut self, ticket: Ticket, wakes: &mut Wakes) -> Option<Waiter> {
        self.step_out(ticket);
        let mut waiter = self.waiters.remove(&ticket)?;
        wakes.retire(waiter.waker.take());
        for claim in waiter.claims.iter() {
            self.limiters[claim.id.index].line_mut().dismiss();
        }
        if self.waiters.len() == 0 {
            self.deadlines.clear();
            self.drivers.call_all(wakes);
        }
        Some(waiter)
    }

    /// Takes `ticket` out of whichever lines it stands in.
    fn step_out(&mut self, ticket: Ticket) {
        let Some(waiter) = self.waiters.get(&ticket) else {
            return;
        };
        for claim in lines_of(&waiter.claims, waiter.standing) {
            if let Some(line) = &mut self.limiters[claim.id.index].line {
                line.step_out(waiter.stands_with, ticket, claim.cost);
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
            line.stand(waiter.stands_with, ticket, claim.cost);
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
