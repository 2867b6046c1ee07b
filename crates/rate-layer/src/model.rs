//! A model of the shipped lock and queue, over every interleaving of a few threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p rate-layer --test loom --release`, best with a target directory of its own. The
//! modules are taken in as they are; only the mutex is loom's.
#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the modules are taken in whole; what the shell uses besides is not called here"
)]

#[path = "../src/limiter.rs"]
mod limiter;
#[path = "../src/lookouts.rs"]
mod lookouts;
#[path = "../src/moment.rs"]
mod moment;
#[path = "../src/outcome.rs"]
mod outcome;
#[path = "../src/queue.rs"]
mod queue;
#[path = "../src/quota.rs"]
mod quota;
#[path = "../src/rolling.rs"]
mod rolling;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/sync.rs"]
mod sync;

use std::task::{Wake, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use moment::Moment;
use outcome::{Joined, Leaving, Look, Patience};
use quota::{Quota, SECOND};
use rolling::Ending;
use shared::Shared;

const ONE: Quota = Quota::rolling(1, SECOND);

const FOREVER: Patience = Patience {
    until: Moment::NEVER,
    queue: 8,
};

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

/// Wakes a thread of the model.
struct Bell(Arc<Notify>);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Waits for a place as a task does, with no alarm but the wakes of others. The time stands still.
fn acquire(shared: &Shared) {
    let bell = Arc::new(Notify::new());
    let waker = Waker::from(std::sync::Arc::new(Bell(Arc::clone(&bell))));
    let ticket = match shared
        .join(at(0), 1, FOREVER, &waker)
        .expect("there is room to wait")
    {
        Joined::Admitted => return,
        Joined::Waits { ticket, .. } => ticket,
    };
    while shared.look(at(0), ticket, &waker) != Look::Admitted {
        bell.wait();
    }
}

fn give_back(shared: &Shared) {
    shared.end(at(0), 1, None, Ending::NeverLeft);
}

/// Holds the place for a moment, and checks that nobody else does.
fn hold(shared: &Shared, held: &AtomicBool) {
    acquire(shared);
    assert!(!held.swap(true, Ordering::SeqCst), "two hold one place");
    held.store(false, Ordering::SeqCst);
    give_back(shared);
}

#[test]
fn no_wake_is_lost_between_a_place_given_back_and_a_waiter_that_comes() {
    let mut model = loom::model::Builder::new();
    // Three threads: every schedule with up to two preemptions, beyond which there are too many.
    model.preemption_bound = Some(2);
    model.check(|| {
        let shared = Arc::new(Shared::new(ONE, at(0)));
        let held = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (shared, held) = (Arc::clone(&shared), Arc::clone(&held));
                thread::spawn(move || hold(&shared, &held))
            })
            .collect();
        hold(&shared, &held);
        for thread in threads {
            thread.join().expect("done");
        }
        let reading = shared.reading(at(0));
        assert_eq!(
            (reading.in_flight, reading.closing, reading.waiting),
            (0, 0, 0)
        );
        assert_eq!(reading.tally.admitted, 3);
    });
}

#[test]
fn a_waiter_that_leaves_hands_its_offer_on() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(ONE, at(0)));
        assert!(shared.admit_unseen(1));
        // Comes first, and leaves at some moment before, at or after its offer.
        let quitter = match shared.join(at(0), 1, FOREVER, Waker::noop()) {
            Ok(Joined::Waits { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        };
        let leaving = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.leave(at(0), quitter, Leaving::Cancelled))
        };
        let ending = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || give_back(&shared))
        };
        acquire(&shared);
        leaving.join().expect("done");
        ending.join().expect("done");
        let reading = shared.reading(at(0));
        assert_eq!((reading.in_flight, reading.waiting), (1, 0));
    });
}

#[test]
fn a_sleeper_that_looks_at_last_and_the_one_that_has_its_place_do_not_both_hold_it() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(ONE, at(0)));
        assert!(shared.admit_unseen(1));
        let join = || match shared.join(at(0), 1, FOREVER, Waker::noop()) {
            Ok(Joined::Waits { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        };
        let (sleeper, next) = (join(), join());
        give_back(&shared);
        // The offer to the first has lapsed by now.
        let wakes = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.look(at(60), sleeper, Waker::noop()) == Look::Admitted)
        };
        let second = shared.look(at(60), next, Waker::noop()) == Look::Admitted;
        let first = wakes.join().expect("done");
        assert!(!(first && second), "two hold one place");
        let reading = shared.reading(at(60));
        assert_eq!(reading.in_flight, 1);
        assert_eq!(reading.waiting, 1);
    });
}

#[test]
fn a_pause_and_a_claim_meet_without_losing_the_place() {
    loom::model(|| {
        let shared = Arc::new(Shared::new(ONE, at(0)));
        assert!(shared.admit_unseen(1));
        let ticket = match shared.join(at(0), 1, FOREVER, Waker::noop()) {
            Ok(Joined::Waits { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        };
        give_back(&shared);
        let pausing = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.throttled(at(0), Some(at(100))))
        };
        let before = shared.look(at(0), ticket, Waker::noop()) == Look::Admitted;
        pausing.join().expect("done");
        if !before {
            assert_eq!(shared.look(at(100), ticket, Waker::noop()), Look::Admitted);
        }
        assert_eq!(shared.reading(at(100)).in_flight, 1);
    });
}
