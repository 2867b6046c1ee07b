//! What the layer did for one call.

use std::error::Error;
use std::time::Duration;

use http::Extensions;

use crate::{DeadlineExceeded, RetryError, Stop};

/// What the layer did for one call.
///
/// Where a call took more than one attempt, or one that might have been mended was its last, the info is among the
/// extensions of its response: a response without it came at the first attempt, with nothing to mend. So a call that goes
/// well costs nothing more. Likewise it is in the chain of an error, except of one that came at the first attempt and that
/// nobody would have repeated: a layer below refused the call for good, or it was called final. Such errors speak for themselves.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use retry_layer::{RetryInfo, RetryLayer, Stop};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let busy = service_fn(async |_: Request<()>| Response::builder().status(503).body(Full::<Bytes>::default()));
/// let client = ServiceBuilder::new().layer(RetryLayer::new()).service(busy);
///
/// let response = client.oneshot(Request::new(())).await?;
/// let info = RetryInfo::of(response.extensions());
/// assert_eq!((info.attempts(), info.stop()), (3, Some(Stop::Attempts)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryInfo {
    pub(crate) attempts: u32,
    pub(crate) replays_after_401: u32,
    pub(crate) stop: Option<Stop>,
    pub(crate) paused: Duration,
}

impl RetryInfo {
    /// One attempt, and nothing to mend.
    pub(crate) const ONCE: Self = Self {
        attempts: 1,
        replays_after_401: 0,
        stop: None,
        paused: Duration::ZERO,
    };

    /// The info on a response with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self::ONCE)
    }

    /// The info in an error's chain; `None` where no retry layer has added one, or had nothing to add.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let failed = call_context::find::<RetryError>(error).map(RetryError::info);
        failed.or_else(|| call_context::find::<DeadlineExceeded>(error)?.info())
    }

    /// How often the request was sent down, the first time and the replays after a 401 included.
    ///
    /// A layer below may have turned some of them away.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How often it was sent down again because a 401 had led to a newer credential.
    pub fn replays_after_401(&self) -> u32 {
        self.replays_after_401
    }

    /// Why there was no further attempt; `None` where there was nothing to mend, or no hope.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// How long the call waited between its attempts, for pauses and for the service below to become ready.
    pub fn paused(&self) -> Duration {
        self.paused
    }
}
