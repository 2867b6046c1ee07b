//! The window and its queue together: who gets a place, and who looks after the queue when.
//!
//! # Who looks when
//!
//! Nothing here runs by itself. A place that frees is offered when somebody *looks*: at every arrival, at every end of a
//! request, and when a waiter's own timer (its alarm) has it look. No runtime can be trusted to poll a given waiter, so
//! no waiter may depend on another one. On the other hand, if each of thousands looked at every moment at which something
//! might happen, they would do little else. So an alarm is set
//!
//! - for the first in line: at the next event, which is the next place to free or the next offer to lapse;
//! - for the *lookouts*, 1, 4, 16, 64 … places behind it and the last one: 12 ms a place later. By then the event has been
//!   seen to, unless those ahead sleep, and an offer lapses after 50 ms. So one sleeper costs the others less than 100 ms,
//!   and a row of them less than 100 ms each;
//! - for one that has just looked and found something to do: at the next event. It may be the only one awake;
//! - for everybody: at its own turn, when as many places will have freed as it and those ahead need. That is what remains
//!   if all lookouts should sleep. As long as it is a guess, it is taken at four times the distance.
//!
//! A change that nobody could foresee (a place given back, a waiter gone) calls those of the lookouts whose alarms it makes
//! too late. A live queue of n so costs two polls a grant, and at most four times log₄ n more when places come one by one.

use std::task::Waker;
use std::time::Duration;

use crate::moment::Moment;
use crate::queue::{Queue, Ticket, Wakes};
use crate::quota::Quota;
use crate::rolling::{Ending, Rolling};

/// How long a place stays offered to one waiter.
const CLAIM_WITHIN: Duration = Duration::from_millis(50);
/// How much later a lookout looks for each waiter that stands before it.
const LOOK_AFTER: Duration = Duration::from_millis(12);

/// One window, and who waits for it.
#[derive(Debug)]
pub(crate) struct Limiter {
    rolling: Rolling,
    queue: Queue,
    tally: Tally,
}

/// What has happened since the window was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) admitted: u64,
    pub(crate) waited: u64,
    pub(crate) refused: u64,
    pub(crate) throttled: u64,
    pub(crate) given_back: u64,
    pub(crate) abandoned: u64,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It costs more than the window has.
    Never,
    /// Its turn comes at the given moment, and it may not wait so long.
    TooLate(Moment),
    /// As many wait as may; its turn would come at the given moment.
    Full(Moment),
}

/// How long, and among how many, a request may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Moment,
    pub(crate) queue: usize,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// A place was free.
    Admitted,
    /// It waits; it must [look](Limiter::look) again when it is woken, and at `alarm` at the latest.
    Waits { ticket: Ticket, alarm: Moment },
}

/// Why a waiter leaves without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its caller has dropped it.
    Cancelled,
    /// It has waited as long as it may.
    OutOfPatience,
}

/// A limiter at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) closing: u32,
    pub(crate) in_flight: u32,
    pub(crate) waiting: usize,
    /// When a request that comes now could be admitted.
    pub(crate) next_free: Moment,
    pub(crate) tally: Tally,
}

/// What a waiter sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It holds a place, and its ticket is spent.
    Admitted,
    /// It must look again when it is woken, and at this moment at the latest.
    Until(Moment),
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
        let alarm = self.alarm(now, ticket);
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
            let alarm = match self.next_event(now) {
                Some(event) if changed => event,
                _ => self.alarm(now, ticket),
            };
            Look::Until(self.queue.rest(now, ticket, alarm, waker, wakes))
        };
        if changed {
            self.call_lookouts(now, wakes);
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
        self.call_lookouts(now, wakes);
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
        self.call_lookouts(now, wakes);
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
        if self.queue.in_line() == 0 && self.rolling.admit(now, cost) {
            self.tally.admitted += 1;
            return Ok(());
        }
        Err(Denied::TooLate(self.newcomers_turn(now, cost)))
    }

    /// Looks after the queue on behalf of somebody who does not stand in it.
    fn tend(&mut self, now: Moment, wakes: &mut Wakes) {
        if self.pump(now, wakes) {
            self.call_lookouts(now, wakes);
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

    /// When something may happen next by the mere passing of time.
    fn next_event(&mut self, now: Moment) -> Option<Moment> {
        let first = self.queue.first_cost()?;
        let turn = self.rolling.turn(now, u64::from(first)).at;
        Some(
            self.queue
                .next_lapse()
                .map_or(turn, |lapse| lapse.min(turn)),
        )
    }

    /// When the holder of `ticket` must look again.
    fn alarm(&mut self, now: Moment, ticket: Ticket) -> Moment {
        let Some(event) = self.next_event(now) else {
            return Moment::NEVER;
        };
        let ahead = self.queue.ahead(ticket);
        if ahead == 0 {
            return event;
        }
        // Each of those ahead needs one place at least.
        let turn = self.rolling.turn(now, ahead as u64 + 1);
        let own = if turn.in_sight {
            turn.at
        } else {
            turn.at.after(3 * turn.at.since(now))
        };
        if is_lookout(ahead, self.queue.in_line()) {
            own.min(lookouts_alarm(event, ahead))
        } else {
            own
        }
    }

    /// Calls the lookouts that would look too late by themselves.
    fn call_lookouts(&mut self, now: Moment, wakes: &mut Wakes) {
        let Some(event) = self.next_event(now) else {
            return;
        };
        let last = self.queue.in_line() - 1;
        self.queue.rouse(0, event, wakes);
        let mut ahead = 1;
        while ahead < last {
            self.queue.rouse(ahead, lookouts_alarm(event, ahead), wakes);
            ahead *= 4;
        }
        self.queue.rouse(last, lookouts_alarm(event, last), wakes);
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

// Named, since `tests/loom.rs` takes this file in from elsewhere.
#[cfg(all(test, not(loom)))]
#[path = "limiter/tests.rs"]
mod tests;
