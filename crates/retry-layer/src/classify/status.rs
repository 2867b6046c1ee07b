//! The verdicts of HTTP's own status codes.

use http::StatusCode;
use http::header::RETRY_AFTER;

use super::{Classify, Exchange, Verdict};

/// The default classifier: answers by their status alone, and all errors as transient. See [the table](crate#what-is-repeated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusClassifier;

impl Classify for StatusClassifier {
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict {
        let (Some(status), Some(headers)) = (exchange.status(), exchange.headers()) else {
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
    use http::{HeaderValue, Method, Response, Uri};

    use super::*;
    use crate::Facts;

    fn standard(status: u16, retry_after: bool) -> Verdict {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        if retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let uri = Uri::default();
        let facts = Facts::new(&Method::GET, &uri);
        StatusClassifier.classify(&Exchange::answered(facts, &response))
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
        let uri = Uri::default();
        let exchange = Exchange::failed(Facts::new(&Method::POST, &uri), &error);
        assert_eq!(StatusClassifier.classify(&exchange), Verdict::TRANSIENT);
    }
}
