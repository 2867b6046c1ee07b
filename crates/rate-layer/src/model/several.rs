//! Places of several windows, all or none.

use loom::thread;

use super::*;

#[test]
fn windows_taken_in_different_orders_serve_everybody() {
    check(|| {
        let desk = Desk::new(2);
        let held = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let other = {
            let (desk, held) = (Arc::clone(&desk), Arc::clone(&held));
            thread::spawn(move || desk.hold(&[1, 0], &held[..]))
        };
        desk.hold(&[0, 1], &held[..]);
        other.join().expect("done");
        desk.assert_all_over();
    });
}

#[test]
fn also_when_others_take_one_of_them() {
    check(|| {
        let desk = Desk::new(2);
        let held = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let others = [&[1, 0][..], &[1][..]].map(|windows| {
            let (desk, held) = (Arc::clone(&desk), Arc::clone(&held));
            thread::spawn(move || desk.hold(windows, &held[..]))
        });
        desk.hold(&[0, 1], &held[..]);
        for other in others {
            other.join().expect("done");
        }
        desk.assert_all_over();
    });
}

#[test]
fn one_that_leaves_while_one_of_its_places_is_given_back_takes_it_from_nobody() {
    check(|| {
        let desk = Desk::new(2);
        let (first, second) = (desk.admit(desk.one_of(&[0])), desk.admit(desk.one_of(&[1])));
        let quitter = desk.join(&[0, 1]);
        let leaving = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.leave(&quitter))
        };
        let ending = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.give_back(&first))
        };
        // Stands behind it, and is passed its place, or is in its way.
        let third = desk.acquire(desk.one_of(&[0]));
        leaving.join().expect("done");
        ending.join().expect("done");
        assert_eq!(desk.reading(at(0), 1).in_flight, 1);
        desk.give_back(&third);
        desk.give_back(&second);
        desk.assert_all_over();
    });
}
