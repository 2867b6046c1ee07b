//! Threads that have places in hand, and others that must not be told less than there is.

use loom::thread;

use super::*;
use crate::book::outcome::Granted;

/// Of which each of two threads gets a place in hand beside the one that it takes.
const SOME: Quota = Quota::rolling(12, SECOND);

struct Hands {
    shared: Shared,
    id: Id,
}

impl Hands {
    fn new() -> Arc<Self> {
        let mut book = Book::new(at(0));
        let id = book.open(at(0), &SOME.into());
        let shared = Shared::new(book);
        Arc::new(Self { shared, id })
    }

    fn admit(&self, own: usize) -> bool {
        let claim = Claim::new(self.id, 1);
        if self.shared.take_in_hand(own, claim, Lane::Rest) {
            return true;
        }
        let refused = |_: &mut Book, _, _: &mut _| Err::<Granted, ()>(());
        let admitted = self.shared.admit_one(own, claim, Lane::Rest, refused);
        admitted.is_ok()
    }

    fn answer(&self, own: usize) {
        self.shared.answer_one(own, at(0), self.id, 1, Lane::Rest);
    }

    /// Whether a request is admitted that would wait.
    fn join(&self) -> bool {
        let joined = self.shared.with(|book, wakes| {
            let mut claims = Claims::one(Claim::new(self.id, 1));
            let caller = &mut caller(Waker::noop().clone());
            book.join(at(0), &mut claims, Lane::Rest, FOREVER, caller, wakes)
        });
        joined == Ok(Joined::Admitted)
    }

    fn reading(&self) -> Reading {
        let reading = self.shared.with(|book, _| book.reading(at(0), self.id));
        reading.expect("it is there")
    }

    /// Takes all places but one, which the first thread has in hand.
    fn take_all_but_one_in_hand(&self) {
        for own in [0].into_iter().chain([1; 10]) {
            assert!(self.admit(own));
        }
    }
}

#[test]
fn what_threads_have_in_hand_is_counted_once_and_is_never_lost() {
    check(|| {
        let hands = Hands::new();
        let threads = [0, 1].map(|own| {
            let hands = Arc::clone(&hands);
            thread::spawn(move || {
                for _ in 0..2 {
                    assert!(hands.admit(own));
                    hands.answer(own);
                }
            })
        });
        let reading = hands.reading();
        assert!(reading.in_flight <= 2, "what is in hand is free");
        for thread in threads {
            thread.join().expect("done");
        }
        let reading = hands.reading();
        assert_eq!((reading.in_flight, reading.closing), (0, 4));
        assert_eq!(reading.tally.admitted, 4);
    });
}

#[test]
fn the_last_place_goes_to_the_thread_that_has_it_in_hand_or_to_one_that_would_wait() {
    check(|| {
        let hands = Hands::new();
        hands.take_all_but_one_in_hand();
        let other = {
            let hands = Arc::clone(&hands);
            thread::spawn(move || hands.admit(0))
        };
        let here = hands.join();
        let there = other.join().expect("done");
        assert_ne!(here, there);
        assert_eq!(hands.reading().in_flight, 12);
    });
}

#[test]
fn an_answer_that_comes_while_another_begins_to_wait_is_known_to_the_book() {
    check(|| {
        let hands = Hands::new();
        hands.take_all_but_one_in_hand();
        let other = {
            let hands = Arc::clone(&hands);
            thread::spawn(move || hands.answer(0))
        };
        assert!(hands.join());
        assert!(!hands.join());
        other.join().expect("done");
        // Noted in a purse by now, it would be in flight still for whoever looks without settling.
        let reading = hands.shared.with(|book, _| {
            assert_eq!(book.lent, 0);
            book.reading(at(0), hands.id)
        });
        let reading = reading.expect("it is there");
        assert_eq!((reading.in_flight, reading.closing), (11, 1));
    });
}
