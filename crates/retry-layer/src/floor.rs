//! The shortest pause that a server allows.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::retry_after;

/// What a response asks for: `Retry-After`, and on throttled responses that say nothing of the kind, `RateLimit`.
pub(crate) fn asked(
    headers: &HeaderMap,
    throttled: bool,
    wall: impl Fn() -> SystemTime,
) -> Duration {
    let limit = || if throttled { rate_limit(headers) } else { None };
    let asked = retry_after::wait(headers, wall).or_else(limit);
    asked.unwrap_or_default()
}

#[cfg(feature = "rate-limit")]
fn rate_limit(headers: &HeaderMap) -> Option<Duration> {
    crate::rate_limit::wait(headers)
}

#[cfg(not(feature = "rate-limit"))]
fn rate_limit(_: &HeaderMap) -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_on_throttled_responses_that_have_no_retry_after() {
        let seconds = |headers: &HeaderMap, throttled| {
            asked(headers, throttled, || SystemTime::UNIX_EPOCH).as_secs()
        };
        let mut headers = HeaderMap::new();
        assert_eq!(seconds(&headers, true), 0);
        let limit = r#""a";r=0;t=30"#.parse().expect("a value");
        headers.insert("ratelimit", limit);
        let known = if cfg!(feature = "rate-limit") { 30 } else { 0 };
        assert_eq!(seconds(&headers, true), known);
        assert_eq!(seconds(&headers, false), 0);
        for (text, expected) in [("5", 5), ("0", 0), ("90", 90), ("soon", known)] {
            headers.insert("retry-after", text.parse().expect("a value"));
            assert_eq!(seconds(&headers, true), expected, "{text}");
        }
    }
}
