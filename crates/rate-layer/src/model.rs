//! A model of the shipped lock and book, over every interleaving of a few threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p rate-layer --lib`, best with a target directory of its own. The modules are
//! those of the crate; only locks and atomics are loom's. The time stands still but where a test says otherwise, and there is no
//! driver but in `drivers`, so nobody is helped by an alarm: whoever waits is called by others, or waits for ever, which loom
//! reports.

mod claims;
mod control;
mod drivers;
mod hands;
mod keys;
mod several;

use std::num::NonZeroUsize;
use std::task::{Wake, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};

use crate::book::claims::Claims;
use crate::book::limiters::Id;
use crate::book::outcome::{Caller, Denied, Driven, Joined, Leaving, Look, Patience, Reading};
use crate::book::waiter::{Claim, Ticket};
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::quota::{Quota, SECOND};
use crate::runtime::Runtime;
use crate::shape::rolling::Ending;
use crate::shared::Shared;

const ONE: Quota = Quota::rolling(1, SECOND);

const FOREVER: Patience = Patience {
    until: Moment::NEVER,
    queue: 8,
};

fn at(millis: u64) -> Moment {
    Moment::START.after(Duration::from_millis(millis))
}

/// Tries every schedule of up to two preemptions, beyond which there are too many for three threads.
fn check(scenario: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(scenario);
}

/// A shared book with windows of one place each.
struct Desk {
    shared: Shared,
    windows: Vec<Id>,
}

impl Desk {
    fn new(windows: usize) -> Arc<Self> {
        let mut book = Book::new(at(0));
        let windows = (0..windows).map(|_| book.open(at(0), &ONE.into()));
        let windows = windows.collect();
        let shared = Shared::new(book);
        Arc::new(Self { shared, windows })
    }

    /// One place in each of the windows of these numbers.
    fn one_of(&self, windows: &[usize]) -> Claims {
        let claims = windows.iter();
        claims.map(|&i| Claim::new(self.windows[i], 1)).collect()
    }

    fn admit(&self, mut claims: Claims) -> Claims {
        let lane = Lane::Rest;
        let mut admitted = |book: &mut Book| book.admit_unseen(&mut claims, lane);
        assert!(self.shared.with(|book, _| admitted(book)), "there is room");
        claims
    }

    /// Stands in line without a waker: as one that is polled by somebody else's wakes.
    fn join(&self, windows: &[usize]) -> Waiting {
        let mut claims = self.one_of(windows);
        let joined = self.shared.with(|book, wakes| {
            let mut caller = caller(Waker::noop().clone());
            book.join(at(0), &mut claims, Lane::Rest, FOREVER, &mut caller, wakes)
        });
        match joined {
            Ok(Joined::Waits { ticket, driven }) => Waiting {
                ticket,
                claims,
                driven,
            },
            other => panic!("{other:?}"),
        }
    }

    /// Whether it is admitted.
    fn look(&self, now: Moment, waiting: &mut Waiting) -> bool {
        let look = self.shared.with(|book, wakes| {
            let mut caller = caller(Waker::noop().clone());
            book.look(now, waiting.ticket, &mut waiting.claims, &mut caller, wakes)
        });
        look == Look::Admitted
    }

    fn leave(&self, waiting: &Waiting) {
        let ticket = waiting.ticket;
        self.shared
            .with(|book, wakes| book.leave(at(0), ticket, Leaving::Cancelled, wakes));
    }

    /// Waits for places as a task does, with no alarm but the wakes of others.
    fn acquire(&self, mut claims: Claims) -> Claims {
        let bell = Arc::new(Notify::new());
        let waker = Waker::from(std::sync::Arc::new(Bell(Arc::clone(&bell))));
        let joined = self.shared.with(|book, wakes| {
            let mut caller = caller(waker.clone());
            book.join(at(0), &mut claims, Lane::Rest, FOREVER, &mut caller, wakes)
        });
        let ticket = match joined.expect("there is room to wait") {
            Joined::Admitted => return claims,
            Joined::Waits { ticket, .. } => ticket,
        };
        loop {
            let mut caller = caller(waker.clone());
            let look = self
                .shared
                .with(|book, wakes| book.look(at(0), ticket, &mut claims, &mut caller, wakes));
            if look == Look::Admitted {
                return claims;
            }
            bell.wait();
        }
    }

    fn end(&self, now: Moment, claims: &[Claim], ending: Ending) {
        let holding = Holding {
            claims,
            lane: Lane::Rest,
            departed: None,
        };
        self.shared
            .with(|book, wakes| book.end(now, holding, ending, wakes));
    }

    fn give_back(&self, claims: &[Claim]) {
        self.end(at(0), claims, Ending::NeverLeft);
    }

    /// Holds places for a moment, and checks that nobody else holds one of them.
    fn hold(&self, windows: &[usize], held: &[AtomicBool]) {
        let claims = self.acquire(self.one_of(windows));
        for &window in windows {
            let taken = held[window].swap(true, Ordering::SeqCst);
            assert!(!taken, "two hold one place");
        }
        for &window in windows {
            held[window].store(false, Ordering::SeqCst);
        }
        self.give_back(&claims);
    }

    fn reading(&self, now: Moment, window: usize) -> Reading {
        let id = self.windows[window];
        let reading = self.shared.with(|book, _| book.reading(now, id));
        reading.expect("it is there")
    }

    /// Checks that nobody holds anything, and nobody waits.
    fn assert_all_over(&self) {
        for window in 0..self.windows.len() {
            let reading = self.reading(at(0), window);
            let held = (reading.in_flight, reading.closing, reading.waiting);
            assert_eq!(held, (0, 0, 0), "window {window}");
        }
    }
}

/// One who stands in line.
struct Waiting {
    ticket: Ticket,
    claims: Claims,
    driven: Driven,
}

/// One that is polled on the only runtime, and woken by `waker`.
fn caller(waker: Waker) -> Caller<'static> {
    Caller {
        waker: Some(waker),
        runtime: &|| Some(Runtime(0)),
    }
}

/// Wakes a thread of the model.
struct Bell(Arc<Notify>);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}
