//! Reads the beginning of error bodies, for classifiers that must tell errors apart.

mod body;
mod future;

use std::task::{Context, Poll};
use std::time::Duration;

use call_context::CallContext;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::PeekedBody;
pub use self::future::ResponseFuture;

/// How much is read, of which responses, and for how long.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    statuses: fn(StatusCode) -> bool,
    bytes: usize,
    within: Duration,
}

/// A layer that puts the first bytes of error bodies into the response's extensions, as
/// [`BodyPrefix`](call_context::BodyPrefix), and passes the bodies on as they were.
///
/// Some servers tell two errors of one status apart in the body alone: Torque's `COOLDOWN` and its exhausted quota are both
/// 429. Classifiers of the rate and retry layers see headers and extensions; with this layer below them they see the
/// code as well. Responses of other statuses pass untouched and at once.
///
/// Defaults: 429 and 403; the first 4 KiB, in at most 256 pieces; for one second at most, and never beyond the call's
/// deadline. A body that trickles or fails is passed on with what has been read so far; nothing of it is lost, not even its
/// error.
///
/// # Cancellation
///
/// Dropping the response future while it reads drops the response with it.
///
/// # Panics
///
/// The response future panics where it has to wait for a body outside of a tokio runtime with time enabled.
#[derive(Clone, Copy, Debug)]
pub struct PeekLayer {
    bounds: Bounds,
}

impl Default for PeekLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl PeekLayer {
    /// A layer with the defaults.
    pub fn new() -> Self {
        Self {
            bounds: Bounds {
                statuses: |status| {
                    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::FORBIDDEN
                },
                bytes: 4096,
                within: Duration::from_secs(1),
            },
        }
    }

    /// Peeks at responses with these statuses instead.
    #[must_use]
    pub fn statuses(mut self, statuses: fn(StatusCode) -> bool) -> Self {
        self.bounds.statuses = statuses;
        self
    }

    /// Stops once it has this many bytes. What has been read by then may be more, by the rest of one frame.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// Stops after this long, counted from the response's headers.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.bounds.within = within;
        self
    }
}

impl<S> Layer<S> for PeekLayer {
    type Service = Peek<S>;

    fn layer(&self, inner: S) -> Peek<S> {
        Peek {
            inner,
            bounds: self.bounds,
        }
    }
}

/// The service that [`PeekLayer`] makes.
#[derive(Clone, Debug)]
pub struct Peek<S> {
    inner: S,
    bounds: Bounds,
}

impl<S, B, R> Service<Request<B>> for Peek<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<PeekedBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadline = CallContext::get(request.extensions()).and_then(CallContext::deadline);
        let deadline = deadline.map(tokio::time::Instant::from_std);
        ResponseFuture::new(self.inner.call(request), self.bounds, deadline)
    }
}
