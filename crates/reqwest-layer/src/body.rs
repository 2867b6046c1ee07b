//! The body that a stack sees when it runs over reqwest, and the ways to and from reqwest's own.

use std::any::Any;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use call_context::BoxError;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Full};

/// The request body that a stack sees when it runs as reqwest middleware.
///
/// Bytes that are at hand are a [`Full`], which a retry layer can send again; everything else is a stream, which is
/// sent once, unless it is [put into a `ReplayBody`](crate::LayerMiddleware#streams). Made of `http_body_util`'s types alone, so that layers know what to do with it without knowing reqwest.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, BoxError>>;

/// Turns reqwest's body into the stack's. Copies nothing.
#[cfg(feature = "middleware")]
pub(crate) fn from_reqwest(mut body: reqwest::Body) -> Body {
    if body.as_bytes().is_some() {
        Either::Left(Full::new(at_hand(&mut body)))
    } else {
        Either::Right(UnsyncBoxBody::new(http_body_util::BodyExt::map_err(
            body,
            Into::into,
        )))
    }
}

/// Turns any body into reqwest's. What holds its bytes at hand stays clonable there, and keeps its length.
pub(crate) fn into_reqwest<B>(body: B) -> reqwest::Body
where
    B: HttpBody + Send + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    // A body that is one of these behind its type parameter need not be wrapped once more.
    let mut slot = Some(body);
    let any: &mut dyn Any = &mut slot;
    if let Some(body) = any.downcast_mut::<Option<reqwest::Body>>() {
        return body.take().unwrap_or_default();
    }
    if let Some(full) = any.downcast_mut::<Option<Full<Bytes>>>() {
        return full.as_mut().map(at_hand).unwrap_or_default().into();
    }
    if let Some(Some(Either::Left(full))) = any.downcast_mut::<Option<Body>>() {
        return at_hand(full).into();
    }
    slot.map(|body| reqwest::Body::wrap(SyncBody::new(body)))
        .unwrap_or_default()
}

/// The bytes of a body that has them at hand: it yields them in one frame, at the first poll.
fn at_hand<B>(body: &mut B) -> Bytes
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut context = Context::from_waker(Waker::noop());
    match pin!(body).poll_frame(&mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// A body that may be shared between threads, as reqwest asks, around one that may only be sent.
///
/// Polling has the body to itself and takes no lock; what others may ask of it is noted after each poll.
struct SyncBody<B> {
    inner: Mutex<Pin<Box<B>>>,
    hint: SizeHint,
    ended: bool,
}

impl<B: HttpBody> SyncBody<B> {
    fn new(body: B) -> Self {
        Self {
            hint: body.size_hint(),
            ended: body.is_end_stream(),
            inner: Mutex::new(Box::pin(body)),
        }
    }
}

impl<B: HttpBody> HttpBody for SyncBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = &mut *self;
        let inner = this.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = ready!(inner.as_mut().poll_frame(cx));
        this.hint = inner.size_hint();
        this.ended = inner.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    #[allow(clippy::clone_on_copy, reason = "it is no `Copy` before http-body 1.1")]
    fn size_hint(&self) -> SizeHint {
        self.hint.clone()
    }
}
