//! One who waits, and the wakers of all who do.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use crate::book::claims::Claims;
use crate::book::limiters::Id;
use crate::lane::Lane;
use crate::moment::Moment;

/// The number that says who came first, in the whole book, and where its holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    // First, since it is what tickets are compared by: no two have the same.
    number: u64,
    slot: u32,
}

impl Ticket {
    /// Later than any that is issued.
    pub(crate) const NEWCOMER: Self = Self::new(u64::MAX, u32::MAX);

    #[inline]
    pub(crate) const fn new(number: u64, slot: u32) -> Self {
        Self { number, slot }
    }

    /// Where its holder is.
    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// What a request wants of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: Id,
    pub(crate) cost: u32,
    /// Which of the layer's rules it comes from; the first, where it is of several.
    pub(crate) rule: u8,
    /// Whether it makes a difference when the request departs. Known once it is taken.
    pub(crate) counts_departure: bool,
    /// How many places had freed by themselves when it was taken.
    pub(crate) freed: u32,
}

impl Claim {
    pub(crate) const fn new(id: Id, cost: u32) -> Self {
        Self {
            id,
            cost,
            rule: 0,
            counts_departure: false,
            freed: 0,
        }
    }
}

/// One who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) claims: Claims,
    pub(crate) lane: Lane,
    /// Among whom it stands in line: its own lane, or those who go first, once it was the turn of the rest and it was first.
    pub(crate) stands_with: Lane,
    pub(crate) standing: Standing,
    /// In the lines of which claims it has been passed over, a bit each.
    pub(crate) fronts: u32,
    /// When its patience ends; the start, once it has.
    pub(crate) until: Moment,
    /// Taken when it is woken, put back when it is polled.
    pub(crate) waker: Option<Waker>,
}

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In the line of one of its claims: the one that keeps it waiting.
    InLine(usize),
    /// In the lines of all its claims: it has been passed over in the one that keeps it waiting.
    InAllLines,
    /// It has been offered its places.
    Offered { lapses: Moment },
    /// It was offered its places, and did not come.
    Missed,
    /// It asks for more than there is by now.
    Hopeless,
}

impl Waiter {
    /// Whether it is passed over no more.
    pub(crate) fn is_aged(&self) -> bool {
        self.standing == Standing::InAllLines
    }

    /// What it wants of the window at `index`.
    pub(crate) fn cost_at(&self, index: u32) -> u32 {
        let here = self.claims.iter().filter(|claim| claim.id.index == index);
        here.map(|claim| claim.cost).sum()
    }
}

/// Wakers that left the book: to be fired or dropped once the lock is free.
///
/// Dropping one may run anybody's code, a whole task's destructor even, which may well come back to this book.
#[derive(Debug, Default)]
pub(crate) struct Wakes(Option<Box<Left>>);

/// As a rule nobody is called, and there is nothing to make, look through or take apart.
#[derive(Debug, Default)]
struct Left {
    fire: Vec<Waker>,
    retire: Vec<Waker>,
    notes: Vec<Note>,
}

/// What the log is to be told. A subscriber may look at the very windows that it is told of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    Adopted {
        limit: u32,
        before: u32,
    },
    TakenToBeFull,
    Unheard {
        limit: Option<u64>,
        window: Option<Duration>,
    },
}

impl Note {
    fn tell(self) {
        match self {
            Self::Adopted { limit, before } => {
                tracing::info!(limit, before, "adopts the limit that the server states");
            }
            Self::Unheard { limit, window } => tracing::warn!(
                ?limit,
                ?window,
                "the server states a limit that is about none of the windows, and it is not heeded: hold requests to it as well, or say \
                 what it is about, as `XRateLimit::window` does"
            ),
            Self::TakenToBeFull => tracing::warn!(
                "a response was to say how much of the limit is left, and does not: the window is taken to be full"
            ),
        }
    }
}

impl Left {
    #[cold]
    fn fire(self) -> Fired {
        // All have been told by the book that they are called: one whose waker panics must not keep the others asleep.
        let mut panic = None;
        for waker in self.fire {
            let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            panic = panic.or(woken.err());
        }
        for note in self.notes {
            note.tell();
        }
        for waker in self.retire {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(waker)));
            panic = panic.or(dropped.err());
        }
        Fired(panic)
    }
}

/// All are woken; one of their wakers may have panicked.
#[must_use = "whoever caused a panic is to be told"]
pub(crate) struct Fired(Option<Box<dyn Any + Send>>);

impl Fired {
    /// Does `undo` if a waker has panicked, and goes on with that panic; does nothing where the thread panics already, which would
    /// abort the program.
    #[inline]
    pub(crate) fn or_undo(self, undo: impl FnOnce()) {
        if let Some(panic) = self.0
            && !thread::panicking()
        {
            undo();
            resume_unwind(panic);
        }
    }
}

impl Wakes {
    /// Wakes whom the book has called.
    ///
    /// # Panics
    ///
    /// When a waker has.
    #[inline]
    pub(crate) fn fire(self) {
        self.fire_all().or_undo(|| {});
    }

    /// The same for somebody to whom it makes no difference when a waker panics. Whoever set a panic hook has been told.
    #[inline]
    pub(crate) fn fire_calmly(self) {
        let Fired(_) = self.fire_all();
    }

    /// The same for somebody who has got something that must not be lost to such a panic.
    #[inline]
    pub(crate) fn fire_all(self) -> Fired {
        self.0.map_or(Fired(None), |left| left.fire())
    }

    /// Calls whom `waker` wakes.
    pub(crate) fn call(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.0.get_or_insert_default().fire.push(waker);
        }
    }

    /// Whether anybody is called.
    pub(crate) fn calls_anybody(&self) -> bool {
        self.0.as_ref().is_some_and(|left| !left.fire.is_empty())
    }

    /// Has the log told of `note`.
    pub(crate) fn note(&mut self, note: Note) {
        self.0.get_or_insert_default().notes.push(note);
    }

    /// Keeps a waker that is not needed until it may be dropped.
    pub(crate) fn retire(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.0.get_or_insert_default().retire.push(waker);
        }
    }
}
