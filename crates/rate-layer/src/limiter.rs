//! The window and its queue together: who gets a place.
//!
//! Nothing here runs by itself. What is due is seen to when somebody looks: at every arrival, at every end of a request, and
//! when a waiter's own timer has it look ([`lookouts`]).

use std::task::Waker;
use std::time::Duration;

use crate::lookouts;
use crate::moment::Moment;
use crate::outcome::{Denied, Joined, Leaving, Look, Patience, Reading, Tally};
use crate::queue::{Queue, Ticket, Wakes};
use crate::quota::Quota;
use crate::rolling::{Ending, Rolling};

/// How long a place stays offered to one waiter.
const CLAIM_WITHIN: Duration = Duration::from_millis(50);
/// One window, and who waits for it.
#[derive(Debug)]
pub(crate) struct Limiter {
    rolling: Rolling,
    queue: Queue,
    tally: Tally,
}

impl Limiter {
    pub(crate) fn new(quota: Quota, now: Moment) -> Self {
        Self {
            rolling: Rolling::new(quota, now),
            queue: Queue::default(),
            tally: Tally::default(),
        }
    }

    /// Admits where no clock is needed for it: there is room, and nobody stands in line.
    pub(crate) fn admit_unseen(&mut self, cost: u32) -> bool {
        let admitted = self.queue.in_line() == 0 && self.rolling.admit_unseen(cost);
        self.tally.admitted += u64::from(admitted);
        admitted
    }

    /// Admits at once, or says when.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        cost: u32,
        wakes: &mut Wakes,
    ) -> Result<(), Denied> {
        let outcome = self.decide(now, cost, wakes);
        self.tally.refused += u64::from(outcome.is_err());
        outcome
    }

    /// Admits at once, or puts the request in the queue.
    pub(crate) fn join(
        &mut self,
        now: Moment,
        cost: u32,
        patience: Patience,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Result<Joined, Denied> {
        let denied = match self.decide(now, cost, wakes) {
            Ok(()) => {
                wakes.retire(waker);
                return Ok(Joined::Admitted);
            }
            Err(Denied::TooLate(turn)) if turn <= patience.until => {
                if self.queue.len() < patience.queue {
                    return Ok(self.queue_up(now, cost, waker, wakes));
                }
                Denied::Full(turn)
            }
            Err(denied) => denied,
        };
        wakes.retire(waker);
        self.tally.refused += 1;
        Err(denied)
    }

    fn queue_up(&mut self, now: Moment, cost: u32, waker: Waker, wakes: &mut Wakes) -> Joined {
        self.tally.waited += 1;
        let ticket = self.queue.join(cost);
        let alarm = lookouts::alarm(&self.rolling, &mut self.queue, now, ticket);
        let alarm = self.queue.rest(now, ticket, alarm, waker, wakes);
        Joined::Waits { ticket, alarm }
    }

    /// Has a waiter look after the queue, and take what it has been offered.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        ticket: Ticket,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Look {
        self.queue.revive(ticket);
        let changed = self.pump(now, wakes);
        let look = if self.queue.claim(ticket, wakes) {
            wakes.retire(waker);
            self.tally.admitted += 1;
            Look::Admitted
        } else {
            let alarm = match lookouts::next_event(&self.rolling, &mut self.queue, now) {
                Some(event) if changed => event,
                _ => lookouts::alarm(&self.rolling, &mut self.queue, now, ticket),
            };
            Look::Until(self.queue.rest(now, ticket, alarm, waker, wakes))
        };
        if changed {
            lookouts::call(&self.rolling, &mut self.queue, now, wakes);
        }
        look
    }

    /// Takes a waiter out of the queue; what it has been offered goes to the next.
    pub(crate) fn leave(
        &mut self,
        now: Moment,
        ticket: Ticket,
        leaving: Leaving,
        wakes: &mut Wakes,
    ) {
        self.tally.refused += u64::from(leaving == Leaving::OutOfPatience);
        if let Some(cost) = self.queue.leave(ticket, wakes) {
            self.rolling.end(now, cost, None, Ending::NeverLeft);
        }
        self.pump(now, wakes);
        lookouts::call(&self.rolling, &mut self.queue, now, wakes);
    }

    /// Notes that admitted places depart. Says when they free, where the quota tells it in advance.
    pub(crate) fn depart(&mut self, now: Moment, cost: u32) -> Option<Moment> {
        self.rolling.depart(now, cost)
    }

    /// Ends admitted places.
    pub(crate) fn end(
        &mut self,
        now: Moment,
        cost: u32,
        free_at: Option<Moment>,
        ending: Ending,
        wakes: &mut Wakes,
    ) {
        match ending {
            Ending::Answered => {}
            Ending::Abandoned => self.tally.abandoned += 1,
            Ending::NeverLeft => self.tally.given_back += 1,
        }
        self.rolling.end(now, cost, free_at, ending);
        self.tend(now, wakes);
    }

    /// Notes that the server has throttled a request, and admits nothing before the time that it named.
    ///
    /// Open offers are taken back: whoever had one stands in line again.
    pub(crate) fn throttled(&mut self, now: Moment, until: Option<Moment>, wakes: &mut Wakes) {
        self.tally.throttled += 1;
        let Some(until) = until else { return };
        self.rolling.close_until(now, until);
        let recalled = self.queue.recall();
        self.rolling.end(now, recalled, None, Ending::NeverLeft);
        self.pump(now, wakes);
        lookouts::call(&self.rolling, &mut self.queue, now, wakes);
    }

    /// What there is to see at `now`.
    pub(crate) fn reading(&mut self, now: Moment) -> Reading {
        self.rolling.expire(now);
        Reading {
            closing: self.rolling.closing(),
            in_flight: self.rolling.in_flight(),
            waiting: self.queue.len(),
            next_free: self.newcomers_turn(now, 1),
            tally: self.tally,
        }
    }

    fn newcomers_turn(&self, now: Moment, cost: u32) -> Moment {
        let places = self.queue.line_cost() + u64::from(cost);
        self.rolling.turn(now, places).at
    }

    fn decide(&mut self, now: Moment, cost: u32, wakes: &mut Wakes) -> Result<(), Denied> {
        if cost > self.rolling.limit() {
            return Err(Denied::Never);
        }
        self.tend(now, wakes);
        if self.admit_unseen(cost) {
            return Ok(());
        }
        Err(Denied::TooLate(self.newcomers_turn(now, cost)))
    }

    /// Looks after the queue on behalf of somebody who does not stand in it.
    fn tend(&mut self, now: Moment, wakes: &mut Wakes) {
        if self.pump(now, wakes) {
            lookouts::call(&self.rolling, &mut self.queue, now, wakes);
        }
    }

    /// Passes lapsed offers on, and offers what is free. Says whether anything changed.
    fn pump(&mut self, now: Moment, wakes: &mut Wakes) -> bool {
        self.rolling.expire(now);
        if self.queue.is_empty() {
            return false;
        }
        let mut changed = false;
        while let Some(places) = self.queue.lapse(now) {
            self.rolling.end(now, places, None, Ending::NeverLeft);
            changed = true;
        }
        while let Some(cost) = self.queue.first_cost()
            && self.rolling.admit(now, cost)
        {
            self.queue.offer(now.after(CLAIM_WITHIN), wakes);
            changed = true;
        }
        changed
    }
}

// Named, since `tests/loom.rs` takes this file in from elsewhere.
#[cfg(all(test, not(loom)))]
#[path = "limiter/tests.rs"]
mod tests;
