//! What happened to an attempt.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::Class;
use http::header::RETRY_AFTER;
use http::{Extensions, HeaderMap, Method, Response, StatusCode};

/// What an attempt's outcome is called. Whether a retry follows is not said by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The server did what it was asked. Pays into the budget.
    Success,
    /// The same request would meet the same outcome.
    Final,
    /// Another try may go better.
    Transient {
        /// No sooner than after this long. `Retry-After` is read besides: the longer one counts.
        after: Duration,
    },
    /// The server, or something on the way, wants fewer requests. The pause grows from a longer base.
    Throttled {
        /// No sooner than after this long. `Retry-After` is read besides: the longer one counts.
        after: Duration,
    },
}

impl Verdict {
    /// Another try may go better, and may come at any time.
    pub const TRANSIENT: Self = Self::Transient {
        after: Duration::ZERO,
    };

    /// The server wants fewer requests, and does not say until when.
    pub const THROTTLED: Self = Self::Throttled {
        after: Duration::ZERO,
    };
}

/// One attempt and its outcome, as a classifier sees them. Borrowed, and free of bodies.
///
/// The first bytes of an error body, where a layer below has peeked at them, are in the
/// [extensions](Self::extensions) as [`BodyPrefix`](call_context::BodyPrefix).
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    method: &'a Method,
    class: Option<&'a Class>,
    attempt: u32,
    outcome: Outcome<'a>,
}

#[derive(Clone, Copy)]
enum Outcome<'a> {
    Answered {
        status: StatusCode,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    },
    Failed(&'a (dyn Error + 'static)),
}

impl<'a> Exchange<'a> {
    /// An attempt that was answered with `response`.
    pub fn answered<R>(
        method: &'a Method,
        class: Option<&'a Class>,
        attempt: u32,
        response: &'a Response<R>,
    ) -> Self {
        let outcome = Outcome::Answered {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        };
        Self {
            method,
            class,
            attempt,
            outcome,
        }
    }

    /// An attempt that failed with `error`.
    pub fn failed(
        method: &'a Method,
        class: Option<&'a Class>,
        attempt: u32,
        error: &'a (dyn Error + 'static),
    ) -> Self {
        Self {
            method,
            class,
            attempt,
            outcome: Outcome::Failed(error),
        }
    }

    /// The request's method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The request's class, where routes are known.
    pub fn class(&self) -> Option<&'a Class> {
        self.class
    }

    /// Which attempt this was, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The response's status; `None` where there was an error instead.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            Outcome::Answered { status, .. } => Some(status),
            Outcome::Failed(_) => None,
        }
    }

    /// The response's headers; `None` where there was an error instead.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        match self.outcome {
            Outcome::Answered { headers, .. } => Some(headers),
            Outcome::Failed(_) => None,
        }
    }

    /// The response's extensions; `None` where there was an error instead.
    pub fn extensions(&self) -> Option<&'a Extensions> {
        match self.outcome {
            Outcome::Answered { extensions, .. } => Some(extensions),
            Outcome::Failed(_) => None,
        }
    }

    /// The error; `None` where there was a response.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        match self.outcome {
            Outcome::Answered { .. } => None,
            Outcome::Failed(error) => Some(error),
        }
    }
}

// No headers and no error text: both may hold what must not be printed.
impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", self.method)
            .field("class", &self.class)
            .field("attempt", &self.attempt)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Names what happened to an attempt.
///
/// The engine keeps the last word: a verdict can ask for a retry, and can never make an unsafe one happen. Any
/// function from an [`Exchange`] to a [`Verdict`] will do.
///
/// ```
/// use http::StatusCode;
/// use retry_layer::{Classify, Exchange, RetryLayer, Standard, Verdict};
///
/// // This API answers 403 to those who come too often, and 500 for good.
/// let retry = RetryLayer::new().classifier(|exchange: &Exchange<'_>| match exchange.status() {
///     Some(StatusCode::FORBIDDEN) if exchange.headers().is_some_and(|h| h.contains_key("retry-after")) => {
///         Verdict::THROTTLED
///     }
///     Some(StatusCode::INTERNAL_SERVER_ERROR) => Verdict::Final,
///     _ => Standard.classify(exchange),
/// });
/// # let _ = retry;
/// ```
pub trait Classify: Send + Sync + 'static {
    /// The verdict on one attempt.
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict;
}

impl<F> Classify for F
where
    F: Fn(&Exchange<'_>) -> Verdict + Send + Sync + 'static,
{
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict {
        self(exchange)
    }
}

/// The default classifier, by status alone: see [the table](crate#what-is-repeated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standard;

impl Classify for Standard {
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict {
        let Outcome::Answered {
            status, headers, ..
        } = exchange.outcome
        else {
            return Verdict::TRANSIENT;
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS => Verdict::THROTTLED,
            StatusCode::SERVICE_UNAVAILABLE if headers.contains_key(RETRY_AFTER) => {
                Verdict::THROTTLED
            }
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Verdict::TRANSIENT,
            status if status.as_u16() < 400 => Verdict::Success,
            _ => Verdict::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(status: u16, retry_after: bool) -> Verdict {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        if retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
        }
        Standard.classify(&Exchange::answered(&Method::GET, None, 1, &response))
    }

    #[test]
    fn statuses_have_the_documented_verdicts() {
        for status in 100..600 {
            let expected = match status {
                100..400 => Verdict::Success,
                429 => Verdict::THROTTLED,
                408 | 425 | 500 | 502 | 503 | 504 => Verdict::TRANSIENT,
                _ => Verdict::Final,
            };
            assert_eq!(standard(status, false), expected, "{status}");
        }
        assert_eq!(standard(503, true), Verdict::THROTTLED);
        assert_eq!(standard(500, true), Verdict::TRANSIENT);
        assert_eq!(standard(403, true), Verdict::Final);
    }

    #[test]
    fn an_error_is_transient() {
        let error = std::io::Error::other("reset");
        let exchange = Exchange::failed(&Method::POST, None, 2, &error);
        assert_eq!(Standard.classify(&exchange), Verdict::TRANSIENT);
    }
}
