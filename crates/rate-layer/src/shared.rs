//! One short lock around a book. Wakers are called, and dropped, outside of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::book::Book;
use crate::book::waiter::Wakes;
use crate::sync::{Mutex, lock};

/// A book that many threads use.
///
/// The time is an argument throughout. It may be read before the lock is taken, and be a little old when it counts. That is
/// safe: an admission sees fewer places free, and a place answered at the time given was not free in between.
///
/// In cache lines of its own: who only counts references next to it, or reads the clock, is not to take the lock's away.
#[repr(align(128))]
pub(crate) struct Shared(Mutex<Book>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys may be secrets, and the book may be in use.
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(book: Book) -> Self {
        Self(Mutex::new(book))
    }

    /// Does something to the book, and afterwards wakes whom it has called.
    #[inline]
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Book, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = act(&mut lock(&self.0), &mut wakes);
        wakes.fire();
        result
    }

    /// The same for somebody who acts on behalf of others: a waker that panics is its owner's affair.
    pub(crate) fn with_calmly<T>(&self, act: impl FnOnce(&mut Book, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = act(&mut lock(&self.0), &mut wakes);
        // Whoever set a panic hook has been told.
        drop(catch_unwind(AssertUnwindSafe(|| wakes.fire())));
        result
    }
}
