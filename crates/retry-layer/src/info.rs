//! What the layer did for one call.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use call_context::BoxError;
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
///
/// Two are equal that tell the same of the same call: a [refusal](Self::refusal) is the same as itself alone. `Debug` does not
/// print it.
#[derive(Clone)]
pub struct RetryInfo {
    pub(crate) attempts: u32,
    pub(crate) replays_after_401: u32,
    pub(crate) stop: Option<Stop>,
    pub(crate) paused: Duration,
    pub(crate) departures: u32,
    pub(crate) refusal: Option<Arc<BoxError>>,
}

impl RetryInfo {
    /// One attempt, and nothing to mend.
    pub(crate) const ONCE: Self = Self {
        attempts: 1,
        replays_after_401: 0,
        stop: None,
        paused: Duration::ZERO,
        departures: 1,
        refusal: None,
    };

    /// The info on a response with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::ONCE)
    }

    /// The info in an error's chain; `None` where no retry layer has added one, or had nothing to add.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let failed = call_context::find::<RetryError>(error).map(RetryError::info);
        failed.or_else(|| call_context::find::<DeadlineExceeded>(error)?.info())
    }

    /// How often the request was sent down, the first time and the replays after a 401 included.
    ///
    /// A layer below may have turned some of them away, and some may have found no connection: the server has seen no more than
    /// [`departures`](Self::departures).
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How often the request may have reached the server: the attempts less those of which it is known that they did not.
    ///
    /// Known is what [`NeverLeft`](call_context::NeverLeft) says, a failed attempt to connect among it, and a request that hyper has
    /// not dispatched. One that the server says it has not processed has reached it, and so may one that timed out or was
    /// abandoned at the deadline, be it in a queue. Where it is 0, the server has not heard of the request. It counts what this layer sent
    /// down: another retry layer below it, or a client that repeats or redirects on its own, may have sent more.
    pub fn departures(&self) -> u32 {
        self.departures
    }

    /// How often it was sent down again because a 401 had led to a newer credential.
    pub fn replays_after_401(&self) -> u32 {
        self.replays_after_401
    }

    /// Why there was no further attempt; `None` where there was nothing to mend, or no hope.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// What kept the last replay from leaving, where an earlier outcome was returned in its place: the error of the rate layer
    /// that had no place for it, of a gate, of a connection that could not be made, of a service that was not ready.
    ///
    /// `None` where the last attempt may have left, and where the error that was returned is the one that would be here. The layers'
    /// errors are found in it by [`call_context::find`], and are not part of the chain of an error that was returned.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use call_context::{NeverLeft, Refusal};
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use retry_layer::{RetryInfo, RetryLayer, Stop};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// // Answers the first attempt, and has no place for another one.
    /// let limited = service_fn(async |request: Request<()>| {
    ///     match call_context::CallContext::get(request.extensions()).map(|call| call.attempt()) {
    ///         Some(2..) => Err(NeverLeft::wrap(Refusal::Permanent, "no place within 3 s")),
    ///         _ => Ok(Response::builder().status(503).body(Full::<Bytes>::default()).expect("valid")),
    ///     }
    /// });
    /// let client = ServiceBuilder::new().layer(RetryLayer::new()).service(limited);
    ///
    /// let response = client.oneshot(Request::new(())).await?;
    /// assert_eq!(response.status(), 503);
    /// let info = RetryInfo::of(response.extensions());
    /// assert_eq!((info.attempts(), info.departures()), (2, 1));
    /// assert_eq!(info.stop(), Some(Stop::Refused));
    /// let why = info.refusal().and_then(|refusal| refusal.source()).map(ToString::to_string);
    /// assert_eq!(why.as_deref(), Some("no place within 3 s"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn refusal(&self) -> Option<&(dyn Error + 'static)> {
        self.refusal.as_deref().map(|error| &**error as _)
    }

    /// How long the call waited between its attempts, for pauses and for the service below to become ready.
    pub fn paused(&self) -> Duration {
        self.paused
    }
}

impl PartialEq for RetryInfo {
    fn eq(&self, other: &Self) -> bool {
        let told = |info: &Self| {
            (
                info.attempts,
                info.replays_after_401,
                info.stop,
                info.paused,
                info.departures,
            )
        };
        let same_refusal = match (&self.refusal, &other.refusal) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        told(self) == told(other) && same_refusal
    }
}

impl Eq for RetryInfo {}

impl fmt::Debug for RetryInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The refusal is anybody's error, whose own text may hold the request's line.
        f.debug_struct("RetryInfo")
            .field("attempts", &self.attempts)
            .field("departures", &self.departures)
            .field("replays_after_401", &self.replays_after_401)
            .field("stop", &self.stop)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}
