//! What a request waits for that is not its answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::turn::Waiter;

pin_project! {
    /// What a request waits for: one thing at a time.
    ///
    /// In the request's future and not in boxes: almost every request has a timer in the end, as it waits for its answer.
    #[project = WaitProj]
    pub(crate) enum Wait {
        /// Nothing.
        Not,
        /// Its turn.
        InLine { waiter: Waiter },
        /// Its time is limited.
        Timed {
            #[pin]
            timer: Sleep,
        },
    }
}

impl Wait {
    /// The one who stands in line, if one does.
    pub(crate) fn waiter(self: Pin<&mut Self>) -> Option<&mut Waiter> {
        match self.project() {
            WaitProj::InLine { waiter } => Some(waiter),
            WaitProj::Not | WaitProj::Timed { .. } => None,
        }
    }

    /// Polls the timer, which begins when it is first polled.
    pub(crate) fn poll_timer(
        mut self: Pin<&mut Self>,
        begin: impl FnOnce() -> Sleep,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !matches!(*self, Self::Timed { .. }) {
            self.set(Self::Timed { timer: begin() });
        }
        match self.project() {
            WaitProj::Timed { timer } => timer.poll(cx),
            WaitProj::Not | WaitProj::InLine { .. } => Poll::Pending,
        }
    }

    /// Waits no more, if it has: a look is cheaper than a move.
    #[inline]
    pub(crate) fn end(mut self: Pin<&mut Self>) {
        if !matches!(*self, Self::Not) {
            self.set(Self::Not);
        }
    }
}

/// A timeout that ends at `deadline` at the latest.
pub(crate) fn earlier_of(timeout: Sleep, deadline: Option<Instant>) -> Sleep {
    match deadline {
        Some(deadline) if deadline < timeout.deadline() => sleep_until(deadline),
        _ => timeout,
    }
}
