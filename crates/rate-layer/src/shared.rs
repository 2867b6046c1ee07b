//! One short lock around a book, and what threads have in hand so that they need it less. Wakers are called, and dropped,
//! outside of it.

use std::fmt;
use std::slice;

use crate::book::limiters::Id;
use crate::book::outcome::Granted;
use crate::book::waiter::{Claim, Wakes};
use crate::book::{Book, Holding};
use crate::lane::Lane;
use crate::moment::Moment;
use crate::purse::{Look, PURSES, Purse};
use crate::shape::rolling::Ending;
use crate::sync::{
    AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Spinlock, lock, spin, try_spin,
};

/// A book that many threads use.
///
/// The time is an argument throughout. It may be read before the lock is taken, and be a little old when it counts. That is
/// safe: an admission sees fewer places free, and a place answered at the time given was not free in between.
///
/// Of a window that is plain, and of which much is free, each thread has some places in hand, and notes there which requests were
/// answered. Its lock is then its own, as a rule, and the book is asked once for many requests. Everything else but these two
/// steps goes by [`with`](Self::with), which settles all of that first: so nobody can tell that there is such a thing. The order
/// of locks is: the book, one purse.
///
/// Of such a window that is full, it stands beside the lock until when: who cannot wait is turned away without it. Whoever takes
/// the lock wipes that off first. Who has read it just before was there before.
pub(crate) struct Shared {
    /// Whether a purse may be open. Only a hint, not to look in vain: what counts stands in the purse.
    lends: AtomicBool,
    /// Until when all places of the first window are taken, in nanoseconds; 0 where the book is to be asked.
    full: AtomicU64,
    /// Whether somebody waits for the first window. Only a hint, not to ask for a place in vain.
    is_waited_for: AtomicBool,
    /// How many were turned away by that, of whom the book does not know.
    refused: AtomicU64,
    purses: Box<[Apart<Spinlock<Purse>>]>,
    book: Apart<Mutex<Book>>,
}

/// What has cache lines of its own.
#[repr(align(128))]
struct Apart<T>(T);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys may be secrets, and the book may be in use.
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(book: Book) -> Self {
        let purse = |_| Apart(Spinlock::new(Purse::default()));
        Self {
            lends: AtomicBool::new(false),
            full: AtomicU64::new(0),
            is_waited_for: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            purses: (0..PURSES).map(purse).collect(),
            book: Apart(Mutex::new(book)),
        }
    }

    /// Does something to the book, and afterwards wakes whom it has called.
    #[inline]
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Book, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = self.with_later(&mut wakes, act);
        wakes.fire();
        result
    }

    /// Does something to the book, and leaves it to the caller to wake whom it has called: one who holds a lock of its own.
    #[inline]
    pub(crate) fn with_later<T>(
        &self,
        wakes: &mut Wakes,
        act: impl FnOnce(&mut Book, &mut Wakes) -> T,
    ) -> T {
        let mut book = self.open();
        self.settle_all(&mut book);
        let result = act(&mut book, wakes);
        let is_waited_for = book.is_waited_for(Id::FIRST);
        if is_waited_for != self.is_waited_for.load(Ordering::Relaxed) {
            self.is_waited_for.store(is_waited_for, Ordering::Relaxed);
        }
        result
    }

    /// Whether it is of no use to ask for a place of this window without standing in line.
    #[inline]
    pub(crate) fn is_waited_for(&self, id: Id) -> bool {
        id == Id::FIRST && self.is_waited_for.load(Ordering::Relaxed)
    }

    /// The same for somebody who acts on behalf of others, or is at its end: a waker that panics is its owner's affair.
    pub(crate) fn with_calmly<T>(&self, act: impl FnOnce(&mut Book, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = self.with_later(&mut wakes, act);
        // Whoever set a panic hook has been told.
        wakes.fire_calmly();
        result
    }

    /// Takes one place out of the purse of this number, which is the thread's, if there is one in it that `claim` may have.
    #[inline]
    pub(crate) fn take_in_hand(&self, own: usize, claim: Claim, lane: Lane) -> bool {
        // Where it is not to be had at once, the book is.
        self.may_be_in_hand(claim.id, claim.cost, lane)
            && try_spin(&self.purses[own].0).is_some_and(|mut purse| purse.take())
    }

    /// Takes what `claim` wants where no clock is needed for it, by the book, which fills the purse of this number besides. Else does
    /// what `otherwise` says.
    #[inline(always)]
    pub(crate) fn admit_one<E>(
        &self,
        own: usize,
        claim: Claim,
        lane: Lane,
        otherwise: impl FnOnce(&mut Book, Claim, &mut Wakes) -> Result<Granted, E>,
    ) -> Result<Granted, E> {
        let mut wakes = Wakes::default();
        let result = {
            let mut book = self.open();
            let mut claim = claim;
            match lane {
                Lane::Rest => self.settle_for(&mut book, own, claim.id),
                // With it the window is no plain one any more, and only such a one can be settled.
                Lane::First => self.settle_all(&mut book),
            };
            let is_admitted = book.admit_one_unseen(&mut claim, lane)
                || (self.settle_all(&mut book) && book.admit_one_unseen(&mut claim, lane));
            if is_admitted {
                self.lend(&mut book, own, claim.id);
                Ok(Granted::of(&claim, &book))
            } else {
                otherwise(&mut book, claim, &mut wakes)
            }
        };
        wakes.fire();
        result
    }

    /// Ends a place that was answered at `now`, and of which it makes no difference when it departed: into the purse of this number,
    /// which is the thread's, or by the book.
    #[cfg(test)]
    pub(crate) fn answer_one(&self, own: usize, now: Moment, id: Id, cost: u32, lane: Lane) {
        if !self.answer_in_hand(own, id, cost, lane, |_| now) {
            self.answer_one_by_the_book(own, now, id, cost, lane);
        }
    }

    /// Ends such a place into the purse, if it can be noted there. `now` is asked when that was, and told of the last look.
    #[inline]
    pub(crate) fn answer_in_hand(
        &self,
        own: usize,
        id: Id,
        cost: u32,
        lane: Lane,
        now: impl FnOnce(&mut Option<Look>) -> Moment,
    ) -> bool {
        if !self.may_be_in_hand(id, cost, lane) {
            return false;
        }
        try_spin(&self.purses[own].0).is_some_and(|mut purse| {
            let now = now(&mut purse.look);
            purse.answer(now)
        })
    }

    /// Ends such a place by the book.
    #[inline(never)]
    pub(crate) fn answer_one_by_the_book(
        &self,
        own: usize,
        now: Moment,
        id: Id,
        cost: u32,
        lane: Lane,
    ) {
        let claim = Claim::new(id, cost);
        let mut wakes = Wakes::default();
        {
            let mut book = self.open();
            let was_open = self.settle_for(&mut book, own, id);
            if book.answer_one(now, &claim, lane, &mut wakes) {
                if was_open {
                    self.lend(&mut book, own, id);
                }
            } else {
                self.settle_all(&mut book);
                let holding = Holding {
                    claims: slice::from_ref(&claim),
                    lane,
                    departed: None,
                };
                book.end(now, holding, Ending::Answered, &mut wakes);
            }
        }
        // Answered is answered, whoever is called.
        wakes.fire_calmly();
    }

    /// Until when a request for one place need not ask, because it would be told that moment. Whoever goes by that must say so
    /// ([`note_refusal`](Self::note_refusal)).
    #[inline(always)]
    pub(crate) fn full_until(&self, id: Id, cost: u32, lane: Lane) -> Option<Moment> {
        let full = self.full.load(Ordering::Relaxed);
        if full == 0 || id != Id::FIRST || cost != 1 || lane != Lane::Rest {
            return None;
        }
        Some(Moment::from_nanos(full))
    }

    /// Counts one that was turned away without the book.
    #[inline]
    pub(crate) fn note_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets others know until when the first window is full, if that is all that can be said of it.
    pub(crate) fn publish(&self, book: &mut Book) {
        if let Some(until) = book.full_until() {
            self.full.store(until.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Takes the lock, and wipes off what stands beside it.
    #[inline]
    fn open(&self) -> MutexGuard<'_, Book> {
        let mut book = lock(&self.book.0);
        if self.full.load(Ordering::Relaxed) != 0 {
            self.wipe(&mut book);
        }
        book
    }

    #[inline(never)]
    fn wipe(&self, book: &mut Book) {
        self.full.store(0, Ordering::Relaxed);
        book.count_refused(self.refused.swap(0, Ordering::Relaxed));
    }

    /// Whether it is worth a look into a purse.
    #[inline(always)]
    fn may_be_in_hand(&self, id: Id, cost: u32, lane: Lane) -> bool {
        self.lends.load(Ordering::Relaxed) && id == Id::FIRST && cost == 1 && lane == Lane::Rest
    }

    /// Fills a purse that is closed, if the book has something for it.
    #[inline]
    fn lend(&self, book: &mut Book, own: usize, id: Id) {
        if id == Id::FIRST {
            let places = book.lend();
            if places > 0 {
                book.lent |= 1 << own;
                spin(&self.purses[own].0).fill(places);
                if !self.lends.load(Ordering::Relaxed) {
                    self.lends.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Settles one purse, where it has to do with the window. Says whether it was open.
    #[inline]
    fn settle_for(&self, book: &mut Book, own: usize, id: Id) -> bool {
        id == Id::FIRST && self.settle(book, own)
    }

    /// Settles one purse. Says whether it was open.
    #[inline]
    fn settle(&self, book: &mut Book, own: usize) -> bool {
        let was_open = book.lent & (1 << own) != 0;
        if was_open {
            book.lent &= !(1 << own);
            book.settle(&mut spin(&self.purses[own].0));
        }
        was_open
    }

    /// Settles all purses. Says whether one was open.
    #[inline]
    fn settle_all(&self, book: &mut Book) -> bool {
        let some = book.lent != 0;
        if some || self.lends.load(Ordering::Relaxed) {
            self.settle_some(book);
        }
        some
    }

    #[inline(never)]
    fn settle_some(&self, book: &mut Book) {
        for own in 0..PURSES {
            self.settle(book, own);
        }
        self.lends.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
