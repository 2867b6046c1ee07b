//! Reads what a response says about the limit.

use std::fmt;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode};

/// What a response says about the window that its request was counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Throttle {
    /// Nothing.
    No,
    /// The limit of this window is exceeded.
    Ours {
        /// For how long the server wants silence, where it says so.
        retry_after: Option<Duration>,
    },
    /// A throttle that has nothing to do with this window, such as a cool-down of one operation.
    Foreign,
}

/// The parts of a response that a classifier may read: everything but the body.
///
/// A layer below that reads the start of the body may leave what it found in the extensions. `Debug` prints the status
/// alone: headers set cookies.
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl Throttle {
    /// Judges by the status alone: a 429 is about this window, and nothing else is.
    ///
    /// What a [`RateLayer`](crate::RateLayer) does unless it is given another classifier.
    pub fn by_status(head: &ResponseHead<'_>) -> Self {
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            Self::Ours {
                retry_after: head.retry_after(),
            }
        } else {
            Self::No
        }
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl<'a> ResponseHead<'a> {
    pub(crate) fn of<B>(response: &'a Response<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// The pause that `Retry-After` asks for: the longest, if there are several.
    ///
    /// In seconds, or as an HTTP-date (RFC 9110, section 10.2.3). A date is read against the response's own `Date`, since
    /// the clocks may differ; without one it says nothing. Malformed values are ignored.
    pub fn retry_after(&self) -> Option<Duration> {
        let values = self.headers.get_all(RETRY_AFTER).iter();
        values.filter_map(|value| self.pause(value)).max()
    }

    fn pause(&self, value: &HeaderValue) -> Option<Duration> {
        let value = value.to_str().ok()?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than a number can have are still a long time.
            return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
        }
        let until = httpdate::parse_http_date(value).ok()?;
        let date = self.headers.get(DATE)?.to_str().ok()?;
        let now = httpdate::parse_http_date(date.trim()).ok()?;
        Some(until.duration_since(now).unwrap_or_default())
    }
}
