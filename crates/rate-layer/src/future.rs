//! The future of one request: wait for a place, make the inner service ready, call it, watch for the headers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use call_context::{BoxError, CallContext, Guard, NeverLeft, Refusal};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tower_service::Service;

use crate::error::RateError;
use crate::limits::Limit;
use crate::place::Place;
use crate::rolling::Ending;
use crate::settings::Settings;
use crate::throttle::Throttle;
use crate::turn::Turn;

pin_project! {
    /// The future of a [`RateLimit`](crate::RateLimit)ed request.
    ///
    /// # Panics
    ///
    /// Where it has to wait (for a place, for readiness, for the answer) outside of a tokio runtime with time enabled.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        settings: Arc<Settings>,
        // One for all stages, so that moving from one to the next moves little.
        #[pin]
        timer: Option<Sleep>,
        #[pin]
        stage: Stage<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, B, F> {
        /// Turned away, or over.
        Refused { error: Option<RateError> },
        /// Waits for a place, where it needs one, and then for the inner service.
        Prepares {
            call: Option<(S, Request<B>)>,
            turn: Option<Turn>,
            place: Option<Place>,
        },
        /// Has departed. The inner future goes before the place, which is then given up.
        Departed {
            #[pin]
            future: F,
            place: Option<Place>,
        },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(inner: S, mut request: Request<B>, settings: Arc<Settings>) -> Self {
        let context = CallContext::of(request.extensions_mut());
        let stage = match enter(context, &settings) {
            Ok(turn) => Stage::Prepares {
                call: Some((inner, request)),
                turn,
                place: None,
            },
            Err(error) => Stage::Refused { error: Some(error) },
        };
        Self {
            settings,
            timer: None,
            stage,
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let outcome = match this.stage.as_mut().project() {
                StageProj::Refused { error } => {
                    Err(error.take().expect("polled after it was over").into())
                }
                StageProj::Prepares { call, turn, place } => {
                    let prepared = ready!(prepare(
                        call,
                        turn,
                        place,
                        this.settings,
                        this.timer.as_mut(),
                        cx
                    ));
                    match prepared {
                        Ok(()) => {
                            let (mut inner, request) = call.take().expect("handed out once");
                            if let Some(place) = place {
                                place.depart();
                            }
                            // Should the call panic, the place goes as one that has departed.
                            let departed = Stage::Departed {
                                place: place.take(),
                                future: inner.call(request),
                            };
                            this.stage.set(departed);
                            clear(this.timer.as_mut());
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                StageProj::Departed { future, place } => match future.poll(cx) {
                    Poll::Ready(outcome) => {
                        settle(place.take(), outcome.map_err(Into::into), this.settings)
                    }
                    Poll::Pending => {
                        let within = this.settings.answer_within;
                        ready!(poll_timer(this.timer.as_mut(), || sleep(within), cx));
                        Err(RateError::answer_timeout(within).into())
                    }
                },
            };
            this.stage.set(Stage::Refused { error: None });
            return Poll::Ready(outcome);
        }
    }
}

/// Marks a request that has come in, and finds the window that counts it.
fn enter(context: &mut CallContext, settings: &Settings) -> Result<Option<Turn>, RateError> {
    if context.inside(Guard::Attach) {
        return Err(RateError::attached_above());
    }
    // Also where nothing limits it: a gate below would choose the slot too late for this layer to know.
    context.enter(Guard::Rate);
    match settings.limits.of(context.slot()) {
        Limit::Window(window) => {
            // Nobody below sees the request before it holds the place.
            context.enter(Guard::Place);
            Ok(Some(Turn::new(window.clone(), 1)))
        }
        Limit::Unlimited => Ok(None),
        Limit::Refused => Err(RateError::no_window(context.slot().cloned())),
    }
}

/// Waits until `call` holds its place and its service is ready.
fn prepare<S, B>(
    call: &mut Option<(S, Request<B>)>,
    turn: &mut Option<Turn>,
    place: &mut Option<Place>,
    settings: &Settings,
    mut timer: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), BoxError>>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    let (inner, request) = call.as_mut().expect("handed out once");
    if let Some(waiting) = turn {
        let deadline = || deadline_of(request);
        let admitted = ready!(waiting.poll(cx, settings, deadline, timer.as_mut()))?;
        *place = Some(admitted);
        *turn = None;
        clear(timer.as_mut());
    }
    match inner.poll_ready(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(not_ready(error.into()))),
        Poll::Pending => {
            let within = settings.ready_within;
            let timeout = || earlier_of(sleep(within), deadline_of(request));
            ready!(poll_timer(timer, timeout, cx));
            let is_late = deadline_of(request).is_some_and(|deadline| deadline <= Instant::now());
            let error = if is_late {
                RateError::not_ready_by_deadline()
            } else {
                RateError::not_ready(within)
            };
            Poll::Ready(Err(error.into()))
        }
    }
}

fn deadline_of<B>(request: &Request<B>) -> Option<Instant> {
    let context = CallContext::get(request.extensions())?;
    context.deadline().map(Instant::from_std)
}

/// Ends the place as the outcome says.
fn settle<R>(
    place: Option<Place>,
    outcome: Result<Response<R>, BoxError>,
    settings: &Settings,
) -> Result<Response<R>, BoxError> {
    let Some(mut place) = place else {
        return outcome;
    };
    match &outcome {
        Ok(response) => {
            place.end(Ending::Answered);
            if let Throttle::Ours { retry_after } = settings.throttle(response) {
                tracing::warn!(pause = ?retry_after, "the server says that the limit is exceeded");
                place.window().throttled(retry_after);
            }
        }
        Err(error) if NeverLeft::find(&**error).is_some() => place.give_back(),
        // Departed and unanswered: dropping it abandons it.
        Err(_) => drop(place),
    }
    outcome
}

/// Marks an error of readiness, unless it is marked already.
fn not_ready(error: BoxError) -> BoxError {
    if NeverLeft::find(&*error).is_some() {
        error
    } else {
        NeverLeft::wrap(Refusal::Transient, error).into()
    }
}

/// A timeout that ends at `deadline` at the latest.
fn earlier_of(timeout: Sleep, deadline: Option<Instant>) -> Sleep {
    match deadline {
        Some(deadline) if deadline < timeout.deadline() => sleep_until(deadline),
        _ => timeout,
    }
}

/// Takes a timer away, where there is one: a look is cheaper than a move.
fn clear(mut timer: Pin<&mut Option<Sleep>>) {
    if timer.is_some() {
        timer.set(None);
    }
}

/// Polls a timer that begins when it is first polled.
fn poll_timer(
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

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
