//! The future of one request: wait for a place, make the inner service ready, call it, watch for the headers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use call_context::BoxError;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::sleep;
use tower_service::Service;

use crate::error::RateError;
use crate::prepare::Prepare;
use crate::response::settle;
use crate::seat::Seat;
use crate::settings::Settings;
use crate::wait::Wait;

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
        #[pin]
        wait: Wait,
        prepare: Prepare<S, B>,
        // There from the departure on.
        #[pin]
        departed: Option<S::Future>,
        is_over: bool,
        // Behind both: the inner future goes before the place, which is then given up.
        seat: Seat,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    #[inline]
    pub(crate) fn new(inner: S, request: Request<B>, settings: Arc<Settings>) -> Self {
        Self {
            wait: Wait::Not,
            prepare: Prepare::new(inner, request),
            departed: None,
            is_over: false,
            seat: Seat::new(settings),
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
        if this.prepare.is_under_way() {
            if let Err(error) = ready!(this.prepare.poll(this.seat, this.wait.as_mut(), cx)) {
                this.prepare.give_up();
                this.seat.give_up();
                return Poll::Ready(Err(error));
            }
            let (mut inner, request) = this.prepare.take();
            let future = this.seat.depart_by(|| inner.call(request));
            this.departed.set(Some(future));
            this.wait.as_mut().end();
        }
        let departed = this.departed.as_mut().as_pin_mut();
        let Some(future) = departed.filter(|_| !*this.is_over) else {
            panic!("polled after it was over");
        };
        let outcome = match future.poll(cx) {
            // Most responses say nothing. Such a one is moved to where it stays at once, and what is held ends behind it: another
            // stop on its way takes a processor longer than all the rest of that, since it reads back what it has just written in
            // other pieces.
            Poll::Ready(Ok(response)) if !this.seat.settings().may_heed(response.status()) => {
                *this.is_over = true;
                let _behind_it = Answered(this.seat);
                return Poll::Ready(Ok(response));
            }
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let within = this.seat.settings().answer_within;
                ready!(this.wait.as_mut().poll_timer(|| sleep(within), cx));
                this.departed.set(None);
                this.seat.give_up();
                return Poll::Ready(Err(RateError::answer_timeout(within).into()));
            }
        };
        let mut outcome = outcome.map_err(Into::into);
        this.departed.set(None);
        settle(this.seat, &mut outcome);
        Poll::Ready(outcome)
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Ends what is held by a request that was answered, when it is dropped. That calls nothing that panics: else the response would be
/// lost, which has been returned by then, and be dropped by nobody.
struct Answered<'a>(&'a mut Seat);

impl Drop for Answered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.answered();
    }
}
