//! Places of one window: given back, left, missed.

use loom::thread;

use super::*;

#[test]
fn no_wake_is_lost_between_a_place_given_back_and_a_waiter_that_comes() {
    check(|| {
        let desk = Desk::new(1);
        let held = Arc::new([AtomicBool::new(false)]);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (desk, held) = (Arc::clone(&desk), Arc::clone(&held));
                thread::spawn(move || desk.hold(&[0], &held[..]))
            })
            .collect();
        desk.hold(&[0], &held[..]);
        for thread in threads {
            thread.join().expect("done");
        }
        desk.assert_all_over();
        assert_eq!(desk.reading(at(0), 0).tally.admitted, 3);
    });
}

#[test]
fn a_waiter_that_leaves_hands_its_offer_on() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        // Comes first, and leaves at some moment before, at or after its offer.
        let quitter = desk.join(&[0]);
        let leaving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.leave(&quitter))
        };
        let ending = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.give_back(&place))
        };
        desk.acquire(desk.one_of(&[0]));
        leaving.join().expect("done");
        ending.join().expect("done");
        let reading = desk.reading(at(0), 0);
        assert_eq!((reading.in_flight, reading.waiting), (1, 0));
    });
}

#[test]
fn a_sleeper_that_looks_at_last_and_the_one_that_has_its_place_do_not_both_hold_it() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        let (mut sleeper, mut next) = (desk.join(&[0]), desk.join(&[0]));
        desk.give_back(&place);
        // The offer to the first has lapsed by now.
        let wakes = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.look(at(60), &mut sleeper))
        };
        let second = desk.look(at(60), &mut next);
        let first = wakes.join().expect("done");
        assert!(first != second, "one of them holds it");
        let reading = desk.reading(at(60), 0);
        assert_eq!((reading.in_flight, reading.waiting), (1, 1));
    });
}
