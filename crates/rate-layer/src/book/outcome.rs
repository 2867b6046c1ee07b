//! What a book is asked, and what it answers.

use std::task::Waker;
use std::time::Duration;

use crate::book::Book;
use crate::book::drivers::DriverId;
use crate::book::waiter::{Claim, Ticket};
use crate::moment::Moment;
use crate::runtime::Runtime;

/// What has happened to the windows of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) admitted: u64,
    pub(crate) waited: u64,
    pub(crate) refused: u64,
    pub(crate) throttled: u64,
    pub(crate) given_back: u64,
    pub(crate) abandoned: u64,
    pub(crate) unheard: u64,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It costs more than the given number, which is the most that a window has for it.
    Never(u32),
    /// Its turn comes at the given moment, and it may not wait so long.
    TooLate(Moment),
    /// As many wait as may; its turn would come at the given moment.
    Full(Moment),
    /// There are as many keys as may be, and all of them count still.
    TooManyKeys(usize),
}

/// How long, and among how many, a request may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Moment,
    pub(crate) queue: usize,
}

/// Who polls one that asks, or waits.
pub(crate) struct Caller<'a> {
    /// What has it polled again; taken if it waits.
    pub(crate) waker: Option<Waker>,
    /// On which runtime; asked if it waits.
    pub(crate) runtime: &'a dyn Fn() -> Option<Runtime>,
}

/// Who looks after one who waits, on the runtime on which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driven {
    /// A driver that is there.
    Already,
    /// This one, which is to be started.
    By(DriverId),
    /// Nobody: there is no runtime.
    Nowhere,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Places were free.
    Admitted,
    /// It waits; it must [look](crate::book::Book::look) again when it is woken.
    Waits { ticket: Ticket, driven: Driven },
}

/// What a driver is to do when it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// Look again at the moment given, or when it is called.
    At(Moment),
    /// Look again when those have had time who have been called: there may be less to wait for then.
    Soon,
    /// End: nobody waits any more.
    Over,
}

/// Why a waiter leaves without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its caller has dropped it.
    Cancelled,
    /// It has waited as long as it may.
    OutOfPatience,
}

/// A window at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// How long the window is that the counts of places are of.
    pub(crate) window: Option<Duration>,
    pub(crate) limit: u32,
    pub(crate) closing: u32,
    pub(crate) in_flight: u32,
    pub(crate) waiting: usize,
    pub(crate) paused: bool,
    /// When a request that comes now could be admitted.
    pub(crate) next_free: Moment,
    pub(crate) tally: Tally,
}

/// One of several limits at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierReading {
    pub(crate) limit: u32,
    pub(crate) closing: u32,
    pub(crate) in_flight: u32,
    pub(crate) waiting: usize,
    /// When a request that comes now could be admitted, as far as this limit goes.
    pub(crate) next_free: Moment,
}

/// What a waiter sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It holds its places, and its ticket is spent.
    Admitted,
    /// It must look again when it is woken.
    Waits(Driven),
    /// Its patience has ended. It still stands in line.
    OutOfPatience,
    /// A limit was lowered: it costs more than the given number, which is the most that there is. Its ticket is spent.
    Never(u32),
}

/// What is known of a claim once it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    /// Which admission it was.
    pub(crate) admission: u64,
    freed: u32,
    counts_departure: bool,
}

impl Granted {
    /// Of a place that a thread had in hand: which admission it was, nobody can say, and it must not matter.
    pub(crate) const IN_HAND: Self = Self {
        admission: 0,
        freed: 0,
        counts_departure: false,
    };

    #[inline]
    pub(crate) fn of(claim: &Claim, book: &Book) -> Self {
        Self {
            admission: book.admissions(),
            freed: claim.freed,
            counts_departure: claim.counts_departure,
        }
    }

    /// `claim` as it is held.
    #[inline]
    pub(crate) fn held(self, claim: Claim) -> Claim {
        Claim {
            freed: self.freed,
            counts_departure: self.counts_departure,
            ..claim
        }
    }
}
