//! Both halves in one.

use std::task::{Context, Poll};

use call_context::{BoxError, CallContext, Guard};
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::attach::Sent;
use crate::auth::Load;
use crate::{Attach, Auth, Gate, GateFuture};

/// Makes [`Authorize`], a [`Gate`] right above an [`Attach`], for stacks without a rate layer.
///
/// Between the halves nothing waits, and still a token can be thrown away there, by another request's 401: such a call is
/// refused as [`Reason::NotUsable`](crate::Reason::NotUsable), and a retry layer above sends it again.
///
/// With a rate layer, use [`Auth::gate`] above it and [`Auth::attach`] below.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    auth: Auth,
}

impl AuthLayer {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        let halves = self.auth.gate().layer(self.auth.attach().layer(inner));
        let auth = self.auth.clone();
        Authorize { halves, auth }
    }
}

/// Waits for a usable credential, and puts it on at once.
///
/// All that [`Gate`] and [`Attach`] do, in that order. A request that neither has to wait nor is refused, which is almost every one, is
/// looked at once instead of twice, as nothing can change it between the halves.
#[derive(Clone, Debug)]
pub struct Authorize<S> {
    halves: Gate<Attach<S>>,
    auth: Auth,
}

impl<S, B, R> Service<Request<B>> for Authorize<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = GateFuture<Attach<S>, Request<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.halves.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match put_on_at_once(&self.auth, &mut request) {
            Some(sent) => self.halves.call_attached(request, sent),
            None => self.halves.call(request),
        }
    }
}

/// Puts on what can be put on without a wait or a word.
///
/// `None` leaves the request untouched, for the halves to look at: they know how to wait, and what to say.
#[expect(
    clippy::option_option,
    reason = "the inner one is what the attacher keeps of a request"
)]
fn put_on_at_once<B>(auth: &Auth, request: &mut Request<B>) -> Option<Option<Sent>> {
    let guards = [Guard::Place, Guard::Rate, Guard::Gate, Guard::Attach];
    let is_marked = |context: &CallContext| guards.iter().any(|guard| context.inside(*guard));
    if CallContext::get(request.extensions()).is_some_and(is_marked) {
        return None;
    }
    let found = auth.find(request).ok()?;
    if found.is_foreign() {
        return None;
    }
    let chosen = auth.choose(&found, request).ok()?;
    if !chosen.strip.is_empty() {
        return None;
    }
    let (credential, sent) = match &chosen.load {
        Load::Nothing => (None, None),
        Load::Given(header, value) => (Some((*header, value.clone())), None),
        Load::Key(header, key) => {
            let (value, id) = key.value();
            let sent = id.map(|id| Sent::Key((*key).clone(), id));
            (Some((*header, value)), sent)
        }
        Load::Token(_, slot) if slot.is_fetching_here() => return None,
        Load::Token(header, slot) => {
            let (value, generation) = slot.ready_value()?;
            let sent = Sent::Token((**slot).clone(), generation);
            (Some((*header, value)), Some(sent))
        }
    };
    let context = CallContext::of(request.extensions_mut());
    auth.note(&chosen, context);
    context.enter(Guard::Gate);
    context.enter(Guard::Attach);
    if let Some((header, value)) = credential {
        request.headers_mut().insert(header, value);
    }
    Some(sent)
}
