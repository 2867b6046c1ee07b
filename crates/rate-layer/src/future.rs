//! The future of one request: wait for a place, make the inner service ready, call it, watch for the headers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use call_context::{BoxError, CallContext, Guard, NeverLeft, Refusal};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
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
        /// Turned away.
        Refused { error: Option<RateError> },
        /// Waits for a place.
        Queues {
            call: Option<(S, Request<B>)>,
            turn: Turn,
        },
        /// Waits for the inner service.
        Readies {
            call: Option<(S, Request<B>)>,
            place: Option<Place>,
        },
        /// Has departed. The inner future goes before the place, which is then given up.
        Departed {
            #[pin]
            future: F,
            place: Option<Place>,
        },
        Over,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(inner: S, request: Request<B>, settings: Arc<Settings>) -> Self {
        let stage = match settings.limit_of(&request) {
            (Limit::Window(window), _) => Stage::Queues {
                turn: Turn::new(window.clone(), 1),
                call: Some((inner, request)),
            },
            (Limit::Unlimited, _) => Stage::Readies {
                call: Some((inner, request)),
                place: None,
            },
            (Limit::Refused, slot) => Stage::Refused {
                error: Some(RateError::no_window(slot.cloned())),
            },
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
            let next = match this.stage.as_mut().project() {
                StageProj::Refused { error } => {
                    let error = error.take().expect("taken once");
                    this.stage.set(Stage::Over);
                    return Poll::Ready(Err(error.into()));
                }
                StageProj::Queues { call, turn } => {
                    let deadline = || deadline_of(&call.as_ref()?.1);
                    match ready!(turn.poll(cx, this.settings, deadline, this.timer.as_mut())) {
                        Ok(place) => {
                            if let Some((_, request)) = call {
                                CallContext::of(request.extensions_mut()).enter(Guard::Place);
                            }
                            Stage::Readies {
                                call: call.take(),
                                place: Some(place),
                            }
                        }
                        Err(error) => Stage::Refused { error: Some(error) },
                    }
                }
                StageProj::Readies { call, place } => {
                    let (inner, _) = call.as_mut().expect("taken once");
                    match inner.poll_ready(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => {
                            this.stage.set(Stage::Over);
                            return Poll::Ready(Err(not_ready(error.into())));
                        }
                        Poll::Pending => {
                            let within = this.settings.ready_within;
                            ready!(poll_timeout(this.timer.as_mut(), within, cx));
                            this.stage.set(Stage::Over);
                            return Poll::Ready(Err(RateError::not_ready(within).into()));
                        }
                    }
                    let (mut inner, request) = call.take().expect("taken once");
                    if let Some(place) = place {
                        place.depart();
                    }
                    Stage::Departed {
                        place: place.take(),
                        future: inner.call(request),
                    }
                }
                StageProj::Departed { future, place } => {
                    let outcome = match future.poll(cx) {
                        Poll::Ready(outcome) => {
                            settle(place.take(), outcome.map_err(Into::into), this.settings)
                        }
                        Poll::Pending => {
                            let within = this.settings.answer_within;
                            ready!(poll_timeout(this.timer.as_mut(), within, cx));
                            Err(RateError::answer_timeout(within).into())
                        }
                    };
                    this.stage.set(Stage::Over);
                    return Poll::Ready(outcome);
                }
                StageProj::Over => panic!("polled after it was over"),
            };
            // Each stage has its own time.
            this.timer.set(None);
            this.stage.set(next);
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

/// Polls a timeout that begins when it is first polled.
fn poll_timeout(
    mut timeout: Pin<&mut Option<Sleep>>,
    within: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if timeout.is_none() {
        timeout.set(Some(sleep(within)));
    }
    timeout
        .as_pin_mut()
        .map_or(Poll::Pending, |timeout| timeout.poll(cx))
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
