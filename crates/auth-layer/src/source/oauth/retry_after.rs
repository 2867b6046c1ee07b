//! What a token endpoint says about when to come again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The pause that `Retry-After` asks for (RFC 9110, section 10.2.3): seconds, or a date, which is held against the server's own
/// `Date` where there is one, and against `now` otherwise. The slot caps it.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let since = date.and_then(|date| httpdate::parse_http_date(date).ok());
    until.duration_since(since.unwrap_or(now)).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pause(text: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        let now = SystemTime::UNIX_EPOCH + SECOND * 784_111_777;
        retry_after(&headers, now)
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(pause("120", None), Some(SECOND * 120));
        assert_eq!(pause("0", None), Some(Duration::ZERO));
        let date = "Sun, 06 Nov 1994 08:50:37 GMT";
        assert_eq!(pause(date, None), Some(SECOND * 60));
        // The server's clock is what its date is by.
        assert_eq!(
            pause(date, Some("Sun, 06 Nov 1994 08:50:30 GMT")),
            Some(SECOND * 7)
        );
        assert_eq!(pause(date, Some("yesterday")), Some(SECOND * 60));
    }

    #[test]
    fn nonsense_asks_for_nothing_and_huge_numbers_do_not_overflow() {
        for text in ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:30 GMT"] {
            assert_eq!(pause(text, None), None, "{text}");
        }
        let huge = pause("99999999999999999999999", None);
        assert_eq!(huge, Some(Duration::from_secs(u64::MAX)));
    }
}
