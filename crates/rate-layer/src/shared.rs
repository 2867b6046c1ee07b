//! One short lock around a book. Wakers are called, and dropped, outside of it.

use std::fmt;

use crate::book::Book;
use crate::book::waiter::Wakes;
use crate::sync::{Mutex, lock};

/// A book that many threads use.
///
/// The time is an argument throughout. It may be read before the lock is taken, and be a little old when it counts. That is
/// safe: an admission sees fewer places free, and a place answered at the time given was not free in between.
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
        act(&mut lock(&self.0), wakes)
    }
}
