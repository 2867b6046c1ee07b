//! What `Retry-After` asks for.

use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that the response asks for; `None` where it asks for none, or for nothing that can be understood.
///
/// Both forms of RFC 9110, section 10.2.3: seconds, or a date. A date is read against the response's own `Date`, so that
/// the clocks of client and server need not agree, and against `wall` where there is none. A date in the past is a
/// wait of zero; a number of seconds too large for 64 bits is the largest. Of several fields the longest counts.
pub(crate) fn wait(headers: &HeaderMap, wall: impl Fn() -> SystemTime) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).iter();
    let texts = values.filter_map(|value| value.to_str().ok().map(str::trim));
    texts.filter_map(|text| read(text, headers, &wall)).max()
}

fn read(text: &str, headers: &HeaderMap, wall: impl Fn() -> SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Nothing but digits: the only way to fail is to be too large.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let from = sent_at(headers).unwrap_or_else(wall);
    Some(until.duration_since(from).unwrap_or_default())
}

fn sent_at(headers: &HeaderMap) -> Option<SystemTime> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Mon, 02 Nov 2026 12:00:00 GMT";

    fn wait_for(fields: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a valid value"));
        }
        let noon = httpdate::parse_http_date(NOON).expect("a date");
        wait(&headers, || noon)
    }

    #[test]
    fn seconds_are_read_and_what_is_malformed_is_ignored() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("42", Some(42)),
            (" 7 ", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("5, 10", None),
            ("soon", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(wait_for(&[("retry-after", text)]), expected, "{text:?}");
        }
        assert_eq!(wait_for(&[]), None);
    }

    #[test]
    fn a_date_is_read_against_the_servers_own_date() {
        let field = ("retry-after", "Mon, 02 Nov 2026 13:00:30 GMT");
        let date = ("date", "Mon, 02 Nov 2026 13:00:00 GMT");
        let expected = Some(Duration::from_secs(30));
        assert_eq!(wait_for(&[field, date]), expected);
    }

    #[test]
    fn a_date_without_the_servers_date_is_read_against_the_wall_clock() {
        let expected = Some(Duration::from_secs(5));
        let field = ("retry-after", "Mon, 02 Nov 2026 12:00:05 GMT");
        assert_eq!(wait_for(&[field]), expected);
        assert_eq!(wait_for(&[field, ("date", "today")]), expected);
    }

    #[test]
    fn a_date_in_the_past_is_no_wait() {
        let field = ("retry-after", "Mon, 02 Nov 2026 11:00:00 GMT");
        assert_eq!(wait_for(&[field]), Some(Duration::ZERO));
    }

    #[test]
    fn of_two_fields_the_longer_wait_counts() {
        for values in [["9", "3"], ["3", "9"], ["x", "9"], ["9", "x"]] {
            let fields = values.map(|value| ("retry-after", value));
            let expected = Some(Duration::from_secs(9));
            assert_eq!(wait_for(&fields), expected, "{values:?}");
        }
    }
}
