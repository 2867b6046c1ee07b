//! Whether there is anybody who puts on what the gates have waited for.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Auth;

/// Whether a service was wrapped in an attacher, and whether it was told that none was.
#[derive(Debug, Default)]
pub(super) struct Attachers {
    are_there: AtomicBool,
    is_told: AtomicBool,
}

impl Auth {
    /// Notes that a service is wrapped in an attacher.
    pub(crate) fn note_attacher(&self) {
        let are_there = &self.shared.attachers.are_there;
        // The load alone keeps the common case free of writes that other cores would have to see.
        if !are_there.load(Ordering::Relaxed) {
            are_there.store(true, Ordering::Relaxed);
        }
    }

    /// Warns, once, where a request has passed a gate and there is no attacher yet. It may still be made below, and then all is well: so
    /// the request goes on.
    #[inline]
    pub(crate) fn expect_attacher(&self) {
        if !self.shared.attachers.are_there.load(Ordering::Relaxed) {
            self.warn_of_no_attacher();
        }
    }

    #[cold]
    fn warn_of_no_attacher(&self) {
        if !self.shared.attachers.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request has passed a gate, and nothing is there to put its credential on: wrap the client in `Auth::attach` of the same `Auth`, or use `Auth::layer`"
            );
        }
    }
}
