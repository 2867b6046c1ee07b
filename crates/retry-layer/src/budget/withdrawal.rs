//! What was taken out of a budget for one retry.

use std::fmt;
use std::time::Instant;

use super::Budget;
use crate::clock;

/// What a retry has cost. Comes back by itself where the retry is never sent.
#[must_use]
pub(crate) struct Withdrawal {
    budget: Budget,
    /// Whose allowance it came from; none for the one that is shared.
    place: Option<usize>,
    amount: i64,
    /// Whether the retry has yet to be sent.
    reserved: bool,
}

impl Withdrawal {
    pub(super) fn new(budget: Budget, place: Option<usize>, amount: i64) -> Self {
        Self {
            budget,
            place,
            amount,
            reserved: true,
        }
    }

    /// Notes that the retry is sent now. From here on it is spent, unless it turns out that it [never left](Self::refund).
    pub(crate) fn send(&mut self) {
        self.reserved = false;
    }

    /// Gives back what was taken but for the price of a dial: the retry has found no connection.
    pub(crate) fn found_no_connection(mut self, now: Instant) {
        let dial = self.budget.shared.scale.connect_cost;
        self.amount = self.amount.saturating_sub(dial).max(0);
        self.refund(now);
    }

    /// Gives back what was taken, and no more.
    pub(crate) fn refund(mut self, now: Instant) {
        self.reserved = false;
        self.budget.give_back(self.place, self.amount, now);
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if self.reserved {
            let now = clock::now();
            self.budget.give_back(self.place, self.amount, now);
        }
    }
}

impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawal")
            .field("amount", &self.amount)
            .field("reserved", &self.reserved)
            .finish_non_exhaustive()
    }
}
