//! A handle to one window: what the layers share, and what a program reads.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::RateError;
use crate::moment::Moment;
use crate::place::Place;
use crate::quota::Quota;
use crate::shared::Shared;

/// The places of one limit, and the queue for them. Cloning gives another handle to the same window.
///
/// Layers whose requests count against the same limit of the server share one window:
///
/// ```
/// use rate_layer::{MINUTE, Quota, RateLayer, Window};
///
/// let window = Window::new(Quota::rolling(100, MINUTE));
/// let layer = RateLayer::by_slot()
///     .slot("business", window.clone())
///     .slot("connect", window.clone())
///     .unlimited("wallet");
/// assert_eq!(window.snapshot().limit, 100);
/// # let _ = layer;
/// ```
///
/// # Why it never holds too many
///
/// Let the limit be N in any half-open window of length W, at the server's clock. The server counts a request once, at some
/// moment s between its departure d and the arrival h of its response's headers: nobody outside can say when. Each request
/// takes one of N *places*: from before d until h + W + m, where m is the margin.
///
/// Take N + 1 requests. Two of them, a and b, have used the same place, a before b. So b departed when a's place was free
/// again: d(b) ≥ h(a) + W + m. With s(a) ≤ h(a) and s(b) ≥ d(b), the server counted them at least W + m apart by our clock;
/// by its own, whose rate is ours within m/W, more than W apart or just W. No half-open window of length W holds both. So
/// none holds N + 1. ∎
///
/// The other cases keep the same inequality. A request that never left has no s, and its place is free at once. One that was
/// given up at g after its departure has s ≤ g + grace, and its place frees at g + grace + W + m. `settle` and
/// `counted_within` move the latest s, to h + settle or d + the time stated, and `tick` adds what a stamp may be off. All of
/// it rests on what [`Quota`] lists.
///
/// The price is the latency: a place serves once every W + m + (h − d). At 80 ms and a minute, N · 99.8 %.
///
/// # Under test
///
/// The window reads tokio's clock, so `tokio::time::pause` holds for it. Make the window after pausing.
#[derive(Clone, Debug)]
pub struct Window(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quota: Quota,
    clock: Clock,
    shared: Shared,
}

/// What [`Window::snapshot`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many places there are.
    pub limit: u32,
    /// How many are taken by requests that are answered, or given up, and may still be in the server's window.
    pub used: u32,
    /// How many are taken by requests that are admitted and not answered, and by offers to waiters.
    pub in_flight: u32,
    /// How many requests wait for a place.
    pub waiting: usize,
    /// In what time a request that comes now would get a place, if all before it are served and none is given back.
    pub next_free: Duration,
    /// What has happened so far.
    pub counts: Counts,
}

/// What has happened since a window was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that got a place.
    pub admitted: u64,
    /// Requests that had to wait for one, whatever came of it.
    pub waited: u64,
    /// Requests turned away: the queue was full, or the wait too long.
    pub refused: u64,
    /// Responses by which the server said that this window's limit was exceeded.
    pub throttled: u64,
    /// Places that were free again at once, because the request never left.
    pub given_back: u64,
    /// Requests that departed and brought no headers.
    pub abandoned: u64,
}

impl Window {
    /// Makes a window with all places free, or as [`Quota::start`] says.
    pub fn new(quota: Quota) -> Self {
        let clock = Clock::start();
        Self(Arc::new(Inner {
            quota,
            clock,
            shared: Shared::new(quota, clock.now()),
        }))
    }

    /// Takes `cost` places if they are free and nobody waits for them, for requests that do not go through a
    /// [`RateLayer`](crate::RateLayer): messages on a socket, say.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use rate_layer::{MINUTE, Quota, Window};
    ///
    /// let window = Window::new(Quota::rolling(1, MINUTE));
    /// let mut place = window.try_admit(NonZeroU32::MIN)?;
    /// place.depart();
    /// // Send, and wait for the answer …
    /// place.answered();
    ///
    /// let error = window.try_admit(NonZeroU32::MIN).expect_err("the place's minute has just begun");
    /// assert!(error.retry_in().is_some_and(|wait| wait > MINUTE));
    /// # Ok::<(), rate_layer::RateError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WouldWait`](crate::RateErrorKind::WouldWait), with the wait that would have been needed, or
    /// [`CostTooHigh`](crate::RateErrorKind::CostTooHigh).
    pub fn try_admit(&self, cost: NonZeroU32) -> Result<Place, RateError> {
        self.admit(cost.get())
    }

    /// Looks at the window: one short lock, and no change to what it does.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock().now();
        let reading = self.shared().reading(now);
        let tally = reading.tally;
        Snapshot {
            limit: self.quota().limit(),
            used: reading.closing,
            in_flight: reading.in_flight,
            waiting: reading.waiting,
            next_free: reading.next_free.since(now),
            counts: Counts {
                admitted: tally.admitted,
                waited: tally.waited,
                refused: tally.refused,
                throttled: tally.throttled,
                given_back: tally.given_back,
                abandoned: tally.abandoned,
            },
        }
    }

    /// What the window was made for.
    pub fn quota(&self) -> &Quota {
        &self.0.quota
    }

    /// Takes `cost` places, or says in what time they could be had.
    pub(crate) fn admit(&self, cost: u32) -> Result<Place, RateError> {
        let mut asked_at = Moment::START;
        let clock = self.clock();
        let admitted = self.shared().admit(cost, || {
            asked_at = clock.now();
            asked_at
        });
        match admitted {
            Ok(()) => Ok(Place::new(self.clone(), cost)),
            Err(denied) => Err(RateError::would_wait(denied, asked_at, cost, self.quota())),
        }
    }

    /// Notes a response that says that this window's limit was exceeded, and admits nothing for `pause`.
    pub(crate) fn throttled(&self, pause: Option<Duration>) {
        let now = self.clock().now();
        let until: Option<Moment> = pause.map(|pause| now.after(pause));
        self.shared().throttled(now, until);
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

impl From<Quota> for Window {
    fn from(quota: Quota) -> Self {
        Self::new(quota)
    }
}
