//! The drivers, and the runtimes that keep them.

use std::sync::Arc;
use std::task::Waker;

use super::super::desk::{Flag, at};
use super::{World, rounded};
use crate::book::drivers::DriverId;
use crate::book::outcome::{Drive, Driven};
use crate::book::waiter::Wakes;
use crate::moment::Moment;

/// A driver, as its runtime keeps it.
#[derive(Debug)]
pub(super) struct Driver {
    id: DriverId,
    pub(super) runtime: u64,
    pub(super) alarm: Moment,
    called: Arc<Flag>,
    has_yielded: bool,
}

impl World {
    pub(super) fn is_driven(&self, runtime: u64) -> bool {
        !self.parked.contains(&runtime)
    }

    /// Keeps the driver that is to be started, as its runtime does.
    pub(super) fn start(&mut self, runtime: u64, driven: Driven) {
        match driven {
            Driven::By(id) => {
                let called = Arc::<Flag>::default();
                Waker::from(Arc::clone(&called)).wake();
                self.drivers.push(Driver {
                    id,
                    runtime,
                    alarm: Moment::NEVER,
                    called,
                    has_yielded: false,
                });
            }
            Driven::Already => {
                assert!(self.drivers.iter().any(|driver| driver.runtime == runtime));
            }
            Driven::Nowhere => panic!("there is a runtime"),
        }
    }

    /// Has the drivers look whose alarms sound, or that have been called. Says whether there were some.
    pub(super) fn drive(&mut self) -> bool {
        let now = self.now;
        let mut all = std::mem::take(&mut self.drivers);
        let mut acted = false;
        all.retain_mut(|driver| {
            let is_due = rounded(driver.alarm).is_some_and(|alarm| alarm <= now);
            if !self.is_driven(driver.runtime) || !(driver.called.take() || is_due) {
                return true;
            }
            acted = true;
            self.looks += 1;
            assert!(self.looks < 40_000, "they look again and again at {now}");
            let mut waker = Some(Waker::from(Arc::clone(&driver.called)));
            let mut wakes = Wakes::default();
            let is_patient = !std::mem::take(&mut driver.has_yielded);
            let drive = self
                .book
                .drive(at(now), driver.id, is_patient, &mut waker, &mut wakes);
            wakes.fire();
            match drive {
                Drive::At(next) => {
                    assert!(
                        next > at(now),
                        "an alarm that is due never stops: {:?}",
                        self.book
                    );
                    driver.alarm = next;
                }
                Drive::Soon => {
                    driver.has_yielded = true;
                    waker.expect("it is not kept").wake();
                }
                Drive::Over => {}
            }
            drive != Drive::Over
        });
        self.drivers = all;
        acted
    }

    /// Runtimes that go take their drivers with them.
    pub(super) fn end_runtimes(&mut self) {
        let now = self.now;
        let ended = self.ends.extract_if(.., |end| end.0 <= now);
        for (_, runtime) in ended.collect::<Vec<_>>() {
            let mut wakes = Wakes::default();
            let gone = self
                .drivers
                .extract_if(.., |driver| driver.runtime == runtime);
            for driver in gone.collect::<Vec<_>>() {
                self.book.dismiss_driver(driver.id, &mut wakes);
            }
            wakes.fire();
            for call in self
                .calls
                .iter_mut()
                .filter(|call| call.plan.runtime == runtime)
            {
                call.plan.runtime = 0;
                Waker::from(Arc::clone(&call.called)).wake();
            }
        }
    }
}
