//! A request's way to its place: in at once, or through the line.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Span;

use crate::book::claims::Claims;
use crate::book::outcome::{Caller, Driven, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Fired, Ticket, Wakes};
use crate::domain::Domain;
use crate::driver;
use crate::error::RateError;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::place::Place;
use crate::runtime::Runtime;
use crate::settings::{Settings, Waiting};
use crate::tenure::Tenure;
use crate::wants::Wants;

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Entry {
    Place(Place),
    /// Look again when woken.
    Waiter(Waiter),
}

/// One who stands in line. Leaves it without a trace when dropped.
///
/// Small: what it wants is in the book.
#[derive(Debug)]
pub(crate) struct Waiter {
    domain: Arc<Domain>,
    /// Taken when it is spent.
    ticket: Option<Ticket>,
    lane: Lane,
    since: Moment,
    until: Moment,
    /// Where somebody wants to know.
    span: Option<Box<Span>>,
}

/// Asks for what a request `wants`. `deadline` is asked for only where the request has to wait.
pub(crate) fn enter(
    mut wants: Wants<'_>,
    settings: &Settings,
    deadline: impl Fn() -> Option<Instant>,
    waker: &Waker,
) -> Result<Entry, RateError> {
    let (domain, lane) = (wants.domain, wants.lane);
    // Most find room, and then nobody needs to know what time it is. The only window has been asked already, or is waited for.
    if settings.only.is_none()
        && wants.are_named()
        && let Some(admission) = domain.admit_unseen(wants.named(), lane)
    {
        return Ok(Entry::Place(place(domain, wants, admission)));
    }
    let now = domain.clock.now();
    let (longest, queue) = match settings.waiting {
        Waiting::TwoTurns => (wants.two_turns(), settings.queue),
        Waiting::AtMost(longest) => (longest, settings.queue),
        Waiting::Never => (Duration::ZERO, 0),
    };
    let until = deadline().map_or(now.after(longest), |deadline| {
        now.after(longest).min(domain.clock.moment(deadline))
    });
    let patience = Patience { until, queue };
    let never_waits = matches!(settings.waiting, Waiting::Never);
    // What a waker does when it is cloned, or dropped, is nobody's business: both happen outside of the lock.
    let mut caller = Caller {
        waker: (!never_waits).then(|| waker.clone()),
        runtime: &Runtime::current,
    };
    let mut wakes = Wakes::default();
    let joined = domain.book.with_later(&mut wakes, |book, wakes| {
        let claims = wants.claims(book, now)?;
        let joined = match never_waits {
            true => book
                .admit(now, claims, lane, wakes)
                .map(|()| Joined::Admitted),
            false => book.join(now, claims, lane, patience, &mut caller, wakes),
        };
        Ok((joined?, book.admissions()))
    });
    let fired = wakes.fire_all();
    let cost = wants.cost();
    let entry = match joined {
        Ok((Joined::Admitted, admission)) => Ok(Entry::Place(place(domain, wants, admission))),
        Ok((Joined::Waits { ticket, driven }, _)) => {
            let waiter = Waiter::new(Arc::clone(domain), lane, ticket, now, until);
            waiter.be_driven(driven);
            Ok(Entry::Waiter(waiter))
        }
        Err(denied) if never_waits => Err(RateError::would_wait(denied, now, cost)),
        Err(denied) => {
            let patience = until.since(now);
            Err(RateError::denied(denied, now, cost, patience, queue))
        }
    };
    // Dropped, it gives its place back, or leaves its line.
    fired.or_undo(|| {});
    entry
}

fn place(domain: &Arc<Domain>, wants: Wants<'_>, admission: u64) -> Place {
    let lane = wants.lane;
    let tenure = Tenure::new(wants.into_claims(), lane, admission);
    Place::new(Arc::clone(domain), tenure)
}

impl Waiter {
    fn new(domain: Arc<Domain>, lane: Lane, ticket: Ticket, since: Moment, until: Moment) -> Self {
        let span = tracing::debug_span!("rate_limit_wait", at_most = ?until.since(since));
        tracing::debug!(parent: &span, "a request waits for a place");
        Self {
            domain,
            ticket: Some(ticket),
            lane,
            since,
            until,
            span: (!span.is_disabled()).then(|| Box::new(span)),
        }
    }

    /// Starts the driver that its runtime lacks.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with time enabled.
    fn be_driven(&self, driven: Driven) {
        match driven {
            Driven::Already => {}
            Driven::By(driver) => driver::start(&self.domain, driver),
            // Which says so, as whatever needs a runtime does.
            Driven::Nowhere => drop(Handle::current()),
        }
    }

    /// Where it waits.
    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    /// It holds what it wanted; unless somebody's waker has panicked, who is told here: then it gives that back.
    fn admitted(&mut self, claims: Claims, admission: u64, fired: Fired) -> Tenure {
        self.ticket = None;
        let none = Span::none();
        let span = self.span.as_deref().unwrap_or(&none);
        let waited = || self.domain.clock.now().since(self.since);
        tracing::debug!(parent: span, waited = ?waited(), "a request gets its place");
        let mut tenure = Tenure::new(claims, self.lane, admission);
        fired.or_undo(|| tenure.give_up(&self.domain));
        tenure
    }

    /// Waits on. Ready once, with what it holds in its domain.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tenure, RateError>> {
        let Some(ticket) = self.ticket else {
            unreachable!("a waiter without a ticket is not asked again");
        };
        let mut claims = Claims::new();
        // Most are woken for what they have been offered: that needs no clock, and no waker.
        let mut wakes = Wakes::default();
        let claimed = self.domain.book.with_later(&mut wakes, |book, wakes| {
            let is_claimed = book.claim(ticket, &mut claims, wakes);
            is_claimed.then(|| book.admissions())
        });
        let fired = wakes.fire_all();
        if let Some(admission) = claimed {
            return Poll::Ready(Ok(self.admitted(claims, admission, fired)));
        }
        fired.or_undo(|| {});
        let now = self.domain.clock.now();
        let mut caller = Caller {
            waker: Some(cx.waker().clone()),
            runtime: &Runtime::current,
        };
        let mut wakes = Wakes::default();
        let (look, admission) = self.domain.book.with_later(&mut wakes, |book, wakes| {
            let look = book.look(now, ticket, &mut claims, &mut caller, wakes);
            (look, book.admissions())
        });
        let fired = wakes.fire_all();
        Poll::Ready(match look {
            Look::Admitted => Ok(self.admitted(claims, admission, fired)),
            Look::Never(most) => {
                self.ticket = None;
                fired.or_undo(|| {});
                let cost = claims.iter().map(|claim| claim.cost).max();
                Err(RateError::cost_too_high(cost.unwrap_or_default(), most))
            }
            Look::OutOfPatience => {
                fired.or_undo(|| {});
                let wait = self.leave(Leaving::OutOfPatience);
                let patience = self.until.since(self.since);
                Err(RateError::out_of_patience(patience, wait))
            }
            Look::Waits(driven) => {
                self.be_driven(driven);
                fired.or_undo(|| {});
                return Poll::Pending;
            }
        })
    }

    /// Leaves the line. Says how long one that comes now would wait, if anybody can and it was out of patience.
    fn leave(&mut self, leaving: Leaving) -> Option<Duration> {
        let ticket = self.ticket.take()?;
        let now = self.domain.clock.now();
        let next = self
            .domain
            .book
            .with(|book, wakes| book.leave(now, ticket, leaving, wakes));
        next.map(|turn| turn.since(now))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.leave(Leaving::Cancelled);
    }
}
