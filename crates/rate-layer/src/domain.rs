//! A book with its lock and its clock: what windows share that are taken together.

use std::slice;
use std::sync::Arc;

use crate::book::limiters::Id;
use crate::book::outcome::Denied;
use crate::book::waiter::{Claim, Wakes};
use crate::book::{Book, Holding};
use crate::clock::Clock;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shape::rolling::Ending;
use crate::shared::Shared;

/// A book with its lock and its clock.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) clock: Clock,
    pub(crate) book: Shared,
}

impl Domain {
    pub(crate) fn new() -> Arc<Self> {
        Self::by(Clock::start())
    }

    /// By a clock that is quicker to read.
    #[cfg(feature = "quanta")]
    pub(crate) fn quick() -> Arc<Self> {
        Self::by(Clock::quick())
    }

    fn by(clock: Clock) -> Arc<Self> {
        let book = Book::new(clock.now());
        Arc::new(Self {
            clock,
            book: Shared::new(book),
        })
    }

    /// Takes places where no clock is needed for it, and says which admission that was.
    #[inline]
    pub(crate) fn admit_unseen(&self, claims: &mut [Claim], lane: Lane) -> Option<u64> {
        self.book
            .with(|book, _| book.admit_unseen(claims, lane).then(|| book.admissions()))
    }

    /// The same for one claim.
    #[inline]
    pub(crate) fn admit_one_unseen(&self, mut claim: Claim, lane: Lane) -> Option<Granted> {
        self.book.with(|book, _| {
            let is_taken = book.admit_one_unseen(&mut claim, lane);
            is_taken.then(|| Granted::of(&claim, book))
        })
    }

    /// Ends a place that was answered, and of which it makes no difference when it departed.
    ///
    /// In parts, for the reason that [`admit_one`](Self::admit_one) has.
    #[inline(never)]
    pub(crate) fn answer_one(&self, id: Id, cost: u32, lane: Lane) {
        let claim = Claim::new(id, cost);
        let holding = Holding {
            claims: slice::from_ref(&claim),
            lane,
            departed: None,
        };
        let now = self.clock.now();
        self.book
            .with(|book, wakes| book.end(now, holding, Ending::Answered, wakes));
    }

    /// Takes what `claim` wants if it is free, and hands it back as it is held; or says when it could be had, as of when.
    ///
    /// By value, so that it need not be in memory before it is where it stays: to move it costs more than to take it.
    #[inline(never)]
    pub(crate) fn admit_one(
        &self,
        mut claim: Claim,
        lane: Lane,
    ) -> Result<Granted, (Denied, Moment)> {
        self.book.with(|book, wakes| {
            // Most find room, and then nobody needs to know what time it is.
            if book.admit_one_unseen(&mut claim, lane) {
                return Ok(Granted::of(&claim, book));
            }
            self.admit_seeing(book, claim, lane, wakes)
        })
    }

    /// The same by the clock, which is read with the lock in hand.
    #[inline(always)]
    fn admit_seeing(
        &self,
        book: &mut Book,
        mut claim: Claim,
        lane: Lane,
        wakes: &mut Wakes,
    ) -> Result<Granted, (Denied, Moment)> {
        let now = self.clock.now();
        match book.admit_one(now, &mut claim, lane, wakes) {
            Ok(()) => Ok(Granted::of(&claim, book)),
            Err(denied) => Err((denied, now)),
        }
    }
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
    #[inline]
    fn of(claim: &Claim, book: &Book) -> Self {
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
