//! A request's way to its place: in at once, or through the line.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::book::outcome::{Caller, Driven, Joined, Leaving, Look, Patience};
use crate::book::waiter::{Claims, Ticket};
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
    ///
    /// In a box: most need not wait, and are not to carry the room for one about.
    Waiter(Box<Waiter>),
}

/// One who stands in line. Leaves it without a trace when dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    domain: Arc<Domain>,
    claims: Claims,
    lane: Lane,
    /// Taken when it is spent.
    ticket: Option<Ticket>,
    since: Moment,
    until: Moment,
    span: tracing::Span,
}

/// Asks for what a request `wants`. `deadline` is asked for only where the request has to wait.
pub(crate) fn enter(
    mut wants: Wants<'_>,
    settings: &Settings,
    deadline: impl Fn() -> Option<Instant>,
    waker: &Waker,
) -> Result<Entry, RateError> {
    let (domain, lane) = (wants.domain, wants.lane);
    // Most find room, and then nobody needs to know what time it is. The only window has been asked already.
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
    let cost = wants.cost();
    let never_waits = matches!(settings.waiting, Waiting::Never);
    // What a waker does when it is cloned, or dropped, is nobody's business: both happen outside of the lock.
    let mut caller = Caller {
        waker: (!never_waits).then(|| waker.clone()),
        runtime: &Runtime::current,
    };
    let joined = domain.book.with(|book, wakes| {
        let claims = wants.claims(book, now)?;
        let joined = match never_waits {
            true => book
                .admit(now, claims, lane, wakes)
                .map(|()| Joined::Admitted),
            false => book.join(now, claims, lane, patience, &mut caller, wakes),
        };
        Ok((joined?, book.admissions()))
    });
    match joined {
        Ok((Joined::Admitted, admission)) => Ok(Entry::Place(place(domain, wants, admission))),
        Ok((Joined::Waits { ticket, driven }, _)) => {
            let waiter = Waiter::new(Arc::clone(domain), wants, ticket, now, until);
            waiter.be_driven(driven);
            Ok(Entry::Waiter(Box::new(waiter)))
        }
        Err(denied) if never_waits => Err(RateError::would_wait(denied, now, cost)),
        Err(denied) => {
            let patience = until.since(now);
            Err(RateError::denied(denied, now, cost, patience, queue))
        }
    }
}

fn place(domain: &Arc<Domain>, wants: Wants<'_>, admission: u64) -> Place {
    let lane = wants.lane;
    let tenure = Tenure::new(wants.into_claims(), lane, admission);
    Place::new(Arc::clone(domain), tenure)
}

impl Waiter {
    fn new(
        domain: Arc<Domain>,
        wants: Wants<'_>,
        ticket: Ticket,
        since: Moment,
        until: Moment,
    ) -> Self {
        let lane = wants.lane;
        let span = tracing::debug_span!("rate_limit_wait", at_most = ?until.since(since));
        tracing::debug!(parent: &span, "a request waits for a place");
        Self {
            domain,
            claims: wants.into_claims(),
            lane,
            ticket: Some(ticket),
            since,
            until,
            span,
        }
    }

    /// Waits on. Ready once.
    pub(crate) fn poll(
        waiting: &mut Option<Box<Self>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Place, RateError>> {
        let Some(waiter) = mem::take(waiting) else {
            unreachable!("nobody who does not wait is asked to wait on");
        };
        match waiter.look(cx.waker()) {
            Ok(Entry::Waiter(waiter)) => {
                *waiting = Some(waiter);
                Poll::Pending
            }
            Ok(Entry::Place(place)) => Poll::Ready(Ok(place)),
            Err(error) => Poll::Ready(Err(error)),
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

    fn look(mut self: Box<Self>, waker: &Waker) -> Result<Entry, RateError> {
        let Some(ticket) = self.ticket else {
            unreachable!("a waiter without a ticket is not asked again");
        };
        let domain = Arc::clone(&self.domain);
        let now = domain.clock.now();
        let claims = &mut self.claims;
        let mut caller = Caller {
            waker: Some(waker.clone()),
            runtime: &Runtime::current,
        };
        let (look, admission) = domain.book.with(|book, wakes| {
            let look = book.look(now, ticket, claims, &mut caller, wakes);
            (look, book.admissions())
        });
        let waited = now.since(self.since);
        match look {
            Look::Admitted => {
                self.ticket = None;
                tracing::debug!(parent: &self.span, ?waited, "a request gets its place");
                let tenure = Tenure::new(mem::take(&mut self.claims), self.lane, admission);
                Ok(Entry::Place(Place::new(domain, tenure)))
            }
            Look::Never(most) => {
                self.ticket = None;
                let cost = self.claims.iter().map(|claim| claim.cost).max();
                Err(RateError::cost_too_high(cost.unwrap_or_default(), most))
            }
            Look::OutOfPatience => {
                let wait = self.leave(Leaving::OutOfPatience);
                Err(RateError::out_of_patience(
                    self.until.since(self.since),
                    wait,
                ))
            }
            Look::Waits(driven) => {
                self.be_driven(driven);
                Ok(Entry::Waiter(self))
            }
        }
    }

    /// Leaves the line. Says how long one that comes now would wait, if anybody can.
    fn leave(&mut self, leaving: Leaving) -> Option<Duration> {
        let ticket = self.ticket.take()?;
        let now = self.domain.clock.now();
        let (claims, lane) = (&self.claims, self.lane);
        let next = self.domain.book.with(|book, wakes| {
            book.leave(now, ticket, leaving, wakes);
            (!book.are_held_up(claims)).then(|| book.turn_of_newcomer(now, claims, lane))
        });
        next.map(|turn| turn.since(now))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.leave(Leaving::Cancelled);
    }
}
