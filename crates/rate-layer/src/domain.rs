//! A book with its lock and its clock: what windows share that are taken together.

use std::sync::Arc;

use crate::book::Book;
use crate::clock::Clock;
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
}
