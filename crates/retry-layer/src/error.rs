//! The failures that this layer adds, and what it adds to those of others.

use std::error::Error;
use std::fmt;

use call_context::{NeverLeft, Refusal};
use http::HeaderName;

use crate::RetryInfo;

/// What was done for a call that failed nevertheless: a [remark](call_context::Remarked) on the error of the service below, which
/// comes unchanged behind it.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use retry_layer::{RetryInfo, RetryLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let broken = service_fn(async |_: Request<()>| {
///     Err::<Response<Full<Bytes>>, _>(std::io::Error::other("the connection broke"))
/// });
/// let client = ServiceBuilder::new().layer(RetryLayer::new()).service(broken);
///
/// let error = client.oneshot(Request::new(())).await.expect_err("it is broken");
/// assert_eq!(error.to_string(), "gave up after 3 attempts: no attempt is left");
/// assert_eq!(RetryInfo::find(&*error).map(|info| info.attempts()), Some(3));
/// assert!(call_context::find::<std::io::Error>(&*error).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RetryError {
    info: RetryInfo,
}

impl RetryError {
    pub(crate) fn new(info: RetryInfo) -> Self {
        Self { info }
    }

    /// What the layer did for the call.
    pub fn info(&self) -> RetryInfo {
        self.info.clone()
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.info.attempts;
        let s = if attempts == 1 { "" } else { "s" };
        match self.info.stop {
            Some(stop) => write!(f, "gave up after {attempts} attempt{s}: {}", stop.reason()),
            None => write!(f, "failed for good after {attempts} attempt{s}"),
        }
    }
}

impl Error for RetryError {}

/// The call's deadline passed, and there was no response to return.
///
/// The attempt that was under way has been abandoned: the server may have processed the request, or may still do so. Where
/// an earlier attempt had been answered and the request may be repeated without harm, that answer is returned instead of
/// this error. A call whose deadline had passed before its first attempt carries [`NeverLeft`] as its source.
#[derive(Debug)]
pub struct DeadlineExceeded {
    info: Option<RetryInfo>,
    never_left: Option<NeverLeft>,
    /// Whether the layer that raised it is below another one, whose call this was.
    stacked: bool,
}

impl DeadlineExceeded {
    pub(crate) fn during(info: RetryInfo, stacked: bool) -> Self {
        Self {
            info: Some(info),
            never_left: None,
            stacked,
        }
    }

    pub(crate) fn before_the_first() -> Self {
        Self {
            info: None,
            never_left: Some(NeverLeft::new(Refusal::Permanent)),
            stacked: false,
        }
    }

    /// Whether `error` says that a retry layer below had an earlier deadline for the call, and that it has passed.
    pub(crate) fn ends(error: &(dyn Error + 'static)) -> bool {
        call_context::find::<Self>(error).is_some_and(|passed| passed.stacked)
    }

    /// The attempt that was abandoned, counted from 1; 0 where none was made.
    pub fn attempt(&self) -> u32 {
        self.info.as_ref().map_or(0, |info| info.attempts)
    }

    /// What the layer did for the call; `None` where no attempt was made.
    pub fn info(&self) -> Option<RetryInfo> {
        self.info.clone()
    }
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempt() {
            0 => f.write_str("the call's deadline passed before the first attempt"),
            n => write!(f, "the call's deadline passed during attempt {n}"),
        }
    }
}

impl Error for DeadlineExceeded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.never_left.as_ref().map(|mark| mark as _)
    }
}

/// The call came through a rate layer on its way to the retry layer: the layers are in the wrong order.
///
/// Replays would leave without a place in the limit, and draw 429s. The call was not sent, and never will be: the error
/// carries [`NeverLeft`], [permanent](Refusal::Permanent), as its source. A retry layer that repeats nothing may stand
/// anywhere.
#[derive(Debug)]
pub struct BelowRateLayer {
    never_left: NeverLeft,
}

impl BelowRateLayer {
    pub(crate) fn new() -> Self {
        Self {
            never_left: NeverLeft::new(Refusal::Permanent),
        }
    }
}

impl fmt::Display for BelowRateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the request has passed a rate layer, which would not count its replays; put the retry layer above the rate layer",
        )
    }
}

impl Error for BelowRateLayer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.never_left)
    }
}

/// The layer of idempotency keys puts keys into one header, and the retry layer was told of another.
///
/// Only one of the two can be the header that the server honours. If it is the first, the call would never be repeated, though its
/// key allows that. The call was not sent, and never will be: the error carries [`NeverLeft`], [permanent](Refusal::Permanent),
/// as its source. Calls without a key, or to servers that are not known to honour any, are not refused.
#[derive(Debug)]
pub struct IdempotencyHeaderMismatch {
    written: HeaderName,
    read: HeaderName,
    never_left: NeverLeft,
}

impl IdempotencyHeaderMismatch {
    pub(crate) fn new(written: HeaderName, read: HeaderName) -> Self {
        Self {
            written,
            read,
            never_left: NeverLeft::new(Refusal::Permanent),
        }
    }
}

impl fmt::Display for IdempotencyHeaderMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, read, .. } = self;
        write!(
            f,
            "the idempotency key is in `{written}`, but the retry layer was told of `{read}`; name the header at the layer of \
             keys alone (`IdempotencyKeyLayer::header`)"
        )
    }
}

impl Error for IdempotencyHeaderMismatch {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.never_left)
    }
}
