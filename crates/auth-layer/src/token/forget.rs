//! Whether a token can be forgotten without a loss.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{Shared, TokenSlot};

/// A slot that may be forgotten, as far as the slot itself knows. It holds nothing.
pub(crate) struct Forgettable {
    shared: Weak<Shared>,
    fetches: u64,
}

impl TokenSlot {
    /// Whether the slot itself would miss nothing, of which the one who asks holds the only clone that counts. What its source would
    /// miss is [another question](Forgettable::ask_source).
    ///
    /// A fetch, a call that waits or is under way, and a handle each hold a clone. `idle` says that the slot has not been used
    /// for long: then a logout is forgotten too.
    pub(crate) fn can_be_forgotten(&self, now: Instant, idle: bool) -> Option<Forgettable> {
        if Arc::strong_count(&self.shared) > 1 || self.is_in_demand() {
            return None;
        }
        let book = self.shared.book.lock();
        let can_be = book.life.can_be_forgotten(now, idle);
        can_be.then(|| Forgettable {
            shared: Arc::downgrade(&self.shared),
            fetches: book.life.counts().fetches,
        })
    }

    /// Whether nothing has happened since `asked` that could change what its source has said.
    pub(crate) fn is_still(&self, asked: &Forgettable) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.shared), asked.shared.as_ptr())
            && self.shared.book.lock().life.counts().fetches == asked.fetches
    }
}

impl Forgettable {
    /// Asks the source, which is the user's: not under a lock. One that panics says no; it is another one's request that asks.
    pub(crate) fn ask_source(&self) -> bool {
        let ask = || {
            self.shared.upgrade().is_some_and(|shared| {
                let holds = shared.book.lock().refresh_token.get().is_some();
                shared.source.can_be_forgotten(holds)
            })
        };
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or(false)
    }
}
