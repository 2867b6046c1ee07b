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
    // Side by side and not one of several states: so the inner service writes its future where it stays. The rest is boxed,
    // as few requests need it.
    #[must_use = "futures do nothing unless polled"]
    pub struct GateFuture<S, Q>
    where
        S: Service<Q>,
    {
        #[pin]
        calling: Option<S::Future>,
        deadline: Option<Instant>,
        pause: Option<Box<Pause<S, Q, S::Response>>>,
    }
}

/// What comes before the call of the inner service, after it, or in its place.
enum Pause<S, Q, R> {
    Refused(AuthError),
    /// For a token.
    Waiting(Wait, S, Q),
    /// Once the token is there, until the inner service is ready too.
    Readying(S, Q),
    /// After a 401, for a newer token.
    Renewing(Wait, SlotName, R),
}

impl<S, Q> GateFuture<S, Q>
where
    S: Service<Q>,
{
    pub(super) fn refused(error: AuthError) -> Self {
        Self::pausing(Pause::Refused(error), None)
    }

    pub(super) fn waiting(wait: Wait, inner: S, request: Q, deadline: Option<Instant>) -> Self {
        Self::pausing(Pause::Waiting(wait, inner, request), deadline)
    }

    #[inline]
    pub(super) fn calling(future: S::Future, deadline: Option<Instant>) -> Self {
        Self {
            calling: Some(future),
            deadline,
            pause: None,
        }
    }

    fn pausing(pause: Pause<S, Q, S::Response>, deadline: Option<Instant>) -> Self {
        Self {
            calling: None,
            deadline,
            pause: Some(Box::new(pause)),
        }
    }
}

const DONE: &str = "polled after completion";

/// What follows a pause.
enum Next<F, R> {
    Call(F),
    Answer(R),
    Fail(BoxError),
}

impl<S, Q, R> GateFuture<S, Q>
where
    S: Service<Q, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    /// Goes through `pause`, which is gone at its end.
    fn poll_pause(
        pause: &mut Option<Box<Pause<S, Q, Response<R>>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Next<S::Future, Response<R>>> {
        loop {
            match pause.as_deref_mut().expect(DONE) {
                Pause::Refused(_) => {}
                Pause::Waiting(wait, ..) => {
                    if let Err(error) = ready!(wait.as_mut().poll(cx)) {
                        return Poll::Ready(Next::Fail(error.into()));
                    }
                }
                Pause::Readying(inner, _) => {
                    if let Err(error) = ready!(inner.poll_ready(cx)) {
                        return Poll::Ready(Next::Fail(not_ready(error)));
                    }
                }
                Pause::Renewing(wait, slot, response) => {
                    // Without a newer token the 401 itself is the answer.
                    if ready!(wait.as_mut().poll(cx)).is_ok() {
                        mark_renewed(response, slot.clone());
                    }
                }
            }
            match *pause.take().expect(DONE) {
                Pause::Refused(error) => return Poll::Ready(Next::Fail(error.into())),
                Pause::Waiting(_, inner, request) => {
                    *pause = Some(Box::new(Pause::Readying(inner, request)));
                }
                Pause::Readying(mut inner, request) => {
                    return Poll::Ready(Next::Call(inner.call(request)));
                }
                Pause::Renewing(_, _, response) => return Poll::Ready(Next::Answer(response)),
            }
        }
    }
}

impl<S, Q, R> Future for GateFuture<S, Q>
where
    S: Service<Q, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let Some(future) = this.calling.as_mut().as_pin_mut() else {
                match ready!(Self::poll_pause(this.pause, cx)) {
                    Next::Call(future) => this.calling.set(Some(future)),
                    Next::Answer(response) => return Poll::Ready(Ok(response)),
                    Next::Fail(error) => return Poll::Ready(Err(error)),
                }
                continue;
            };
            // Spelled out, and not by `?`: an answer is large, and is moved less often so.
            let mut response = match future.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(response)) => response,
            };
            let (slot, generation) = match response.extensions_mut().remove::<Sent>() {
                None => return Poll::Ready(Ok(response)),
                // The other key is in use already.
                Some(Sent::Key(key, _)) => {
                    mark_renewed(&mut response, key.name().clone());
                    return Poll::Ready(Ok(response));
                }
                Some(Sent::Token(slot, generation) | Sent::Known(slot, generation)) => {
                    (slot, generation)
                }
            };
            let wait = slot.wait(generation, *this.deadline);
            let pause = Pause::Renewing(wait, slot.name().clone(), response);
            *this.pause = Some(Box::new(pause));
            this.calling.set(None);
        }
    }
}

/// Says that another try would carry a newer credential of `slot`.
fn mark_renewed<R>(response: &mut Response<R>, slot: SlotName) {
    let extensions = response.extensions_mut();
    extensions.insert(Renewed);
    extensions.insert(slot);
}
