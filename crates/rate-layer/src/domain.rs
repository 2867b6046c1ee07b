//! A book with its lock and its clock: what windows share that are taken together.

use std::sync::Arc;

use crate::book::Book;
use crate::book::limiters::Id;
use crate::book::outcome::{Denied, Granted};
use crate::book::waiter::{Claim, Wakes};
use crate::clock::Clock;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::purse::{self, Look};
use crate::shared::Shared;
use crate::tenure::Tenure;

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

    /// The same for one claim; which admission it was is not told where nobody needs to know.
    ///
    /// What most need is inlined. What asks the book is not, nor in [`answer_one`](Self::answer_one): it would have the others save
    /// registers that they have no use for.
    #[inline]
    pub(crate) fn admit_one_unseen(
        &self,
        claim: Claim,
        lane: Lane,
        is_numbered: bool,
    ) -> Option<Granted> {
        if !is_numbered && self.take_in_hand(claim, lane) {
            return Some(Granted::IN_HAND);
        }
        if self.book.is_waited_for(claim.id) {
            return None;
        }
        self.admit_one_by_the_book(claim, lane, is_numbered)
    }

    #[inline(never)]
    fn admit_one_by_the_book(
        &self,
        mut claim: Claim,
        lane: Lane,
        is_numbered: bool,
    ) -> Option<Granted> {
        if is_numbered {
            return self.book.with(|book, _| {
                let is_taken = book.admit_one_unseen(&mut claim, lane);
                is_taken.then(|| Granted::of(&claim, book))
            });
        }
        let own = purse::own();
        let admitted = self.book.admit_one(own, claim, lane, |_, _, _| Err(()));
        admitted.ok()
    }

    /// Ends a place that was answered, and of which it makes no difference when it departed.
    #[inline]
    pub(crate) fn answer_one(&self, id: Id, cost: u32, lane: Lane) {
        let (own, read) = (purse::own(), self.clock.read());
        let about = |last: &mut Option<Look>| self.clock.about(read, last);
        if !self.book.answer_in_hand(own, id, cost, lane, about) {
            let now = self.clock.at(read);
            self.book.answer_one_by_the_book(own, now, id, cost, lane);
        }
    }

    /// Takes what `claim` wants out of what the thread has in hand.
    #[inline]
    pub(crate) fn take_in_hand(&self, claim: Claim, lane: Lane) -> bool {
        self.book.take_in_hand(purse::own(), claim, lane)
    }

    /// Takes what `claim` wants if it is free, and hands it back as it is held; or says when it could be had, as of when.
    ///
    /// By value, so that it need not be in memory before it is where it stays: to move it costs more than to take it.
    #[inline(never)]
    pub(crate) fn admit_one(&self, claim: Claim, lane: Lane) -> Result<Granted, (Denied, Moment)> {
        if let Some(turn) = self.book.full_until(claim.id, claim.cost, lane) {
            let now = self.clock.now();
            if now < turn {
                self.book.note_refusal();
                return Err((Denied::TooLate(turn), now));
            }
        }
        // Most find room, and then nobody needs to know what time it is.
        let own = purse::own();
        let mut called = Wakes::default();
        let admitted = self.book.admit_one(own, claim, lane, |book, claim, _| {
            let admitted = self.admit_seeing(book, claim, lane, &mut called);
            if admitted.is_err() {
                self.book.publish(book);
            }
            admitted
        });
        // Here, where what was taken can be given back.
        called.fire_all().or_undo(|| {
            if let Ok(granted) = admitted {
                Tenure::of_one(granted.held(claim), lane, granted.admission).give_up(self);
            }
        });
        admitted
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
