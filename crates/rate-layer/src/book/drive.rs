//! What a driver does: it sees to what is due, for all who wait, and is told when it must look again.

use std::task::Waker;

use crate::book::Book;
use crate::book::drivers::{BEHIND_THE_LEAD, DriverId};
use crate::book::outcome::Drive;
use crate::book::serve::Numbers;
use crate::book::waiter::{Standing, Wakes};
use crate::moment::Moment;

/// How many lines a driver serves before it lets others have the lock.
const AT_ONCE: usize = 256;
/// At how many lines a driver looks once more before it rests.
const RECONSIDERED: usize = 4;

impl Book {
    /// Serves the lines in which something is due, and calls those whose patience has ended.
    ///
    /// Where the driver goes on, its waker is left here. One that `is_patient` looks again soon where it has offered something: as a
    /// rule all offers have been claimed by then, and it need not be woken when they would lapse.
    pub(crate) fn drive(
        &mut self,
        now: Moment,
        driver: DriverId,
        is_patient: bool,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Drive {
        if !self.drivers.looks(driver, wakes) {
            return Drive::Over;
        }
        if self.waiters.len() == 0 {
            self.drivers.remove(driver, wakes);
            return Drive::Over;
        }
        if self.agenda.next().after(BEHIND_THE_LEAD) <= now {
            self.drivers.takes_the_lead(driver);
        }
        let due: Numbers = self.agenda.due(now).take(AT_ONCE).collect();
        for index in due {
            let mut changed = self.serve_lines(now, &[index], wakes);
            changed.push(index);
            self.reschedule(now, &changed, wakes);
        }
        // After the lines: a place that frees at the last moment is in time.
        self.call_the_impatient(now, wakes);
        if is_patient && wakes.calls_anybody() {
            return Drive::Soon;
        }
        self.forget_past_events(now);
        let next = self.next();
        Drive::At(self.drivers.rest(driver, next, waker))
    }

    /// Looks again at the lines that are next on the agenda: what was to happen there may happen later by now, as the lapse of an
    /// offer that has been claimed never does.
    fn forget_past_events(&mut self, now: Moment) {
        for _ in 0..RECONSIDERED {
            let Some((at, index)) = self.agenda.first() else {
                return;
            };
            self.note_event(now, index);
            if self.agenda.first() == Some((at, index)) {
                return;
            }
        }
    }

    /// Notes that a driver is no more: its runtime has dropped it.
    pub(crate) fn dismiss_driver(&mut self, driver: DriverId, wakes: &mut Wakes) {
        self.drivers.remove(driver, wakes);
        // Another one may have the lead now.
        self.call_the_late(wakes);
    }

    /// Calls those whose patience has ended. They find that out when they look.
    fn call_the_impatient(&mut self, now: Moment, wakes: &mut Wakes) {
        while let Some(ticket) = self.deadlines.take_due(now) {
            if let Some(waiter) = self.waiters.get_mut(&ticket) {
                // Whatever its own clock says when it looks.
                waiter.until = Moment::START;
                if !matches!(waiter.standing, Standing::Offered { .. }) {
                    wakes.call(waiter.waker.take());
                }
            }
        }
    }
}
