//! A request's way to its place: in at once, or through the queue.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::error::RateError;
use crate::limiter::{Joined, Leaving, Look, Patience};
use crate::moment::Moment;
use crate::place::Place;
use crate::queue::Ticket;
use crate::settings::{Settings, Waiting};
use crate::window::Window;

pin_project! {
    /// Waits for places in a window.
    ///
    /// Takes its ticket when it is first polled, and wakes itself by a timer of its own, so that it depends on nobody.
    #[derive(Debug)]
    pub(crate) struct Turn {
        stage: Stage,
        #[pin]
        alarm: Option<Sleep>,
    }
}

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
    deadline: Option<Instant>,
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
    /// Asks for `cost` places in `window`, before `deadline` if there is one.
    pub(crate) fn new(window: Window, cost: u32, deadline: Option<Instant>) -> Self {
        Self {
            stage: Stage::Arrives(Arrival {
                window,
                cost,
                deadline,
            }),
            alarm: None,
        }
    }

    /// Takes the next step. Ready once.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        settings: &Settings,
    ) -> Poll<Result<Place, RateError>> {
        let mut this = self.project();
        loop {
            let entry = match mem::replace(this.stage, Stage::Over) {
                Stage::Arrives(arrival) => arrival.enter(settings, cx.waker())?,
                Stage::Waits(waiter) => waiter.look(cx.waker())?,
                Stage::Over => panic!("polled after it was over"),
            };
            let (waiter, look_again) = match entry {
                Entry::Place(place) => return Poll::Ready(Ok(place)),
                Entry::Waiter(waiter, look_again) => (waiter, look_again),
            };
            let instant = waiter.window.clock().instant(look_again);
            *this.stage = Stage::Waits(waiter);
            ready!(poll_alarm(this.alarm.as_mut(), instant, cx));
        }
    }
}

/// Polls an alarm that sounds at `instant`, or some day if no clock goes so far.
fn poll_alarm(
    mut alarm: Pin<&mut Option<Sleep>>,
    instant: Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    match (alarm.as_mut().as_pin_mut(), instant) {
        (Some(set), Some(instant)) if set.deadline() == instant => {}
        (Some(set), Some(instant)) => set.reset(instant),
        (_, Some(instant)) => alarm.set(Some(sleep_until(instant))),
        (_, None) => alarm.set(Some(sleep(Duration::MAX))),
    }
    alarm.as_pin_mut().map_or(Poll::Pending, |set| set.poll(cx))
}

impl Arrival {
    fn enter(self, settings: &Settings, waker: &Waker) -> Result<Entry, RateError> {
        let Self {
            window,
            cost,
            deadline,
        } = self;
        if window.shared().admit_unseen(cost) {
            return Ok(Entry::Place(Place::new(window, cost)));
        }
        let clock = window.clock();
        let now = clock.now();
        let longest = match settings.waiting {
            Waiting::TwiceTheWindow => window.quota().window().saturating_mul(2),
            Waiting::AtMost(longest) => longest,
            Waiting::Never => {
                return match window.shared().admit(now, cost) {
                    Ok(()) => Ok(Entry::Place(Place::new(window, cost))),
                    Err(denied) => Err(RateError::would_wait(denied, now, cost, window.quota())),
                };
            }
        };
        let until = now.after(longest);
        let until = deadline.map_or(until, |deadline| until.min(clock.moment(deadline)));
        let patience = Patience {
            until,
            queue: settings.queue,
        };
        match window.shared().join(now, cost, patience, waker) {
            Ok(Joined::Admitted) => Ok(Entry::Place(Place::new(window, cost))),
            Ok(Joined::Waits { ticket, alarm }) => {
                tracing::debug!(turn_in = ?alarm.since(now), "a request waits for a place");
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
