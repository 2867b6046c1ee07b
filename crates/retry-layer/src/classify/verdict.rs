//! What an attempt's outcome is called.

use std::time::Duration;

/// What an attempt's outcome is called. Whether a retry follows is not said by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The server did what it was asked. Pays into the budget.
    Success,
    /// The same request would meet the same outcome.
    Final,
    /// Another try may go better.
    Transient {
        /// No sooner than after this long. `Retry-After` is read besides: the longer one counts.
        after: Duration,
    },
    /// The server, or something on the way, wants fewer requests. The pause grows from a longer base.
    Throttled {
        /// No sooner than after this long. `Retry-After` is read besides: the longer one counts.
        after: Duration,
    },
}

impl Verdict {
    /// Another try may go better, and may come at any time.
    pub const TRANSIENT: Self = Self::Transient {
        after: Duration::ZERO,
    };

    /// The server wants fewer requests, and does not say until when.
    pub const THROTTLED: Self = Self::Throttled {
        after: Duration::ZERO,
    };
}
