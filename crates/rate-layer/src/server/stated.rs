//! What a response states of one limit.

use std::time::Duration;

/// What a response states of one limit, as far as it does.
///
/// ```
/// use rate_layer::{MINUTE, Stated};
///
/// const STATED: Stated = Stated::new().limit(100).used(30).window(MINUTE);
/// assert_eq!(STATED.remaining, None);
/// assert_eq!(STATED.left(), Some(70));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stated {
    /// How much the server allows in a window, in requests or in what else it counts.
    pub limit: Option<u64>,
    /// How much of it is left. More than 0 promises nothing.
    pub remaining: Option<u64>,
    /// How much of it is used up.
    pub used: Option<u64>,
    /// How long after the response the server's window resets, or more becomes available.
    pub reset: Option<Duration>,
    /// How long the window is.
    pub window: Option<Duration>,
}

impl Stated {
    /// The longest [`reset`](Self::reset) or [`window`](Self::window) that the dialects of this crate pass on: 366 days.
    pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// States nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limit: None,
            remaining: None,
            used: None,
            reset: None,
            window: None,
        }
    }

    /// States how much the server allows in a window.
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// States how much is left.
    #[must_use]
    pub const fn remaining(mut self, remaining: u64) -> Self {
        self.remaining = Some(remaining);
        self
    }

    /// States how much is used up.
    #[must_use]
    pub const fn used(mut self, used: u64) -> Self {
        self.used = Some(used);
        self
    }

    /// States how long after the response the window resets.
    #[must_use]
    pub const fn reset(mut self, reset: Duration) -> Self {
        self.reset = Some(reset);
        self
    }

    /// States how long the window is.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// How much is left at most, by everything that is stated: the remaining count, and the limit less what is used.
    pub fn left(&self) -> Option<u64> {
        let unused = self.limit.zip(self.used);
        let unused = unused.map(|(limit, used)| limit.saturating_sub(used));
        let told = self
            .remaining
            .map(|left| left.min(self.limit.unwrap_or(left)));
        [unused, told].into_iter().flatten().min()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_least_that_any_two_figures_say() {
        for (stated, left) in [
            (Stated::new(), None),
            (Stated::new().limit(9), None),
            (Stated::new().used(9), None),
            (Stated::new().remaining(7), Some(7)),
            (Stated::new().limit(5).remaining(7), Some(5)),
            (Stated::new().limit(9).used(4), Some(5)),
            (Stated::new().limit(9).used(10), Some(0)),
            (Stated::new().limit(9).used(4).remaining(6), Some(5)),
            (Stated::new().limit(9).used(4).remaining(1), Some(1)),
        ] {
            assert_eq!(stated.left(), left, "{stated:?}");
        }
    }
}
