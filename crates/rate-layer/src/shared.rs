//! One short lock around a limiter. Wakers are called, and dropped, outside of it.

use std::task::Waker;

use crate::limiter::Limiter;
use crate::moment::Moment;
use crate::outcome::{Denied, Joined, Leaving, Look, Patience, Reading};
use crate::queue::{Ticket, Wakes};
use crate::quota::Quota;
use crate::rolling::Ending;
use crate::sync::Mutex;

/// A limiter that many threads use.
///
/// The time is an argument throughout. It may be read before the lock is taken, and be a little old when it counts. That is
/// safe: an admission sees fewer places free, and a place answered at the time given was not free in between.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Limiter>);

impl Shared {
    pub(crate) fn new(quota: Quota, now: Moment) -> Self {
        Self(Mutex::new(Limiter::new(quota, now)))
    }

    pub(crate) fn admit_unseen(&self, cost: u32) -> bool {
        self.0.lock().admit_unseen(cost)
    }

    /// Admits, or says when it could. Looks at the clock only where it must, and then with the lock in hand.
    pub(crate) fn admit(&self, cost: u32, now: impl FnOnce() -> Moment) -> Result<(), Denied> {
        self.with(|limiter, wakes| {
            if limiter.admit_unseen(cost) {
                Ok(())
            } else {
                limiter.admit(now(), cost, wakes)
            }
        })
    }

    pub(crate) fn join(
        &self,
        now: Moment,
        cost: u32,
        patience: Patience,
        waker: &Waker,
    ) -> Result<Joined, Denied> {
        let waker = waker.clone();
        self.with(|limiter, wakes| limiter.join(now, cost, patience, waker, wakes))
    }

    pub(crate) fn look(&self, now: Moment, ticket: Ticket, waker: &Waker) -> Look {
        let waker = waker.clone();
        self.with(|limiter, wakes| limiter.look(now, ticket, waker, wakes))
    }

    pub(crate) fn leave(&self, now: Moment, ticket: Ticket, leaving: Leaving) {
        self.with(|limiter, wakes| limiter.leave(now, ticket, leaving, wakes));
    }

    pub(crate) fn depart(&self, now: Moment, cost: u32) -> Option<Moment> {
        self.with(|limiter, _| limiter.depart(now, cost))
    }

    pub(crate) fn end(&self, now: Moment, cost: u32, free_at: Option<Moment>, ending: Ending) {
        self.with(|limiter, wakes| limiter.end(now, cost, free_at, ending, wakes));
    }

    pub(crate) fn throttled(&self, now: Moment, until: Option<Moment>) {
        self.with(|limiter, wakes| limiter.throttled(now, until, wakes));
    }

    pub(crate) fn reading(&self, now: Moment) -> Reading {
        self.0.lock().reading(now)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Limiter, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = act(&mut self.0.lock(), &mut wakes);
        wakes.fire();
        result
    }
}
