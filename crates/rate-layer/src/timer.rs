//! One timer for all stages of a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Polls a timer that begins when it is first polled.
pub(crate) fn poll(
    mut timer: Pin<&mut Option<Sleep>>,
    begin: impl FnOnce() -> Sleep,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(begin()));
    }
    timer
        .as_pin_mut()
        .map_or(Poll::Pending, |timer| timer.poll(cx))
}

/// Takes a timer away, where there is one: a look is cheaper than a move.
#[inline]
pub(crate) fn clear(mut timer: Pin<&mut Option<Sleep>>) {
    if timer.is_some() {
        timer.set(None);
    }
}

/// A timeout that ends at `deadline` at the latest.
pub(crate) fn earlier_of(timeout: Sleep, deadline: Option<Instant>) -> Sleep {
    match deadline {
        Some(deadline) if deadline < timeout.deadline() => sleep_until(deadline),
        _ => timeout,
    }
}
