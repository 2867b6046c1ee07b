//! The response future: attempts, pauses, and readiness in between.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use call_context::{BoxError, CallContext};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::call::{Call, Step, Target};
use crate::copy::Copy;
use crate::{Replay, RetryBody, Stop, clock};

/// How long after an outcome a replay waits at most for the outcome's connection to become free.
const PATIENCE: Duration = Duration::from_millis(100);

pin_project! {
    /// The response future of [`Retry`](crate::Retry).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops what is under way: an attempt, which the server may process nevertheless; or a pause, after which
    /// nothing is sent any more, and the budget gets back what that retry has cost.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer, when it has to pause or to watch a deadline.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
        R: Body,
    {
        #[pin]
        state: State<S::Future>,
        #[pin]
        timer: Timer,
        // What may be replayed: the service, which is asked for readiness anew, and the request's copy.
        replay: Option<(S, Copy<B>)>,
        // Nothing for calls that only pass through.
        call: Option<Call<R>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        /// An attempt is under way.
        Attempt { #[pin] future: F },
        /// A replay has been decided on; the earlier body is read ahead in the meantime.
        Pause { pause: Pause },
        /// The replay is due as soon as the service is ready.
        Readying,
        /// Nothing was sent.
        Refused { error: Option<BoxError> },
        /// The outcome has been returned.
        Done,
    }
}

struct Pause {
    since: Instant,
    resume: Instant,
    rested: bool,
    /// Whether the client's own task has yet to put the earlier outcome's connection back: what wakes us at the end of the body wakes
    /// that one too, and perhaps after us.
    one_more_turn: bool,
}

pin_project! {
    /// One timer for pauses and for the deadline: no pause outlasts the deadline.
    struct Timer {
        #[pin]
        sleep: Option<Sleep>,
        until: Option<Instant>,
    }
}

impl Timer {
    /// Ready at `until`, or at once where it has passed. Registers nothing then.
    fn poll_until(mut self: Pin<&mut Self>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.as_mut().project();
        if *this.until != Some(until) {
            let at = tokio::time::Instant::from_std(until);
            *this.until = Some(until);
            match this.sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.reset(at),
                None => this.sleep.set(Some(sleep_until(at))),
            }
        }
        match this.sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    R: Body,
{
    fn new(state: State<S::Future>, replay: Option<(S, Copy<B>)>, call: Option<Call<R>>) -> Self {
        Self {
            state,
            timer: Timer {
                sleep: None,
                until: None,
            },
            replay,
            call,
        }
    }

    pub(crate) fn passing(future: S::Future) -> Self {
        Self::new(State::Attempt { future }, None, None)
    }

    pub(crate) fn refused(error: impl Into<BoxError>) -> Self {
        let error = Some(error.into());
        Self::new(State::Refused { error }, None, None)
    }

    pub(crate) fn attempting(
        future: S::Future,
        replay: Option<(S, Copy<B>)>,
        call: Call<R>,
    ) -> Self {
        Self::new(State::Attempt { future }, replay, Some(call))
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Output = Result<Response<RetryBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Attempt { future } => {
                    let outcome = future.poll(cx);
                    let Some(call) = this.call else {
                        return outcome
                            .map_ok(|response| response.map(RetryBody::untouched))
                            .map_err(Into::into);
                    };
                    let outcome = match outcome {
                        Poll::Ready(outcome) => outcome.map_err(Into::into),
                        Poll::Pending => {
                            let Some(deadline) = call.deadline() else {
                                return Poll::Pending;
                            };
                            ready!(this.timer.as_mut().poll_until(deadline, cx));
                            // Dropped first: the attempt is over when the caller hears of it.
                            this.state.set(State::Done);
                            *this.replay = None;
                            return Poll::Ready(call.out_of_time());
                        }
                    };
                    let now = clock::now();
                    let copy = this.replay.as_ref().map(|(_, copy)| Target {
                        method: copy.method(),
                        uri: copy.uri(),
                        replays: copy.body().is_whole(),
                    });
                    match call.judge(outcome, copy, now) {
                        Step::Return(outcome) => {
                            this.state.set(State::Done);
                            // A future may be kept for long after its outcome, and a body keeps what it could send again.
                            *this.replay = None;
                            return Poll::Ready(outcome);
                        }
                        Step::Replay(resume) => {
                            let pause = Pause {
                                since: now,
                                resume,
                                rested: resume <= now,
                                one_more_turn: call.reads_ahead(),
                            };
                            this.state.set(State::Pause { pause });
                        }
                    }
                }
                StateProj::Pause { pause } => {
                    let call = this.call.as_mut().expect("only calls of ours pause");
                    let read_ahead = call.poll_read_ahead(cx);
                    if !pause.rested {
                        ready!(this.timer.as_mut().poll_until(pause.resume, cx));
                        pause.rested = true;
                    }
                    let patience = pause.since + PATIENCE;
                    let is_in_time = call.deadline().is_none_or(|deadline| patience < deadline);
                    if read_ahead.is_pending() && pause.resume < patience && is_in_time {
                        ready!(this.timer.as_mut().poll_until(patience, cx));
                    }
                    if std::mem::take(&mut pause.one_more_turn) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    this.state.set(State::Readying);
                }
                StateProj::Readying => {
                    let call = this.call.as_mut().expect("only calls of ours replay");
                    let (service, copy) = this.replay.as_mut().expect("decided on with a copy");
                    let readiness = service.poll_ready(cx);
                    let now = clock::now();
                    let mut error = None;
                    let stop = match readiness {
                        Poll::Ready(Ok(())) if call.is_late(now) => Some(Stop::Deadline),
                        Poll::Ready(Ok(())) => (!copy.body().take_over()).then_some(Stop::Body),
                        Poll::Ready(Err(why)) => {
                            error = Some(why.into());
                            Some(Stop::Refused)
                        }
                        Poll::Pending => {
                            let Some(deadline) = call.deadline() else {
                                return Poll::Pending;
                            };
                            ready!(this.timer.as_mut().poll_until(deadline, cx));
                            Some(Stop::Deadline)
                        }
                    };
                    if let Some(stop) = stop {
                        this.state.set(State::Done);
                        // Ready perhaps, and then on a permit that others wait for.
                        *this.replay = None;
                        let earlier = call.give_up(stop, error, now);
                        return Poll::Ready(earlier.expect("kept when the replay was decided on"));
                    }
                    let (mut service, copy) = this.replay.take().expect("decided on with a copy");
                    call.replaying(now);
                    let (mut request, next) = copy.into_request(call.may_go_on());
                    if next.is_none() {
                        call.keep(&request);
                    }
                    let context = CallContext::of(request.extensions_mut());
                    context.set_attempt(call.attempt());
                    // It may have become known since the copy was made.
                    if let Some(deadline) = call.deadline() {
                        context.limit_deadline(deadline);
                    }
                    let future = service.call(request);
                    *this.replay = next.map(|copy| (service, copy));
                    this.state.set(State::Attempt { future });
                }
                StateProj::Refused { error } => {
                    let error = error.take().expect("taken once");
                    this.state.set(State::Done);
                    return Poll::Ready(Err(error));
                }
                StateProj::Done => panic!("polled after it had returned the outcome"),
            }
        }
    }
}
