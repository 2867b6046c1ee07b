//! What comes before departure: a place, and a service that is ready.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use call_context::{BoxError, CallContext, Guard, NeverLeft, Refusal};
use http::Request;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use crate::error::RateError;
use crate::head::RequestHead;
use crate::seat::Seat;
use crate::settings::Settings;
use crate::turn::{self, Entry};
use crate::wait::{Wait, earlier_of};
use crate::wants::Wants;

/// A request before its departure. Its seat is where it holds what it has got.
pub(crate) struct Prepare<S, B> {
    call: Option<(S, Request<B>)>,
    /// Whether it has what it needs: places, or the knowledge that it needs none.
    is_in: bool,
}

const HANDED_OUT_ONCE: &str = "handed out once";

impl<S, B> Prepare<S, B> {
    #[inline]
    pub(crate) fn new(inner: S, request: Request<B>) -> Self {
        Self {
            call: Some((inner, request)),
            is_in: false,
        }
    }

    /// Whether the request is here still.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.call.is_some()
    }

    /// Drops the request, and the service that was for it.
    pub(crate) fn give_up(&mut self) {
        self.call = None;
    }

    /// Hands out the service, which is ready, and the request.
    #[inline]
    pub(crate) fn take(&mut self) -> (S, Request<B>) {
        self.call.take().expect(HANDED_OUT_ONCE)
    }

    /// Waits until `seat` holds what the request needs and its service is ready. Ready once.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        seat: &mut Seat,
        mut wait: Pin<&mut Wait>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        if !self.is_in {
            // Most get in at once, and are looked at then: that need not be waited for by the lock.
            let at_once = matches!(*wait, Wait::Not) && seat.take_only();
            if !at_once {
                ready!(self.poll_places(seat, wait.as_mut(), cx))?;
            }
            // Only now, since what it makes is not to lie about while the request waits.
            let (_, request) = self.call.as_mut().expect(HANDED_OUT_ONCE);
            if let Err(error) = mark(request, seat.settings()) {
                if at_once {
                    seat.take_back();
                }
                return Poll::Ready(Err(error.into()));
            }
            self.is_in = true;
        }
        let (inner, request) = self.call.as_mut().expect(HANDED_OUT_ONCE);
        match inner.poll_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(not_ready(error.into()))),
            Poll::Pending => {
                let error = ready!(poll_patience(request, seat.settings(), wait, cx));
                Poll::Ready(Err(error.into()))
            }
        }
    }

    /// Waits until `seat` holds what the request needs, if it needs anything.
    fn poll_places(
        &mut self,
        seat: &mut Seat,
        mut wait: Pin<&mut Wait>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), RateError>> {
        if let Some(waiter) = wait.as_mut().waiter() {
            let held = ready!(waiter.poll(cx));
            let held = held.map(|tenure| seat.hold(waiter.domain(), tenure));
            wait.end();
            return Poll::Ready(held.map_err(turned_away));
        }
        let (_, request) = self.call.as_ref().expect(HANDED_OUT_ONCE);
        check(request)?;
        match arrive(request, seat.settings(), cx.waker()) {
            Ok(None) => {}
            Ok(Some(Entry::Place(place))) => seat.take(place),
            Ok(Some(Entry::Waiter(waiter))) => {
                wait.set(Wait::InLine { waiter });
                return Poll::Pending;
            }
            Err(error) => return Poll::Ready(Err(turned_away(error))),
        }
        Poll::Ready(Ok(()))
    }
}

/// Turns away what a layer below should have put on already.
#[inline]
fn check<B>(request: &Request<B>) -> Result<(), RateError> {
    let context = CallContext::get(request.extensions());
    if context.is_some_and(|context| context.inside(Guard::Attach)) {
        return Err(turned_away(RateError::attached_above()));
    }
    Ok(())
}

/// Marks a request that has what it needs. Nobody below has seen it before.
#[inline]
fn mark<B>(request: &mut Request<B>, settings: &Settings) -> Result<(), RateError> {
    let context = CallContext::of(request.extensions_mut());
    if context.inside(Guard::Attach) {
        return Err(turned_away(RateError::attached_above()));
    }
    // Also where nothing limits it: a gate below would choose the slot too late for this layer to know.
    context.enter(Guard::Rate);
    if settings.counts(context.slot()) {
        context.enter(Guard::Place);
    }
    Ok(())
}

/// Tells the log that a request is turned away.
fn turned_away(error: RateError) -> RateError {
    tracing::debug!(kind = ?error.kind(), retry_in = ?error.retry_in(), "a request gets no place");
    error
}

/// Waits for as long as a service may take to become ready, and says then that it has not.
fn poll_patience<B>(
    request: &Request<B>,
    settings: &Settings,
    wait: Pin<&mut Wait>,
    cx: &mut Context<'_>,
) -> Poll<RateError> {
    let within = settings.ready_within;
    let timeout = || earlier_of(sleep(within), deadline_of(request));
    ready!(wait.poll_timer(timeout, cx));
    let is_late = deadline_of(request).is_some_and(|deadline| deadline <= Instant::now());
    Poll::Ready(if is_late {
        RateError::not_ready_by_deadline()
    } else {
        RateError::not_ready(within)
    })
}

/// Asks for what `request` needs; for nothing where no limit counts it.
fn arrive<B>(
    request: &Request<B>,
    settings: &Settings,
    waker: &Waker,
) -> Result<Option<Entry>, RateError> {
    let head = RequestHead::of(request);
    let lane = settings.lane_of(&head);
    let Some(wants) = Wants::of(&settings.rules, &head, lane)? else {
        return Ok(None);
    };
    turn::enter(wants, settings, || deadline_of(request), waker).map(Some)
}

fn deadline_of<B>(request: &Request<B>) -> Option<Instant> {
    let context = CallContext::get(request.extensions())?;
    context.deadline().map(Instant::from_std)
}

/// Marks an error of readiness, unless it is marked already.
fn not_ready(error: BoxError) -> BoxError {
    if NeverLeft::find(&*error).is_some() {
        error
    } else {
        NeverLeft::wrap(Refusal::Transient, error).into()
    }
}
