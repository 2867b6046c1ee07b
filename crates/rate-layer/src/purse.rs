//! Places that a thread has in hand: so that threads need not meet at the book for each request.

use std::time::Instant;

use crate::moment::Moment;

/// How many places are in hand at the most, and how many answers are noted: what fits into four lines of a cache, with the rest.
pub(crate) const MOST: usize = 23;

/// How many purses there are: threads share them where there are more of those.
pub(crate) const PURSES: usize = if cfg!(loom) { 2 } else { 8 };

/// Places of one plain window that the book has handed out ahead, and the answers that it has not been told of yet.
///
/// What is in hand counts as taken in the book, and so does what was answered and is not told: the book never believes that
/// more is free than is. Whoever has to know how much is free exactly has all purses [settled](crate::book::Book::settle) first.
#[derive(Debug)]
pub(crate) struct Purse {
    answered: [Moment; MOST],
    /// How many of them there are.
    answers: u32,
    /// How many places are in hand.
    pub(crate) free: u32,
    /// How many of them have been taken.
    pub(crate) taken: u32,
    /// When the clock was looked at last for one of them.
    pub(crate) look: Option<Look>,
    /// Whether it is in use: until the book is asked for something that it is to answer exactly.
    pub(crate) is_open: bool,
}

/// A look at the clock, for those that come just behind it: to tell the moment from an instant takes longer than to compare two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    /// Its moment.
    pub(crate) moment: Moment,
    /// Those that come until then came just behind it.
    pub(crate) until: Instant,
}

impl Purse {
    /// Puts so many places into one that is empty, and opens it.
    #[inline]
    pub(crate) fn fill(&mut self, places: u32) {
        self.free = places;
        self.is_open = true;
    }

    /// Empties it, and closes it.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.answers = 0;
        self.free = 0;
        self.taken = 0;
        self.is_open = false;
    }

    /// Takes one place, if there is one in hand.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        let is_there = self.free > 0;
        if is_there {
            self.free -= 1;
            self.taken += 1;
        }
        is_there
    }

    /// Notes that a request was answered at `now` that holds one place. Says whether there was room to.
    #[inline]
    pub(crate) fn answer(&mut self, now: Moment) -> bool {
        let count = self.answers as usize;
        match self.answered.get_mut(count) {
            Some(answer) if self.is_open => {
                *answer = now;
                self.answers += 1;
                true
            }
            _ => false,
        }
    }

    /// When requests were answered of which the book has not been told.
    #[inline]
    pub(crate) fn answered(&self) -> &[Moment] {
        &self.answered[..self.answers as usize]
    }
}

impl Default for Purse {
    /// With nothing in it, and closed.
    fn default() -> Self {
        Self {
            answered: [Moment::START; MOST],
            answers: 0,
            free: 0,
            taken: 0,
            look: None,
            is_open: false,
        }
    }
}

/// Which purse is this thread's: as many threads as there are purses have different ones.
#[cfg(not(loom))]
#[inline]
pub(crate) fn own() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const NOT_YET: usize = usize::MAX;
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(NOT_YET) };
    }
    OWN.with(|own| {
        if own.get() == NOT_YET {
            own.set(THREADS.fetch_add(1, Ordering::Relaxed) % PURSES);
        }
        own.get()
    })
}
