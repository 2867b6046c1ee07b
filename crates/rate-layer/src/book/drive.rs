//! What a driver does: it sees to what is due, for all who wait, and says when it must look again.

use std::task::Waker;

use crate::book::Book;
use crate::book::drivers::{BEHIND_THE_LEAD, DriverId};
use crate::book::serve::Numbers;
use crate::book::waiter::{Standing, Wakes};
use crate::moment::Moment;

impl Book {
    /// Serves the lines in which something is due, and calls those whose patience has ended. Says when the driver must look again
    /// if it is not called before; `None` where nobody waits any more, and it is to end.
    ///
    /// Where it goes on, its waker is left here.
    pub(crate) fn drive(
        &mut self,
        now: Moment,
        driver: DriverId,
        waker: &mut Option<Waker>,
        wakes: &mut Wakes,
    ) -> Option<Moment> {
        if !self.drivers.looks(driver, wakes) {
            return None;
        }
        if self.waiters.len() == 0 {
            self.drivers.remove(driver, wakes);
            return None;
        }
        if self.agenda.next().after(BEHIND_THE_LEAD) <= now {
            self.drivers.takes_the_lead(driver);
        }
        let due: Numbers = self.agenda.due(now).collect();
        if !due.is_empty() {
            let mut changed = self.serve_lines(now, &due, wakes);
            changed.extend(due);
            self.reschedule(now, &changed, wakes);
        }
        // After the lines: a place that frees at the last moment is in time.
        self.call_the_impatient(now, wakes);
        let next = self.next();
        Some(self.drivers.rest(driver, next, waker))
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
