//! Calls that finish behind callers that drop them.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use call_context::BoxError;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::RateError;
use crate::prepare::Prepare;
use crate::response::settle;
use crate::seat::Seat;
use crate::settings::Settings;
use crate::wait::Wait;

/// A [`RateLayer`](crate::RateLayer) whose calls finish behind callers that drop them; made by
/// [`RateLayer::detach`](crate::RateLayer::detach).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct DetachedRateLayer {
    settings: Arc<Settings>,
}

impl DetachedRateLayer {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }
}

impl<S> Layer<S> for DetachedRateLayer {
    type Service = DetachedRateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.settings.expect_no_contradiction();
        DetachedRateLimit {
            inner,
            settings: Arc::clone(&self.settings),
        }
    }
}

/// A [`RateLimit`](crate::RateLimit) whose calls finish behind callers that drop them.
///
/// # Cancellation
///
/// A future that is dropped before the inner service is called leaves nothing behind. After that, the call goes on in a task of
/// the runtime that polled it last, until its headers come or [`answer_within`](crate::RateLayer::answer_within) is
/// over; where there is no such runtime, it is abandoned.
#[derive(Clone, Debug)]
pub struct DetachedRateLimit<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, B, R> Service<Request<B>> for DetachedRateLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = DetachedResponseFuture<S, B, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        DetachedResponseFuture {
            stage: Stage::Prepares {
                prepare: Prepare::new(self.inner.clone(), request),
            },
            seat: Seat::new(Arc::clone(&self.settings)),
            wait: Wait::Not,
        }
    }
}

pin_project! {
    /// The future of a [`DetachedRateLimit`]ed request.
    ///
    /// # Panics
    ///
    /// Where it has to wait outside of a tokio runtime with time enabled.
    pub struct DetachedResponseFuture<S, B, R> {
        #[pin]
        wait: Wait,
        stage: Stage<S, B, R>,
        // Until the departure.
        seat: Seat,
    }
}

#[allow(
    clippy::large_enum_variant,
    reason = "every call begins with the large one; whether it is noticed depends on features"
)]
enum Stage<S, B, R> {
    /// Turned away, or answered.
    Over,
    Prepares {
        prepare: Prepare<S, B>,
    },
    Departed(Departed<R>),
}

type Call<R> = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

/// A call that is under way. Dropped, it goes on by itself.
struct Departed<R> {
    call: Option<Call<R>>,
    /// What makes a task of it: known where `R` is known to be one's own.
    detach: fn(Call<R>, &Handle),
    /// The runtime that polled it last.
    runtime: Option<Handle>,
}

impl<R> Departed<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<R>, BoxError>> {
        // Out of its place, so that one that panics is not sent on.
        let mut call = self.call.take().expect("polled after it was over");
        let outcome = call.as_mut().poll(cx);
        if outcome.is_pending() {
            self.call = Some(call);
        }
        outcome
    }
}

impl<R> Drop for Departed<R> {
    fn drop(&mut self) {
        if let (Some(call), Some(runtime)) = (self.call.take(), &self.runtime) {
            (self.detach)(call, runtime);
        }
    }
}

fn detach<R: Send + 'static>(call: Call<R>, runtime: &Handle) {
    // A runtime that is shutting down drops it, which abandons it.
    drop(runtime.spawn(async move {
        drop(call.await);
    }));
}

/// The rest of a call, from its departure on.
async fn finish<F, R, E>(future: F, seat: Seat) -> Result<Response<R>, BoxError>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    // Dropped in the order in which they are declared, backwards: the inner future goes before the place.
    let mut seat = seat;
    let within = seat.settings().answer_within;
    let mut future = pin!(future);
    let mut wait = pin!(Wait::Not);
    let answered = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => wait
            .as_mut()
            .poll_timer(|| sleep(within), cx)
            .map(|()| None),
    });
    match answered.await {
        Some(outcome) => {
            let mut outcome = outcome.map_err(Into::into);
            settle(&mut seat, &mut outcome);
            outcome
        }
        None => Err(RateError::answer_timeout(within).into()),
    }
}

impl<S, B, R> Future for DetachedResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    R: Send + 'static,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let outcome = match this.stage {
                Stage::Over => panic!("polled after it was over"),
                Stage::Prepares { prepare } => {
                    match ready!(prepare.poll(this.seat, this.wait.as_mut(), cx)) {
                        Ok(()) => {
                            let (mut inner, request) = prepare.take();
                            let future = this.seat.depart_by(|| inner.call(request));
                            let call = finish(future, this.seat.take_over());
                            *this.stage = Stage::Departed(Departed {
                                call: Some(Box::pin(call)),
                                detach,
                                runtime: None,
                            });
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                Stage::Departed(departed) => {
                    departed.runtime = Handle::try_current().ok();
                    ready!(departed.poll(cx))
                }
            };
            *this.stage = Stage::Over;
            this.seat.give_up();
            return Poll::Ready(outcome);
        }
    }
}

impl<S, B, R> fmt::Debug for DetachedResponseFuture<S, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachedResponseFuture")
            .finish_non_exhaustive()
    }
}
