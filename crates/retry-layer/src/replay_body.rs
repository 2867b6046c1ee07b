//! A streaming body that can be sent again.

mod error;
mod recording;
mod shared;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use call_context::BoxError;
use http_body::{Body, Frame, SizeHint};

pub use self::error::BodyLost;
use self::shared::{Serial, Shared};
use crate::Replay;

/// How much of a body is kept, unless it is told otherwise.
const BOUND: usize = 64 * 1024;

/// A streaming body that can be sent again, as long as no more of it has been read than fits into a bound.
///
/// Keeps the frames of the first attempt while they pass. A second body ([`Replay::replay`]) gives them out again, in the
/// same order and with the trailers, and then reads on where the first one stopped: after an attempt that never read a byte,
/// was dropped half-way, or was answered while the body still streamed. It says of its length what the body said before it
/// was read, so that all attempts are framed alike.
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body::Frame;
/// use http_body_util::{BodyExt, Full, StreamBody};
/// use retry_layer::{ReplayBody, RetryLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// // Reads each body whole, and is busy at first.
/// let flaky = service_fn(async |request: Request<ReplayBody<_>>| {
///     let attempt = call_context::CallContext::get(request.extensions()).map_or(1, |c| c.attempt());
///     let body = request.into_body().collect().await?.to_bytes();
///     let status = if attempt < 2 { 503 } else { 200 };
///     Ok::<_, BoxError>(Response::builder().status(status).body(Full::<Bytes>::from(body))?)
/// });
/// let client = ServiceBuilder::new().layer(RetryLayer::new()).service(flaky);
///
/// // A stream, which exists only once.
/// let pieces = ["an ", "order"].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
/// let stream = StreamBody::new(futures_util::stream::iter(pieces));
/// let request = Request::put("https://api.example.com/orders/7").body(ReplayBody::new(stream))?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "an order");
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// Data and trailers up to the bound, 64 KiB by default, in 1024 frames at most (or one for each 64 bytes of a larger
/// bound). Frames are kept by reference count: a frame that is a slice of something larger keeps all of it. Once more has been
/// read, what was kept is freed, the attempt under way goes on, and there is no second body any more: the request is sent
/// once. A body that says beforehand that it is longer than the bound is sent once from the start. Nothing is
/// kept while there is no second body that could use it, as without a retry layer, in the last attempt, or after the answer.
///
/// # Two at once
///
/// A client may still be sending the body of an attempt that was answered early, or given up, when the next one
/// begins. The later body then reads on, and the earlier one gets what the later one has read, and waits for it where there is
/// nothing more. Beyond the bound it fails ([`BodyLost`]); if the later one is dropped before, it goes on. No byte is ever
/// lost to both, or given twice to one.
///
/// # Errors
///
/// An error of the body ends the attempt that met it, as it came. The rest of the body is lost with it, so that there is no
/// second body from then on, and the others fail with [`BodyLost`]; likewise where the body panicked. A failed body never looks
/// like one that has ended.
pub struct ReplayBody<B> {
    shared: Arc<Shared<B>>,
    serial: Serial,
    /// How many frames it has had.
    position: usize,
    /// How many bytes of data were in them.
    had: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Untouched,
    Begun,
    /// It has failed, and gives nothing more.
    Failed,
}

impl<B: Body> ReplayBody<B> {
    /// Makes `body` replayable as long as no more than 64 KiB of it have been read.
    pub fn new(body: B) -> Self {
        Self::with_bound(body, BOUND)
    }

    /// Makes `body` replayable as long as no more than `bound` bytes of it have been read, its trailers included.
    ///
    /// As many bytes may be held for each call under way. With 0, only a body without bytes replays.
    pub fn with_bound(body: B, bound: usize) -> Self {
        let shared = Arc::new(Shared::new(body, bound));
        Self::copy(shared, 0)
    }
}

impl<B> ReplayBody<B> {
    fn copy(shared: Arc<Shared<B>>, serial: Serial) -> Self {
        Self {
            shared,
            serial,
            position: 0,
            had: 0,
            progress: Progress::Untouched,
        }
    }
}

impl<B> Replay for ReplayBody<B> {
    fn replay(&self) -> Option<Self> {
        let serial = self.shared.copy()?;
        Some(Self::copy(Arc::clone(&self.shared), serial))
    }

    fn is_whole(&self) -> bool {
        self.progress == Progress::Untouched && self.shared.is_whole(self.serial)
    }

    fn take_over(&self) -> bool {
        self.progress == Progress::Untouched && self.shared.take_over(self.serial)
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.progress == Progress::Failed {
            return Poll::Ready(None);
        }
        this.progress = Progress::Begun;
        let alone = Arc::strong_count(&this.shared) == 1;
        let read = ready!(this.shared.poll(this.serial, this.position, alone, cx));
        match &read {
            Some(Ok(frame)) => {
                this.position += 1;
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.had = this.had.saturating_add(length as u64);
            }
            Some(Err(_)) => this.progress = Progress::Failed,
            None => {}
        }
        Poll::Ready(read)
    }

    fn is_end_stream(&self) -> bool {
        match self.progress {
            // As the body was when the first attempt began: a replay is framed like it.
            Progress::Untouched => self.shared.empty,
            Progress::Begun => self.shared.is_over(self.serial, self.position),
            Progress::Failed => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        less(&self.shared.hint, self.had)
    }
}

/// The hint once `had` bytes have been given out. A body that gives more than it promised has promised nothing.
fn less(hint: &SizeHint, had: u64) -> SizeHint {
    let mut rest = SizeHint::new();
    rest.set_lower(hint.lower().saturating_sub(had));
    if let Some(upper) = hint.upper().and_then(|upper| upper.checked_sub(had)) {
        rest.set_upper(upper);
    }
    rest
}

impl<B> Drop for ReplayBody<B> {
    fn drop(&mut self) {
        self.shared.leave(self.serial);
    }
}

// Neither the body's bytes nor its own Debug: both may hold what must not be printed.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("progress", &self.progress)
            .field("had", &self.had)
            .finish_non_exhaustive()
    }
}
