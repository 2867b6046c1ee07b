//! One timer for all stages of a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer where one has begun; in a box, since most requests pass or wait without one, and are moved about.
pub(crate) type Timer = Option<Pin<Box<Sleep>>>;

/// Polls a timer that begins when it is first polled.
pub(crate) fn poll(
    timer: &mut Timer,
    begin: impl FnOnce() -> Sleep,
    cx: &mut Context<'_>,
) -> Poll<()> {
    timer
        .get_or_insert_with(|| Box::pin(begin()))
        .as_mut()
        .poll(cx)
}

/// A timeout that ends at `deadline` at the latest.
pub(crate) fn earlier_of(timeout: Sleep, deadline: Option<Instant>) -> Sleep {
    match deadline {
        Some(deadline) if deadline < timeout.deadline() => sleep_until(deadline),
        _ => timeout,
    }
}
