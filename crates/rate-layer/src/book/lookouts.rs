//! Who looks after a line, and when.
//!
//! A place that frees is offered when somebody *looks*, and a waiter looks when its own timer, its alarm, sounds. No runtime
//! can be trusted to poll a given waiter, so no waiter may depend on another one. On the other hand, if each of thousands
//! looked at every moment at which something might happen, they would do little else. So an alarm is set
//!
//! - for the first in line, of either lane: at the next event, which is the next place to free or the next offer to lapse;
//! - for the *lookouts*, 1, 4, 16, 64 … places behind it and the last one: 12 ms a place later. By then the event has been
//!   seen to, unless those ahead sleep, and an offer lapses after 50 ms. So one sleeper costs the others less than 100 ms,
//!   and a row of them less than 100 ms each;
//! - for one that has just looked and found something to do: at the next event. It may be the only one awake;
//! - for everybody: at its own turn, when as many places will have freed as it and those ahead need. That is what remains
//!   if all lookouts should sleep. As long as it is a guess, it is taken at four times the distance.
//!
//! A change that nobody could foresee (a place given back, a waiter gone) calls those of the lookouts whose alarms it makes
//! too late; and one that knew of no time, since the program had paused the window, is called when it goes on. A live line of n so costs two polls a grant, and some times log₄ n more when places come one by one.
//!
//! One that stands in several lines looks after each of them; and whoever stands behind one for whom places are set aside, also
//! after the lines in which that one is kept waiting: those who stand there may all sleep.

use std::time::Duration;

use crate::book::Book;
use crate::book::limiter::Limiter;
use crate::book::line::{Line, SetAside};
use crate::book::serve::Numbers;
use crate::book::waiter::{Standing, Ticket, Wakes};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Places;
use crate::shape::sight::Turn;

/// How much later a lookout looks for each waiter that stands before it.
const LOOK_AFTER: Duration = Duration::from_millis(12);

impl Book {
    /// When the holder of `ticket` must look again.
    pub(super) fn alarm(&mut self, now: Moment, ticket: Ticket) -> Moment {
        self.over_lines_of(ticket, |book, index| {
            book.alarm_in_line(now, ticket, index, None)
        })
    }

    /// When something may happen next in the lines of `ticket` by the mere passing of time.
    pub(super) fn next_event_of(&mut self, now: Moment, ticket: Ticket) -> Moment {
        self.over_lines_of(ticket, |book, index| book.next_event(now, index))
    }

    /// The earliest of what `at` says of the lines in which `ticket` stands.
    fn over_lines_of(&mut self, ticket: Ticket, at: impl Fn(&mut Self, u32) -> Moment) -> Moment {
        let Some(waiter) = self.waiters.get(&ticket) else {
            return Moment::NEVER;
        };
        match waiter.standing {
            Standing::InLine(claim) => {
                let index = waiter.claims[claim].id.index;
                at(self, index)
            }
            Standing::InAllLines => {
                let claims = waiter.claims.clone();
                let alarms = claims.iter().map(|claim| at(self, claim.id.index));
                alarms.min().unwrap_or(Moment::NEVER)
            }
            Standing::Offered { .. } | Standing::Missed | Standing::Hopeless => Moment::NEVER,
        }
    }

    /// When something may happen next in the line at `index` by the mere passing of time, if anybody stands in it.
    fn next_event(&mut self, now: Moment, index: u32) -> Moment {
        self.next_event_but(now, index, &mut Numbers::new())
    }

    /// The same, but for what happens in the lines that are `seen`.
    fn next_event_but(&mut self, now: Moment, index: u32, seen: &mut Numbers) -> Moment {
        seen.push(index);
        let mut elsewhere = Numbers::new();
        let Some(turn) = self.turn_of_the_first(now, index, &mut elsewhere) else {
            return Moment::NEVER;
        };
        let turn = turn.min(self.turn_of_the_rest(now, index));
        let lapse = self.next_lapse(index);
        let mut event = lapse.map_or(turn, |(lapse, _)| lapse.min(turn));
        for other in elsewhere {
            if !seen.contains(&other) {
                event = event.min(self.next_event_but(now, other, seen));
            }
        }
        event
    }

    /// When the first in line that is not kept waiting elsewhere has its turn. The windows by which others are kept waiting go into
    /// `elsewhere`.
    fn turn_of_the_first(
        &self,
        now: Moment,
        index: u32,
        elsewhere: &mut Numbers,
    ) -> Option<Moment> {
        let limiter = &self.limiters[index];
        let line = limiter.line.as_ref()?;
        if let Some(turn) = self.turn_of_the_first_plainly(now, limiter, line) {
            return Some(turn);
        }
        let rest_first = limiter.rest_first();
        let mut set_aside = SetAside::default();
        for ahead in 0..line.len() {
            let ticket = line.get(ahead, rest_first)?;
            let waiter = &self.waiters[&ticket];
            if limiter.is_held_up() {
                break;
            }
            let (lane, cost) = (waiter.lane, waiter.cost_at(index));
            let terms = &self.groups[limiter.group as usize].terms;
            let places = set_aside.and(lane, cost);
            let turn = limiter.turn(terms, now, lane, places);
            if turn.at > now || !waiter.is_aged() {
                return Some(turn.at);
            }
            // Kept waiting elsewhere. What it needs here is set aside, and the next one's turn is what may come.
            set_aside.add(lane, cost);
            let others = waiter.claims.iter().map(|claim| claim.id.index);
            elsewhere.extend(others.filter(|&other| other != index));
        }
        // Nobody stands in line, or all who do wait for something else.
        (line.len() > 0).then_some(Moment::NEVER)
    }

    /// The same where the window is plain and full, and the first wants one place of it and nothing else, as most do.
    fn turn_of_the_first_plainly(
        &self,
        now: Moment,
        limiter: &Limiter,
        line: &Line,
    ) -> Option<Moment> {
        if line.has(Lane::First) || limiter.is_held_back() {
            return None;
        }
        let first = &self.waiters[&line.first_of_rest()?];
        let terms = &self.groups[limiter.group as usize].terms;
        let (terms, window) = limiter.tiers.plain(terms)?;
        match &first.claims[..] {
            [claim] if claim.cost == 1 => window.next_plainly(terms, now),
            _ => None,
        }
    }

    /// When the first of the rest may come to go before those who go first, if it does not yet.
    fn turn_of_the_rest(&self, now: Moment, index: u32) -> Moment {
        let limiter = &self.limiters[index];
        let both = limiter.has_in_line(Lane::First) && limiter.has_in_line(Lane::Rest);
        if !both || limiter.rest_first() || limiter.is_held_up() {
            return Moment::NEVER;
        }
        let line = limiter.line.as_ref();
        let Some(first) = line.and_then(|line| line.first_of_rest()) else {
            return Moment::NEVER;
        };
        let terms = &self.groups[limiter.group as usize].terms;
        let cost = self.waiters[&first].cost_at(index);
        let turn = limiter.turn_of_rest(terms, now, 1, cost);
        turn.filter(|&turn| turn > now).unwrap_or(Moment::NEVER)
    }

    /// When the holder of `ticket` must look at the line at `index` again. `turn` is its own, if it is known already.
    pub(super) fn alarm_in_line(
        &mut self,
        now: Moment,
        ticket: Ticket,
        index: u32,
        turn: Option<Turn>,
    ) -> Moment {
        let event = self.next_event(now, index);
        let limiter = &self.limiters[index];
        let Some(line) = limiter.line.as_ref() else {
            return Moment::NEVER;
        };
        let (lane, with) = {
            let waiter = &self.waiters[&ticket];
            (waiter.lane, waiter.stands_with)
        };
        let ahead = line.ahead(with, ticket);
        // Of either lane: the first of the rest may come to go before all.
        let is_first = ahead == 0 || line.first_of_rest() == Some(ticket);
        if is_first || event == Moment::NEVER {
            return event;
        }
        let in_line = line.len();
        let turn = turn.unwrap_or_else(|| {
            // Each of those ahead needs one place at least.
            let ahead_of_lane = line.ahead_in_lane(with, ticket);
            let places = Places {
                of_all: ahead as u64 + 1,
                of_lane: ahead_of_lane as u64 + 1,
            };
            let terms = &self.groups[limiter.group as usize].terms;
            let alone = (ahead_of_lane as u64 + 1, 1);
            limiter.turn_in_line(terms, now, lane, places, alone)
        });
        let own = if turn.at < event {
            // There is room for it, and it stands behind one that wants more.
            lookouts_alarm(event, ahead)
        } else if turn.in_sight {
            turn.at
        } else {
            turn.at.after(3 * turn.at.since(now))
        };
        // Those ahead may need more than a place each: then its turn is no sooner than that of the first, which is not due.
        let own = own.max(event);
        if is_lookout(ahead, in_line) {
            own.min(lookouts_alarm(event, ahead))
        } else {
            own
        }
    }

    /// Calls the lookouts of the line at `index` that would look too late by themselves.
    pub(super) fn call_lookouts(&mut self, now: Moment, index: u32, wakes: &mut Wakes) {
        let in_line = self.limiters[index].in_line();
        let Some(last) = in_line.checked_sub(1) else {
            return;
        };
        let event = self.next_event(now, index);
        if event == Moment::NEVER {
            return;
        }
        self.rouse(index, 0, event, wakes);
        self.rouse_first_of_rest(index, event, wakes);
        let mut ahead = 1;
        while ahead < last {
            self.rouse(index, ahead, lookouts_alarm(event, ahead), wakes);
            ahead *= 4;
        }
        self.rouse(index, last, lookouts_alarm(event, last), wakes);
    }

    /// Calls all in the line at `index` who have been told of no time to look at.
    pub(super) fn call_those_without_alarm(&mut self, index: u32, wakes: &mut Wakes) {
        let Some(line) = &self.limiters[index].line else {
            return;
        };
        for ticket in line.tickets() {
            if let Some(waiter) = self.waiters.get_mut(&ticket)
                && waiter.alarm == Moment::NEVER
            {
                wakes.call(waiter.waker.take());
            }
        }
    }

    /// Calls the one with `ahead` others before it in line, if it would not look before `needed` by itself.
    fn rouse(&mut self, index: u32, ahead: usize, needed: Moment, wakes: &mut Wakes) {
        let limiter = &self.limiters[index];
        let rest_first = limiter.rest_first();
        let ticket = limiter
            .line
            .as_ref()
            .and_then(|line| line.get(ahead, rest_first));
        self.rouse_one(ticket, needed, wakes);
    }

    fn rouse_first_of_rest(&mut self, index: u32, needed: Moment, wakes: &mut Wakes) {
        let line = self.limiters[index].line.as_ref();
        let ticket = line.and_then(|line| line.first_of_rest());
        self.rouse_one(ticket, needed, wakes);
    }

    fn rouse_one(&mut self, ticket: Option<Ticket>, needed: Moment, wakes: &mut Wakes) {
        if let Some(ticket) = ticket
            && let Some(waiter) = self.waiters.get_mut(&ticket)
            && waiter.alarm > needed
        {
            waiter.alarm = needed;
            wakes.call(waiter.waker.take());
        }
    }
}

fn is_lookout(ahead: usize, in_line: usize) -> bool {
    let power_of_four = ahead.is_power_of_two() && ahead.trailing_zeros().is_multiple_of(2);
    power_of_four || ahead + 1 == in_line
}

fn lookouts_alarm(event: Moment, ahead: usize) -> Moment {
    let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
    event.after(LOOK_AFTER.saturating_mul(ahead))
}
