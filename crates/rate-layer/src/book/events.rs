//! When something may happen next in a line by the mere passing of time.
//!
//! A line's events are the turn of the first in it that is not kept waiting elsewhere, of either lane, and the next lapse of an
//! offer. The agenda has the next one of each line, and it is never too late: whatever may bring an event forward (a place given
//! back, a waiter gone, a limit raised) comes by [`reschedule`](Book::reschedule). That one is later than the agenda says harms
//! nobody: whoever looks in vain notes when to look again.

use crate::book::Book;
use crate::book::drivers::Next;
use crate::book::limiter::Limiter;
use crate::book::line::{Line, SetAside};
use crate::book::waiter::Wakes;
use crate::lane::Lane;
use crate::moment::Moment;

impl Book {
    /// Notes when something may happen next in the lines at `indices`, and calls the drivers that would look too late.
    pub(super) fn reschedule(&mut self, now: Moment, indices: &[u32], wakes: &mut Wakes) {
        let before = self.agenda.next();
        for &index in indices {
            self.note_event(now, index);
        }
        if self.agenda.next() < before {
            self.call_the_late(wakes);
        }
    }

    pub(super) fn note_event(&mut self, now: Moment, index: u32) {
        let event = self.next_event(now, index);
        let Some(limiter) = self.limiters.get_mut(index) else {
            return;
        };
        if let Some(line) = &mut limiter.line {
            let before = line.be_due(event);
            if before != event {
                self.agenda.put(index, before, event);
            }
        }
    }

    /// Calls the drivers that would look too late.
    pub(super) fn call_the_late(&mut self, wakes: &mut Wakes) {
        let next = self.next();
        self.drivers.call_the_late(next, wakes);
    }

    /// When there is something to do next.
    pub(super) fn next(&mut self) -> Next {
        let waiters = &self.waiters;
        Next {
            event: self.agenda.next(),
            deadline: self.deadlines.next(|ticket| waiters.get(ticket).is_some()),
        }
    }

    /// When something may happen next in the line at `index` by the mere passing of time, if anybody stands in it.
    pub(super) fn next_event(&mut self, now: Moment, index: u32) -> Moment {
        let Some(turn) = self.turn_of_the_first(now, index) else {
            return Moment::NEVER;
        };
        let turn = turn.min(self.turn_of_the_rest(now, index));
        let lapse = self.next_lapse(index);
        lapse.map_or(turn, |(lapse, _)| lapse.min(turn))
    }

    /// When the first in line that is not kept waiting elsewhere has its turn. `None` where nobody stands in line.
    fn turn_of_the_first(&self, now: Moment, index: u32) -> Option<Moment> {
        let limiter = self.limiters.get(index)?;
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
            // Kept waiting elsewhere, where it stands too. What it needs here is set aside, and the next one's turn is what may
            // come.
            set_aside.add(lane, cost);
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
}
