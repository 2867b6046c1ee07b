//! A book with its lock and its clock: what windows share that are taken together.

use std::sync::Arc;

use crate::book::Book;
use crate::book::outcome::Denied;
use crate::book::waiter::Claim;
use crate::clock::Clock;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::shared::Shared;

/// A book with its lock and its clock.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) clock: Clock,
    pub(crate) book: Shared,
}

impl Domain {
    pub(crate) fn new() -> Arc<Self> {
        let clock = Clock::start();
        let book = Book::new(clock.now());
        Arc::new(Self {
            clock,
            book: Shared::new(book),
        })
    }

    /// Takes places if they are free, and says which admission that was; or says when they could be had, as of when.
    pub(crate) fn admit(
        &self,
        claims: &mut [Claim],
        lane: Lane,
    ) -> Result<u64, (Denied, Moment)> {
        self.book.with(|book, wakes| {
            // Most find room, and then nobody needs to know what time it is. Else the clock is read with the lock in hand.
            if !book.admit_unseen(claims, lane) {
                let now = self.clock.now();
                let admitted = book.admit(now, claims, lane, wakes);
                admitted.map_err(|denied| (denied, now))?;
            }
            Ok(book.admissions())
        })
    }
}
