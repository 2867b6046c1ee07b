//! The tasks that look after the lines: one on each runtime on which somebody has come to wait.
//!
//! A task runs only where its runtime is driven. So nobody depends on a driver of another runtime: wherever a waiter is polled,
//! there is one. The first of them, the *lead*, looks at every event; the others look a little later, when there is nothing left
//! to do as a rule, so that a place that frees does not wake all of them. One that finds something left to do takes the lead.

use std::task::Waker;
use std::time::Duration;

use smallvec::SmallVec;

use crate::book::waiter::Wakes;
use crate::moment::Moment;
use crate::runtime::Runtime;

/// How much later than the lead the other drivers look: what a lead costs everybody, once, whose runtime is not driven.
pub(super) const BEHIND_THE_LEAD: Duration = Duration::from_millis(10);

/// Names one driver, now and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriverId(u64);

/// The drivers of a book, the lead first.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    all: SmallVec<[Driver; 1]>,
    issued: u64,
}

#[derive(Debug)]
struct Driver {
    id: DriverId,
    runtime: Runtime,
    /// When it looks next by itself; the start, where it has been called, or has not begun.
    armed: Moment,
    waker: Option<Waker>,
}

/// When there is something to do next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    /// In a line: for one driver.
    pub(super) event: Moment,
    /// Somebody's patience ends: for all, so that it ends in time whoever sleeps.
    pub(super) deadline: Moment,
}

impl Next {
    fn of_lead(self) -> Moment {
        self.event.min(self.deadline)
    }

    fn of_others(self) -> Moment {
        self.event.after(BEHIND_THE_LEAD).min(self.deadline)
    }
}

impl Drivers {
    /// Adds one, which is about to look, where `runtime` has none yet.
    pub(super) fn ensure(&mut self, runtime: Runtime) -> Option<DriverId> {
        if self.all.iter().any(|driver| driver.runtime == runtime) {
            return None;
        }
        let id = DriverId(self.issued);
        self.issued += 1;
        self.all.push(Driver {
            id,
            runtime,
            armed: Moment::START,
            waker: None,
        });
        Some(id)
    }

    /// Takes one out, which looks no more.
    pub(super) fn remove(&mut self, id: DriverId, wakes: &mut Wakes) {
        if let Some(index) = self.position(id) {
            wakes.retire(self.all.remove(index).waker);
        }
    }

    /// Notes that one is looking. Says whether it is there.
    pub(super) fn looks(&mut self, id: DriverId, wakes: &mut Wakes) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        let driver = &mut self.all[index];
        driver.armed = Moment::START;
        wakes.retire(driver.waker.take());
        true
    }

    /// Makes it the lead, as one that had to do what the lead has not done.
    pub(super) fn takes_the_lead(&mut self, id: DriverId) {
        if let Some(index) = self.position(id) {
            self.all[..=index].rotate_right(1);
        }
    }

    /// Lets one rest until it is called by its waker, or until the moment that this says.
    pub(super) fn rest(&mut self, id: DriverId, next: Next, waker: &mut Option<Waker>) -> Moment {
        let Some(index) = self.position(id) else {
            return Moment::NEVER;
        };
        let driver = &mut self.all[index];
        driver.armed = match index {
            0 => next.of_lead(),
            _ => next.of_others(),
        };
        driver.waker = waker.take();
        driver.armed
    }

    /// Calls those that would look too late.
    pub(super) fn call_the_late(&mut self, next: Next, wakes: &mut Wakes) {
        let mut needed = next.of_lead();
        for driver in &mut self.all {
            if needed < driver.armed {
                driver.armed = Moment::START;
                wakes.call(driver.waker.take());
            }
            needed = next.of_others();
        }
    }

    /// Calls all: there is nothing left to look after.
    pub(super) fn call_all(&mut self, wakes: &mut Wakes) {
        for driver in &mut self.all {
            driver.armed = Moment::START;
            wakes.call(driver.waker.take());
        }
    }

    fn position(&self, id: DriverId) -> Option<usize> {
        self.all.iter().position(|driver| driver.id == id)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Checks that nobody rests for too long.
    #[cfg(test)]
    pub(super) fn assert_in_time(&self, next: Next) {
        let mut needed = next.of_lead();
        for driver in &self.all {
            assert!(driver.armed <= needed, "{driver:?} rests beyond {needed:?}");
            needed = next.of_others();
        }
    }
}
