//! What comes before departure: a place, and a service that is ready.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use call_context::{BoxError, CallContext, NeverLeft, Refusal};
use http::Request;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use crate::error::RateError;
use crate::head::RequestHead;
use crate::place::Place;
use crate::settings::Settings;
use crate::timer;
use crate::turn::{self, Entry, Waiter};
use crate::wants::Wants;

/// A request before its departure. Whatever it holds it gives back when it is dropped.
pub(crate) struct Prepare<S, B> {
    call: Option<(S, Request<B>)>,
    progress: Progress,
}

enum Progress {
    /// Has asked for nothing yet.
    Arrives,
    Waits(Option<Waiter>),
    /// Has what it needs: a place, or the knowledge that it needs none.
    Holds(Option<Place>),
}

impl<S, B> Prepare<S, B> {
    pub(crate) fn new(inner: S, request: Request<B>) -> Self {
        Self {
            call: Some((inner, request)),
            progress: Progress::Arrives,
        }
    }

    /// Hands out the service, which is ready, the request, and the place that it holds.
    pub(crate) fn take(&mut self) -> (S, Request<B>, Option<Place>) {
        let (inner, request) = self.call.take().expect("handed out once");
        let place = match &mut self.progress {
            Progress::Holds(place) => place.take(),
            Progress::Arrives | Progress::Waits(_) => None,
        };
        (inner, request, place)
    }

    /// Waits until it holds its place and its service is ready. Ready once.
    pub(crate) fn poll(
        &mut self,
        settings: &Settings,
        mut timer: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        let (inner, request) = self.call.as_mut().expect("handed out once");
        if !matches!(self.progress, Progress::Holds(_)) {
            let place = ready!(self.progress.poll(request, settings, timer.as_mut(), cx))?;
            self.progress = Progress::Holds(place);
            timer::clear(timer.as_mut());
        }
        match inner.poll_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(not_ready(error.into()))),
            Poll::Pending => {
                let within = settings.ready_within;
                let timeout = || timer::earlier_of(sleep(within), deadline_of(request));
                ready!(timer::poll(timer, timeout, cx));
                let is_late =
                    deadline_of(request).is_some_and(|deadline| deadline <= Instant::now());
                let error = if is_late {
                    RateError::not_ready_by_deadline()
                } else {
                    RateError::not_ready(within)
                };
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

impl Progress {
    fn poll<B>(
        &mut self,
        request: &Request<B>,
        settings: &Settings,
        timer: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Place>, RateError>> {
        if let Self::Arrives = self {
            if let Some(window) = &settings.only
                && let Some(place) = Place::admit_unseen(window)
            {
                return Poll::Ready(Ok(Some(place)));
            }
            let head = RequestHead::of(request);
            let lane = settings.lane_of(&head);
            let Some(wants) = Wants::of(&settings.rules, &head, lane).map_err(turned_away)? else {
                return Poll::Ready(Ok(None));
            };
            let deadline = || deadline_of(request);
            match turn::enter(wants, settings, deadline, cx.waker()) {
                Ok(Entry::Place(place)) => return Poll::Ready(Ok(Some(place))),
                Ok(Entry::Waiter(waiter, look_again)) => {
                    let mut waiting = None;
                    let slept = waiter.sleep_until(look_again, &mut waiting, timer, cx);
                    *self = Self::Waits(waiting);
                    if slept.is_ready() {
                        // It was due by now: look at once.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(turned_away(error))),
            }
        }
        let Self::Waits(waiting) = self else {
            unreachable!("what holds its place is not asked to wait");
        };
        let place = ready!(Waiter::poll(waiting, timer, cx));
        Poll::Ready(place.map(Some).map_err(turned_away))
    }
}

/// Tells the log that a request is turned away.
pub(crate) fn turned_away(error: RateError) -> RateError {
    tracing::debug!(kind = ?error.kind(), retry_in = ?error.retry_in(), "a request gets no place");
    error
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
