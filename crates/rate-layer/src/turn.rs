//! A request's way to its place: in at once, or through the queue.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::error::RateError;
use crate::moment::Moment;
use crate::outcome::{Joined, Leaving, Look, Patience};
use crate::place::Place;
use crate::queue::Ticket;
use crate::quota::Quota;
use crate::settings::{Settings, Waiting};
use crate::window::Window;

/// Waits for places in a window.
///
/// Takes its ticket when it is first polled, and wakes itself by a timer of its own, so that it depends on nobody.
#[derive(Debug)]
pub(crate) struct Turn(Stage);

#[derive(Debug)]
enum Stage {
    Arrives(Arrival),
    Waits(Waiter),
    Over,
}

#[derive(Debug)]
struct Arrival {
    window: Window,
    cost: u32,
}

/// One who stands in the queue. Leaves it without a trace when dropped.
#[derive(Debug)]
struct Waiter {
    window: Window,
    cost: u32,
    /// Taken when it is spent.
    ticket: Option<Ticket>,
    since: Moment,
    until: Moment,
}

/// What came of asking.
enum Entry {
    Place(Place),
    /// Look again at the moment given, or when woken.
    Waiter(Waiter, Moment),
}

impl Turn {
    /// Asks for `cost` places in `window`.
    pub(crate) fn new(window: Window, cost: u32) -> Self {
        Self(Stage::Arrives(Arrival { window, cost }))
    }

    /// Takes the next step. Ready once.
    ///
    /// `deadline` is asked for only where the request has to wait; `timer` is used only then.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        settings: &Settings,
        deadline: impl Fn() -> Option<Instant>,
        mut timer: Pin<&mut Option<Sleep>>,
    ) -> Poll<Result<Place, RateError>> {
        loop {
            let entry = match mem::replace(&mut self.0, Stage::Over) {
                Stage::Arrives(arrival) => arrival.enter(settings, &deadline, cx.waker())?,
                Stage::Waits(waiter) => waiter.look(cx.waker())?,
                Stage::Over => panic!("polled after it was over"),
            };
            let (waiter, look_again) = match entry {
                Entry::Place(place) => return Poll::Ready(Ok(place)),
                Entry::Waiter(waiter, look_again) => (waiter, look_again),
            };
            let alarm = match waiter.window.clock().instant(look_again) {
                Some(instant) => sleep_until(instant),
                None => sleep(Duration::MAX),
            };
            self.0 = Stage::Waits(waiter);
            // A new timer each time, on the runtime that polls now: the one that polled before may be at a standstill.
            timer.set(Some(alarm));
            ready!(
                timer
                    .as_mut()
                    .as_pin_mut()
                    .map_or(Poll::Pending, |alarm| alarm.poll(cx))
            );
        }
    }
}

impl Arrival {
    fn enter(
        self,
        settings: &Settings,
        deadline: impl Fn() -> Option<Instant>,
        waker: &Waker,
    ) -> Result<Entry, RateError> {
        let Self { window, cost } = self;
        let longest = match settings.waiting {
            Waiting::TwoTurns => two_turns(window.quota()),
            Waiting::AtMost(longest) => longest,
            Waiting::Never => return window.admit(cost).map(Entry::Place),
        };
        if window.shared().admit_unseen(cost) {
            return Ok(Entry::Place(Place::new(window, cost)));
        }
        let clock = window.clock();
        let now = clock.now();
        let until = now.after(longest);
        let until = deadline().map_or(until, |deadline| until.min(clock.moment(deadline)));
        let patience = Patience {
            until,
            queue: settings.queue,
        };
        match window.shared().join(now, cost, patience, waker) {
            Ok(Joined::Admitted) => Ok(Entry::Place(Place::new(window, cost))),
            Ok(Joined::Waits { ticket, alarm }) => {
                tracing::debug!(looks_in = ?alarm.since(now), "a request waits for a place");
                let waiter = Waiter {
                    window,
                    cost,
                    ticket: Some(ticket),
                    since: now,
                    until,
                };
                Ok(Entry::Waiter(waiter, alarm.min(until)))
            }
            Err(denied) => Err(RateError::denied(
                denied,
                now,
                cost,
                window.quota(),
                until.since(now),
                settings.queue,
            )),
        }
    }
}

/// Long enough to be third in a place: for it to be taken and freed twice, with a tenth of the window for the answers.
fn two_turns(quota: &Quota) -> Duration {
    let held = quota.hold().saturating_mul(2);
    held.saturating_add(quota.window() / 10)
}

impl Waiter {
    fn look(mut self, waker: &Waker) -> Result<Entry, RateError> {
        let Some(ticket) = self.ticket else {
            unreachable!("a waiter without a ticket is not asked again");
        };
        let now = self.window.clock().now();
        match self.window.shared().look(now, ticket, waker) {
            Look::Admitted => {
                self.ticket = None;
                Ok(Entry::Place(Place::new(self.window.clone(), self.cost)))
            }
            Look::Until(_) if now >= self.until => {
                self.leave(Leaving::OutOfPatience);
                let wait = self.window.shared().reading(now).next_free.since(now);
                let patience = self.until.since(self.since);
                Err(RateError::out_of_patience(patience, wait))
            }
            Look::Until(alarm) => {
                let alarm = alarm.min(self.until);
                Ok(Entry::Waiter(self, alarm))
            }
        }
    }

    fn leave(&mut self, leaving: Leaving) {
        if let Some(ticket) = self.ticket.take() {
            let now = self.window.clock().now();
            self.window.shared().leave(now, ticket, leaving);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.leave(Leaving::Cancelled);
    }
}
