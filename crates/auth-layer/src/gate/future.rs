//! The way of one request through the gate.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use call_context::{BoxError, Renewed, SlotName};
use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::AuthError;
use crate::attach::Sent;
use crate::error::not_ready;
use crate::token::Wait;

pin_project! {
    /// The future of [`Gate`](crate::Gate); `Q` is the request.
    #[must_use = "futures do nothing unless polled"]
    pub struct GateFuture<S, Q>
    where
        S: Service<Q>,
    {
        deadline: Option<Instant>,
        #[pin]
        state: State<S, Q, S::Future, S::Response>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, F, R> {
        Refused { error: Option<AuthError> },
        /// For a token.
        Waiting { wait: Wait, parts: Option<(S, Q)> },
        /// Once the token is there, until the inner service is ready too.
        Readying { parts: Option<(S, Q)> },
        Calling { #[pin] future: F },
        /// After a 401, for a newer token.
        Renewing { wait: Wait, slot: SlotName, response: Option<R> },
    }
}

impl<S, Q> GateFuture<S, Q>
where
    S: Service<Q>,
{
    pub(super) fn refused(error: AuthError) -> Self {
        let error = Some(error);
        Self::new(State::Refused { error }, None)
    }

    pub(super) fn waiting(wait: Wait, inner: S, request: Q, deadline: Option<Instant>) -> Self {
        let parts = Some((inner, request));
        Self::new(State::Waiting { wait, parts }, deadline)
    }

    pub(super) fn calling(future: S::Future, deadline: Option<Instant>) -> Self {
        Self::new(State::Calling { future }, deadline)
    }

    fn new(state: State<S, Q, S::Future, S::Response>, deadline: Option<Instant>) -> Self {
        Self { deadline, state }
    }
}

const DONE: &str = "polled after completion";

impl<S, Q, R> Future for GateFuture<S, Q>
where
    S: Service<Q, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Refused { error } => {
                    return Poll::Ready(Err(error.take().expect(DONE).into()));
                }
                StateProjection::Waiting { wait, parts } => {
                    ready!(wait.as_mut().poll(cx))?;
                    let parts = parts.take();
                    State::Readying { parts }
                }
                StateProjection::Readying { parts } => {
                    let (inner, _) = parts.as_mut().expect(DONE);
                    ready!(inner.poll_ready(cx)).map_err(not_ready)?;
                    let (mut inner, request) = parts.take().expect(DONE);
                    let future = inner.call(request);
                    State::Calling { future }
                }
                StateProjection::Calling { future } => {
                    let mut response = ready!(future.poll(cx)).map_err(Into::into)?;
                    match response.extensions_mut().remove::<Sent>() {
                        None => return Poll::Ready(Ok(response)),
                        // The other key is in use already.
                        Some(Sent::Key(key, _)) => {
                            mark_renewed(&mut response, key.name().clone());
                            return Poll::Ready(Ok(response));
                        }
                        Some(Sent::Token(token, generation)) => State::Renewing {
                            wait: token.wait(generation, *this.deadline),
                            slot: token.name().clone(),
                            response: Some(response),
                        },
                    }
                }
                StateProjection::Renewing {
                    wait,
                    slot,
                    response,
                } => {
                    let outcome = ready!(wait.as_mut().poll(cx));
                    let mut response = response.take().expect(DONE);
                    // Without a newer token the 401 itself is the answer.
                    if outcome.is_ok() {
                        mark_renewed(&mut response, slot.clone());
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            this.state.set(next);
        }
    }
}

/// Says that another try would carry a newer credential of `slot`.
fn mark_renewed<R>(response: &mut Response<R>, slot: SlotName) {
    let extensions = response.extensions_mut();
    extensions.insert(Renewed);
    extensions.insert(slot);
}
