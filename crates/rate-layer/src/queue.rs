//! Who waits for a place: tickets in order of arrival, and offers.
//!
//! A place that frees is *offered* to the first in line, and stays reserved for it until it claims the place or the offer
//! lapses; then the place goes to the next, and the one that missed it keeps its ticket. It is offered nothing more until
//! it shows that it lives, by being polled: a waiter whose future lies forgotten in some corner costs the others one offer,
//! once.
//!
//! This module keeps the order; when a place frees is [`rolling`](crate::rolling)'s business, and who is to look after the
//! queue when, [`lookouts`](crate::lookouts)'s. Nothing of a caller's runs in here: wakers go into [`Wakes`], which their
//! owner fires, or drops, outside of the lock.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use crate::moment::Moment;

/// The number that says who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// All who wait for one window.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiters: BTreeMap<Ticket, Waiter>,
    /// Those who hold no offer and have missed none, in order.
    line: VecDeque<Ticket>,
    /// What those in `line` cost together.
    line_cost: u64,
    /// In the order in which they lapse. May name offers that are settled.
    offers: VecDeque<(Moment, Ticket)>,
    issued: u64,
}

#[derive(Debug)]
struct Waiter {
    cost: u32,
    standing: Standing,
    /// When its own timer will have it look after the queue.
    alarm: Moment,
    /// Taken when it is woken, put back when it is polled.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    InLine,
    Offered {
        lapses: Moment,
    },
    /// Was offered a place, and did not come.
    Missed,
}

/// Wakers that left the queue: to be fired or dropped once the lock is free.
///
/// Dropping one may run anybody's code, a whole task's destructor even, which may well come back to this queue.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    fire: Vec<Waker>,
    retire: Vec<Waker>,
}

impl Wakes {
    /// Wakes whom the queue has called.
    pub(crate) fn fire(self) {
        // As a rule there are none, and then there is nothing to take apart.
        if self.fire.is_empty() {
            return;
        }
        for waker in self.fire {
            waker.wake();
        }
    }

    /// Keeps a waker that is not needed until it may be dropped.
    pub(crate) fn retire(&mut self, waker: Waker) {
        self.retire.push(waker);
    }
}

impl Queue {
    /// Whether nobody waits, not even one who has missed its offer.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many wait, those with an offer and those who missed one included.
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// How many stand in line: a newcomer's place goes to them first.
    pub(crate) fn in_line(&self) -> usize {
        self.line.len()
    }

    /// What those in line cost together.
    pub(crate) fn line_cost(&self) -> u64 {
        self.line_cost
    }

    /// What the first in line costs.
    pub(crate) fn first_cost(&self) -> Option<u32> {
        self.waiters.get(self.line.front()?).map(|first| first.cost)
    }

    /// Puts a newcomer at the end.
    pub(crate) fn join(&mut self, cost: u32) -> Ticket {
        let ticket = Ticket(self.issued);
        self.issued += 1;
        let waiter = Waiter {
            cost,
            standing: Standing::InLine,
            alarm: Moment::NEVER,
            waker: None,
        };
        self.waiters.insert(ticket, waiter);
        self.line.push_back(ticket);
        self.line_cost += u64::from(cost);
        ticket
    }

    /// Takes a waiter out, without a trace. Says what it had been offered, which is to be passed on.
    pub(crate) fn leave(&mut self, ticket: Ticket, wakes: &mut Wakes) -> Option<u32> {
        let waiter = self.waiters.remove(&ticket)?;
        wakes.retire.extend(waiter.waker);
        match waiter.standing {
            Standing::InLine => self.leave_line(ticket, waiter.cost),
            Standing::Offered { .. } => return Some(waiter.cost),
            Standing::Missed => {}
        }
        None
    }

    /// Offers the first in line what it costs, until `lapses`, and calls it.
    pub(crate) fn offer(&mut self, lapses: Moment, wakes: &mut Wakes) {
        let Some(ticket) = self.line.pop_front() else {
            return;
        };
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        self.line_cost -= u64::from(waiter.cost);
        waiter.standing = Standing::Offered { lapses };
        wakes.fire.extend(waiter.waker.take());
        self.offers.push_back((lapses, ticket));
    }

    /// Claims what `ticket` has been offered, and takes it out of the queue.
    pub(crate) fn claim(&mut self, ticket: Ticket, wakes: &mut Wakes) -> bool {
        let offered = self
            .waiters
            .get(&ticket)
            .is_some_and(|waiter| matches!(waiter.standing, Standing::Offered { .. }));
        if offered {
            self.leave(ticket, wakes);
        }
        offered
    }

    /// Ends one offer that has lapsed at `now`. Says how many places it frees.
    pub(crate) fn lapse(&mut self, now: Moment) -> Option<u32> {
        self.next_lapse().filter(|&lapses| lapses <= now)?;
        let (_, ticket) = self.offers.pop_front()?;
        let waiter = self.waiters.get_mut(&ticket)?;
        waiter.standing = Standing::Missed;
        Some(waiter.cost)
    }

    /// When the next offer lapses.
    pub(crate) fn next_lapse(&mut self) -> Option<Moment> {
        while let Some(&(lapses, ticket)) = self.offers.front() {
            let open = self
                .waiters
                .get(&ticket)
                .is_some_and(|waiter| waiter.standing == Standing::Offered { lapses });
            if open {
                return Some(lapses);
            }
            self.offers.pop_front();
        }
        None
    }

    /// Takes every open offer back; who had one stands in line again. Says how many places that frees.
    pub(crate) fn recall(&mut self) -> u32 {
        let mut places = 0;
        for (lapses, ticket) in std::mem::take(&mut self.offers) {
            if let Some(waiter) = self.waiters.get(&ticket)
                && waiter.standing == (Standing::Offered { lapses })
            {
                places += waiter.cost;
                self.stand_in_line(ticket);
            }
        }
        places
    }

    /// Notes that the holder of `ticket` lives: if it has missed an offer, it stands in line again, where its ticket says.
    pub(crate) fn revive(&mut self, ticket: Ticket) {
        if self
            .waiters
            .get(&ticket)
            .is_some_and(|waiter| waiter.standing == Standing::Missed)
        {
            self.stand_in_line(ticket);
        }
    }

    /// How many stand in line before `ticket`.
    pub(crate) fn ahead(&self, ticket: Ticket) -> usize {
        self.line.partition_point(|&other| other < ticket)
    }

    /// Lets `ticket` rest until its alarm, or until `waker` is called. Says when its alarm is.
    ///
    /// An earlier alarm that is yet to come stays: a look for no reason must not put off one with a reason.
    pub(crate) fn rest(
        &mut self,
        now: Moment,
        ticket: Ticket,
        alarm: Moment,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Moment {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            wakes.retire(waker);
            return alarm;
        };
        if waiter.alarm <= now || alarm < waiter.alarm {
            waiter.alarm = alarm;
        }
        wakes.retire.extend(waiter.waker.replace(waker));
        waiter.alarm
    }

    /// Calls the one with `ahead` others before it in line, if it would not look before `needed` by itself.
    pub(crate) fn rouse(&mut self, ahead: usize, needed: Moment, wakes: &mut Wakes) {
        if let Some(ticket) = self.line.get(ahead)
            && let Some(waiter) = self.waiters.get_mut(ticket)
            && waiter.alarm > needed
        {
            waiter.alarm = needed;
            wakes.fire.extend(waiter.waker.take());
        }
    }

    fn stand_in_line(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.standing = Standing::InLine;
            self.line_cost += u64::from(waiter.cost);
            let index = self.line.partition_point(|&other| other < ticket);
            self.line.insert(index, ticket);
        }
    }

    fn leave_line(&mut self, ticket: Ticket, cost: u32) {
        if let Ok(index) = self.line.binary_search(&ticket) {
            self.line.remove(index);
            self.line_cost -= u64::from(cost);
        }
    }
}
