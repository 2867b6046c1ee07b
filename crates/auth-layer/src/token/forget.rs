//! Whether a token can be forgotten without a loss.

use std::sync::Arc;

use tokio::time::Instant;

use super::TokenSlot;

impl TokenSlot {
    /// Whether nobody would miss this slot, of which the one who asks holds the only clone that counts.
    ///
    /// A fetch, a call that waits or is under way, and a handle each hold a clone. `idle` says that the slot has not been used
    /// for long: then a logout is forgotten too.
    pub(crate) fn can_be_forgotten(&self, now: Instant, idle: bool) -> bool {
        if Arc::strong_count(&self.shared) > 1 || self.is_in_demand() {
            return false;
        }
        let book = self.shared.book.lock();
        let holds = book.refresh_token.is_some();
        book.life.can_be_forgotten(now, idle) && self.shared.source.can_be_forgotten(holds)
    }
}
