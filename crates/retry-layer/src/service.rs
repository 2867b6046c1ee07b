//! The service that the layer makes.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Instant;

use call_context::{BoxError, CallContext, Class, Guard, NeverLeft, Refusal};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::call::Call;
use crate::layer::Shared;
use crate::settings::ClassIndex;
use crate::{
    BelowRateLayer, DeadlineExceeded, Replay, ResponseFuture, RetryBody, Stop, clock, copy,
};

/// A service that repeats requests when that is safe and useful. Made by a [`RetryLayer`](crate::RetryLayer).
///
/// Asks nothing of the inner service but that it can be cloned: it may borrow, and its bodies may be of any kind.
///
/// # Errors
///
/// The inner service's own, behind a [remark](call_context::Remarked) that is a [`RetryError`](crate::RetryError) wherever there
/// is [something to tell](crate::RetryInfo); [`DeadlineExceeded`]; [`BelowRateLayer`];
/// [`IdempotencyHeaderMismatch`](crate::IdempotencyHeaderMismatch). A failure to become ready for the first attempt carries [`NeverLeft`]; one for a replay is not returned at all, but the outcome that stands. Calls
/// that the layer only passes through keep the inner service's error as it was.
///
/// # Panics
///
/// The response future does outside of a tokio runtime with a timer, when it has to pause or to watch a deadline.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, B, R> Service<Request<B>> for Retry<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Response = Response<RetryBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(|error| {
            let error = error.into();
            match NeverLeft::find(&*error) {
                Some(_) => error,
                None => NeverLeft::wrap(Refusal::Transient, error).into(),
            }
        })
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = &self.shared.settings;
        if settings.is_off() {
            return ResponseFuture::passing(self.inner.call(request));
        }
        let (class, own, deadline) = match self.enter(&mut request) {
            Entrance::Open(class, own, deadline) => (class, own, deadline),
            Entrance::Watched(deadline) => return self.watch(request, deadline),
            Entrance::Passing => return ResponseFuture::passing(self.inner.call(request)),
            Entrance::BelowRateLayer => return self.refuse(BelowRateLayer::new()),
        };
        let keyed = match settings.terms(own).is_keyed(&mut request) {
            Ok(keyed) => keyed,
            Err(mismatch) => return self.refuse(mismatch),
        };
        if deadline.is_some_and(|deadline| deadline <= clock::now()) {
            return self.refuse_late();
        }
        let mut call = Call::new(
            Arc::clone(&self.shared),
            &request,
            class,
            own,
            keyed,
            deadline,
        );
        let copy = if settings.terms(own).attempts() > 1 {
            copy::of(&request)
        } else {
            None
        };
        let Some(copy) = copy else {
            call.keep(&request);
            return ResponseFuture::attempting(self.inner.call(request), None, call);
        };
        // The inner service that is ready makes the first attempt; replays ask it for readiness again.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let future = ready.call(request);
        ResponseFuture::attempting(future, Some((ready, copy)), call)
    }
}

/// How a call enters the layer.
enum Entrance {
    /// With this class, the settings that the class has to itself, and this deadline.
    Open(Option<Class>, Option<ClassIndex>, Option<Instant>),
    /// Another retry layer watches over the call already, but only this one knows of this deadline.
    Watched(Instant),
    /// Another retry layer watches over the call already.
    Passing,
    /// A rate layer has counted the call already, and would count no replay of it.
    BelowRateLayer,
}

impl<S> Retry<S> {
    /// Adds this layer's part to the call's context, and reads its class and deadline.
    fn enter<B>(&self, request: &mut Request<B>) -> Entrance {
        let settings = &self.shared.settings;
        let context = CallContext::of(request.extensions_mut());
        let is_stacked = match settings.repeats() {
            true => !context.enter(Guard::Retry),
            // It has a deadline alone, which is no other one for each attempt of a layer above.
            false => context.inside(Guard::Retry),
        };
        if is_stacked {
            if settings.repeats() && !self.shared.state.stacked.swap(true, Relaxed) {
                tracing::warn!(
                    "a retry layer is below another one, and passes its calls through; only its deadline counts"
                );
            }
            if !settings.has_deadline() {
                return Entrance::Passing;
            }
        }
        let is_counted = context.inside(Guard::Rate) || context.inside(Guard::Place);
        let class = match &settings.routes {
            None => context.class().cloned(),
            // An ambiguous path has no class; refusing it is the business of the layer that holds the credentials.
            Some(routes) => routes.resolve(request).unwrap_or_default(),
        };
        let context = CallContext::of(request.extensions_mut());
        let own = class.as_ref().and_then(|class| settings.find(class));
        let terms = settings.terms(own);
        if is_counted && terms.attempts() > 1 && !is_stacked {
            return Entrance::BelowRateLayer;
        }
        let deadline = terms.deadline();
        let deadline = deadline.and_then(|after| clock::now().checked_add(after));
        // Which may be the earlier one of the two, and is watched above then.
        let known = context.deadline();
        if let Some(deadline) = deadline {
            context.limit_deadline(deadline);
        }
        match context.deadline() {
            Some(deadline) if is_stacked && known != Some(deadline) => Entrance::Watched(deadline),
            _ if is_stacked => Entrance::Passing,
            deadline => Entrance::Open(class, own, deadline),
        }
    }

    /// Passes on what another layer may repeat, up to `deadline`.
    fn watch<B, R>(&mut self, request: Request<B>, deadline: Instant) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>> + Clone,
        R: Body,
    {
        if deadline <= clock::now() {
            return self.refuse_late();
        }
        let call = Call::watched(Arc::clone(&self.shared), deadline);
        ResponseFuture::attempting(self.inner.call(request), None, call)
    }

    /// Refuses a call whose deadline has passed.
    fn refuse_late<B, R>(&mut self) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>> + Clone,
        R: Body,
    {
        self.shared.state.tally.stop(Stop::Deadline);
        self.refuse(DeadlineExceeded::before_the_first())
    }

    /// Refuses a call, and lets go of the inner service that is ready for it: it may sit on a permit.
    fn refuse<B, R>(&mut self, error: impl Into<BoxError>) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>> + Clone,
        R: Body,
    {
        let fresh = self.inner.clone();
        self.inner = fresh;
        ResponseFuture::refused(error)
    }
}

impl<S: fmt::Debug> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("attempts", &self.shared.settings.attempts)
            .field("counters", &self.shared.state.tally.snapshot())
            .finish_non_exhaustive()
    }
}
