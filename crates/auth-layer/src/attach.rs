//! The inner half: the last hand on a request.

mod future;
mod plain;

use std::task::{Context, Poll};

use call_context::{BoxError, CallContext, Guard};
use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::AttachFuture;
pub(crate) use self::future::Sent;
pub(crate) use self::plain::{Departure, Halves};
use crate::auth::Load;
use crate::error::not_ready;
use crate::{Auth, AuthError, Reason};

/// Makes [`Attach`]: puts the newest credential on each request as it departs. Never waits.
///
/// Without a gate above it, a static key works all the same; a renewing token is never fetched, and requests are refused.
#[derive(Clone, Debug)]
pub struct AttachLayer {
    auth: Auth,
}

impl AttachLayer {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

impl<S> Layer<S> for AttachLayer {
    type Service = Attach<S>;

    fn layer(&self, inner: S) -> Attach<S> {
        Attach {
            inner,
            auth: self.auth.clone(),
        }
    }
}

/// Puts the newest credential on each request as it departs.
///
/// All checks of the gate are made again, on the request as it now is. A 401 throws the token that was sent away and
/// comes up at once, for the gate to wait for a newer one; a 403, or a 401 about the scope, does not.
///
/// A request that is refused gives back the readiness that `poll_ready` has seen, in that the inner service is replaced by a
/// clone of itself.
#[derive(Clone, Debug)]
pub struct Attach<S> {
    inner: S,
    auth: Auth,
}

impl<S, B, R> Service<Request<B>> for Attach<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = AttachFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(departure) = self.auth.put_on_plain(&mut request, Halves::Attacher) {
            return self.send(request, departure.sent);
        }
        match self.put_on(&mut request) {
            Ok(sent) => AttachFuture::sent(self.inner.call(request), sent),
            Err(error) => {
                // Drops the one that is ready: it may sit on a permit that nobody would use.
                self.inner = self.inner.clone();
                AttachFuture::refused(error)
            }
        }
    }
}

impl<S> Attach<S> {
    /// Sends a request that carries its credential already.
    #[inline]
    pub(crate) fn send<B>(
        &mut self,
        request: Request<B>,
        sent: Option<Sent>,
    ) -> AttachFuture<S::Future>
    where
        S: Service<Request<B>>,
    {
        AttachFuture::sent(self.inner.call(request), sent)
    }

    /// Looks at all that a request may say, and says why it is refused.
    #[inline(never)]
    fn put_on<B>(&self, request: &mut Request<B>) -> Result<Option<Sent>, AuthError> {
        let found = self.auth.find(request)?;
        let inside = |context: &CallContext| context.inside(Guard::Attach);
        let attached = CallContext::get(request.extensions()).is_some_and(inside);
        if attached && !found.is_foreign() {
            return Err(AuthError::new(Reason::AttachedTwice));
        }
        let chosen = self.auth.choose(&found, request)?;
        let context = CallContext::of(request.extensions_mut());
        let gated = context.inside(Guard::Gate);
        let Some(name) = chosen.name() else {
            let ours = context.slot().is_some_and(|slot| self.auth.has(slot));
            if gated && ours {
                return Err(AuthError::new(Reason::SlotChanged));
            }
            strip(request, &chosen.strip);
            return Ok(None);
        };
        if gated && context.slot() != Some(name) {
            return Err(AuthError::new(Reason::SlotChanged).of(name));
        }
        context.enter(Guard::Attach);
        context.depart();
        strip(request, &chosen.strip);
        let headers = request.headers_mut();
        match &chosen.load {
            Load::Nothing => {}
            Load::Key(header, key) => {
                let (value, id) = key.value();
                headers.insert(*header, value);
                return Ok(id.map(|id| Sent::key(key, id)));
            }
            Load::Given(header, value) => {
                headers.insert(*header, value.clone());
            }
            Load::Token(header, slot) => {
                let Some((value, sent)) = slot.value() else {
                    return Err(AuthError::not_usable(gated).of(name));
                };
                headers.insert(*header, value);
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }
}

fn strip<B>(request: &mut Request<B>, headers: &[&HeaderName]) {
    for &header in headers {
        request.headers_mut().remove(header);
    }
}
