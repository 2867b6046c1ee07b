//! The outer half: waits for a usable token.

mod future;

use std::task::{Context, Poll};

use call_context::{BoxError, CallContext, Guard};
use http::{Request, Response};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::GateFuture;
use crate::attach::Departure;
use crate::auth::Load;
use crate::error::not_ready;
use crate::token::Wait;
use crate::{Attach, AttachFuture, Auth, AuthError, Reason};

/// Makes [`Gate`]: chooses the slot of each request, and waits for a usable token.
///
/// Belongs above a rate layer: a request that has passed one is refused, limited or not, since a place that waits for a token
/// can keep that very token from being fetched, and because a rate layer keys on the slot that the gate resolves. A request
/// that is made of another call's, with that call's [`CallContext`], counts as having passed what that call has passed.
#[derive(Clone, Debug)]
pub struct GateLayer {
    auth: Auth,
}

impl GateLayer {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            auth: self.auth.clone(),
        }
    }
}

/// Chooses the slot of each request, waits for a usable token, and after a 401 for a newer one: then it leaves the mark
/// [`Renewed`](call_context::Renewed) and the [`SlotName`](call_context::SlotName) in the response's extensions.
///
/// As long as requests wait between gate and attacher, the token renews itself in time, also when no others come to the gate.
///
/// With a fresh token the request goes on at once, by the readiness that `poll_ready` has seen. Where it has to wait, that
/// readiness is given back, and a clone of the inner service is driven ready afterwards. A refused request gives it back too.
///
/// # Panics
///
/// The future panics where a request must wait for a token on a tokio runtime whose time is not enabled
/// (`Builder::enable_time`): there is no way to ask beforehand. Outside of a runtime there is an error.
///
/// # Cancellation
///
/// Dropping the future cancels the request and never a fetch. While the gate waits after a 401, at most as long as the slot
/// allows, it holds the response: dropping the future then drops the response as well.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    auth: Auth,
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = GateFuture<S, Request<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.admit(&mut request) {
            Err(error) => {
                // Drops the one that is ready: it may sit on a permit that nobody would use.
                self.inner = self.inner.clone();
                GateFuture::refused(error)
            }
            Ok(Admission {
                wait: None,
                deadline,
            }) => GateFuture::calling(self.inner.call(request), deadline),
            Ok(Admission {
                wait: Some(wait),
                deadline,
            }) => {
                let inner = self.inner.clone();
                // Drops the one that is ready: it may sit on the very permit that the clone will need.
                self.inner = inner.clone();
                GateFuture::waiting(wait, inner, request, deadline)
            }
        }
    }
}

impl<S> Gate<Attach<S>> {
    /// Sends a request that carries its credential already.
    #[inline]
    pub(crate) fn call_attached<B>(
        &mut self,
        request: Request<B>,
        departure: Departure,
    ) -> GateFuture<Attach<S>, Request<B>>
    where
        Attach<S>: Service<Request<B>, Future = AttachFuture<S::Future>>,
        S: Service<Request<B>>,
    {
        let deadline = departure.deadline.map(Instant::from_std);
        GateFuture::calling(self.inner.send(request, departure.sent), deadline)
    }
}

struct Admission {
    wait: Option<Wait>,
    deadline: Option<Instant>,
}

impl<S> Gate<S> {
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Admission, AuthError> {
        let found = self.auth.find(request)?;
        if !found.is_foreign() {
            let context = CallContext::of(request.extensions_mut());
            // With a place or without one: a rate layer that goes by the slot has not seen this one's.
            if context.inside(Guard::Place) || context.inside(Guard::Rate) {
                return Err(AuthError::new(Reason::BelowRateLayer));
            }
            if context.inside(Guard::Gate) {
                return Err(AuthError::new(Reason::GatedTwice));
            }
        }
        let chosen = self.auth.choose(&found, request)?;
        let context = CallContext::of(request.extensions_mut());
        self.auth.note(&chosen, context);
        if chosen.name().is_some() {
            context.enter(Guard::Gate);
        }
        let deadline = context.deadline().map(Instant::from_std);
        let wait = match chosen.load {
            Load::Token(_, slot) if slot.is_fetching_here() => {
                return Err(AuthError::new(Reason::OwnFetch).of(slot.name()));
            }
            Load::Token(_, slot) => {
                // Before the look at the token: a keeper that finds nobody has then found it due, and so will this look.
                context.hold_until_departure(slot.demand());
                (!slot.is_ready()).then(|| slot.wait(0, deadline))
            }
            Load::Nothing | Load::Key(..) | Load::Given(..) => None,
        };
        Ok(Admission { wait, deadline })
    }
}
