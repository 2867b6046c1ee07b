//! Changes of the program while somebody claims a place.

use loom::thread;

use super::*;

#[test]
fn a_pause_of_the_server_and_a_claim_meet_without_losing_the_place() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        let mut waiting = desk.join(&[0]);
        desk.give_back(&place);
        let pausing = {
            let desk = Arc::clone(&desk);
            let (id, until) = (desk.windows[0], Some(at(100)));
            thread::spawn(move || {
                let shared = &desk.shared;
                shared.with(|book, wakes| book.throttled(at(0), id, until, wakes));
            })
        };
        let before = desk.look(at(0), &mut waiting);
        pausing.join().expect("done");
        if !before {
            assert!(desk.look(at(100), &mut waiting));
        }
        assert_eq!(desk.reading(at(100), 0).in_flight, 1);
    });
}

#[test]
fn a_limit_raised_during_a_pause_serves_the_one_who_claims() {
    check(|| {
        let desk = Desk::new(1);
        desk.admit(desk.one_of(&[0]));
        let changing = {
            let desk = Arc::clone(&desk);
            let id = desk.windows[0];
            thread::spawn(move || {
                let shared = &desk.shared;
                shared.with(|book, wakes| book.pause(at(0), id, wakes));
                shared.with(|book, wakes| book.set_limit(at(0), id, None, 2, wakes));
                shared.with(|book, wakes| book.resume(at(0), id, wakes));
            })
        };
        // Would wait for ever for the place that is taken.
        desk.acquire(desk.one_of(&[0]));
        changing.join().expect("done");
        let reading = desk.reading(at(0), 0);
        assert_eq!((reading.in_flight, reading.waiting), (2, 0));
    });
}

#[test]
fn a_pause_takes_back_an_offer_or_comes_too_late_and_the_resumption_serves() {
    check(|| {
        let desk = Desk::new(1);
        let place = desk.admit(desk.one_of(&[0]));
        let changing = {
            let desk = Arc::clone(&desk);
            let id = desk.windows[0];
            thread::spawn(move || {
                let shared = &desk.shared;
                shared.with(|book, wakes| book.pause(at(0), id, wakes));
                shared.with(|book, wakes| book.resume(at(0), id, wakes));
            })
        };
        let ending = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || desk.give_back(&place))
        };
        desk.acquire(desk.one_of(&[0]));
        changing.join().expect("done");
        ending.join().expect("done");
        let reading = desk.reading(at(0), 0);
        assert_eq!((reading.in_flight, reading.waiting), (1, 0));
    });
}
