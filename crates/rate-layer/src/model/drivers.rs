//! A driver that rests while others come, leave and give places back.
//!
//! Its clock jumps to where its alarm is; with no alarm it waits to be called, for ever if nobody does.

use loom::thread;

use super::*;
use crate::book::drivers::DriverId;
use crate::book::outcome::Drive;

impl Desk {
    /// Looks after the lines as a driver does, until it ends. What lies beyond `horizon` does not come in this model.
    fn drive(&self, driver: DriverId, horizon: u64) {
        let bell = Arc::new(Notify::new());
        let waker = Waker::from(std::sync::Arc::new(Bell(Arc::clone(&bell))));
        let mut now = at(0);
        loop {
            let mut waker = Some(waker.clone());
            let drive = self
                .shared
                .with_calmly(|book, wakes| book.drive(now, driver, false, &mut waker, wakes));
            match drive {
                Drive::At(next) if next < at(horizon) => now = next,
                Drive::At(_) => bell.wait(),
                Drive::Soon => panic!("it is not patient"),
                Drive::Over => return,
            }
        }
    }
}

fn driver_of(waiting: &Waiting) -> DriverId {
    match waiting.driven {
        Driven::By(driver) => driver,
        other => panic!("{other:?}"),
    }
}

/// The first in line sleeps: the second has its place by the driver alone, which has to hear of the offer to know when it lapses.
#[test]
fn a_driver_at_rest_hears_of_an_offer_that_may_lapse_and_ends_when_nobody_waits() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        let sleeper = desk.join(&[0]);
        let driver = driver_of(&sleeper);
        let driving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.drive(driver, 1_000))
        };
        let ending = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.give_back(&place))
        };
        let second = desk.acquire(desk.one_of(&[0]));
        ending.join().expect("done");
        desk.leave(&sleeper);
        driving.join().expect("it ends");
        desk.give_back(&second);
        desk.assert_all_over();
    });
}

/// The last one leaves while another one comes: that one has the driver that was to end, or another.
#[test]
fn one_that_comes_while_the_driver_is_to_end_has_a_driver() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        let first = desk.join(&[0]);
        let driver = driver_of(&first);
        let driving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.drive(driver, 1_000))
        };
        let leaving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.leave(&first))
        };
        let next = desk.join(&[0]);
        let another = match next.driven {
            Driven::By(driver) => Some(driver),
            _ => None,
        };
        leaving.join().expect("done");
        if let Some(another) = another {
            driving.join().expect("it has ended");
            // Would find nothing to do, and end, if it were not known.
            desk.leave(&next);
            desk.drive(another, 1_000);
        } else {
            desk.leave(&next);
            driving.join().expect("it goes on until that one leaves");
        }
        desk.give_back(&place);
        desk.assert_all_over();
    });
}

/// Patience that ends sooner than everything else is heard of.
#[test]
fn a_driver_at_rest_hears_of_one_with_less_patience() {
    check(|| {
        let desk = Desk::new(1);
        let id = desk.windows[0];
        desk.shared.with(|book, wakes| book.pause(at(0), id, wakes));
        let patient = desk.join(&[0]);
        let driver = driver_of(&patient);
        let driving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.drive(driver, 1_500))
        };
        let bell = Arc::new(Notify::new());
        let waker = Waker::from(std::sync::Arc::new(Bell(Arc::clone(&bell))));
        let mut claims = desk.one_of(&[0]);
        let patience = Patience {
            until: at(1_100),
            queue: 8,
        };
        let joined = desk.shared.with(|book, wakes| {
            let mut caller = caller(waker.clone());
            book.join(at(0), &mut claims, Lane::Rest, patience, &mut caller, wakes)
        });
        let Ok(Joined::Waits { ticket, .. }) = joined else {
            panic!("{joined:?}");
        };
        // Its own clock never comes so far.
        let look = loop {
            bell.wait();
            let look = desk.shared.with(|book, wakes| {
                let mut caller = caller(waker.clone());
                book.look(at(0), ticket, &mut claims, &mut caller, wakes)
            });
            if !matches!(look, Look::Waits(_)) {
                break look;
            }
        };
        assert_eq!(look, Look::OutOfPatience);
        desk.shared
            .with(|book, wakes| book.leave(at(1_100), ticket, Leaving::OutOfPatience, wakes));
        desk.leave(&patient);
        driving.join().expect("it ends");
    });
}
