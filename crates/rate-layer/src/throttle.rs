//! Reads what a response says about the limit.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{AGE, DATE, RETRY_AFTER};
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
        if Self::is_one(head.status) {
            Self::Ours {
                retry_after: head.retry_after(),
            }
        } else {
            Self::No
        }
    }

    /// Whether the status alone says that a limit is exceeded.
    #[inline]
    pub(crate) fn is_one(status: StatusCode) -> bool {
        status == StatusCode::TOO_MANY_REQUESTS
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
    /// The head of `response`: what a test of a classifier or of a [`Dialect`](crate::Dialect) begins with.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use rate_layer::{ResponseHead, Throttle};
    ///
    /// # fn main() -> Result<(), http::Error> {
    /// let response = http::Response::builder().status(429).header("retry-after", "7").body(())?;
    /// let throttle = Throttle::by_status(&ResponseHead::of(&response));
    /// assert_eq!(throttle, Throttle::Ours { retry_after: Some(Duration::from_secs(7)) });
    /// # Ok(())
    /// # }
    /// ```
    pub fn of<B>(response: &'a Response<B>) -> Self {
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
    /// In seconds, or as an HTTP-date in any of its three forms (RFC 9110, sections 10.2.3 and 5.6.7). A date is read against
    /// the response's own `Date`, the earliest if there are several, since the clocks may differ; without one it says nothing.
    /// Malformed values are ignored.
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
        let until = since_epoch(value)?;
        Some(until.saturating_sub(self.date()?))
    }

    /// When the server says that it made the response, since the unix epoch: the earliest `Date` that can be read.
    pub(crate) fn date(&self) -> Option<Duration> {
        let dates = self.headers.get_all(DATE).iter();
        dates
            .filter_map(|date| since_epoch(date.to_str().ok()?.trim()))
            .min()
    }

    /// Whether a cache has kept the response for a while: what it says about limits is not current.
    pub(crate) fn is_cached(&self) -> bool {
        let ages = self.headers.get_all(AGE).iter();
        ages.filter_map(|age| age.to_str().ok()).any(|age| {
            let age = age.trim();
            age.bytes().all(|byte| byte.is_ascii_digit()) && age.bytes().any(|byte| byte != b'0')
        })
    }
}

/// Reads an HTTP-date.
pub(crate) fn since_epoch(date: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(date).ok()?;
    date.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// 1994-11-15 08:12:31 in all three forms of RFC 9110, section 5.6.7: IMF-fixdate, RFC 850 and asctime.
    const NOW: [&str; 3] = [
        "Tue, 15 Nov 1994 08:12:31 GMT",
        "Tuesday, 15-Nov-94 08:12:31 GMT",
        "Tue Nov 15 08:12:31 1994",
    ];
    const IN_FIVE: [&str; 3] = [
        "Tue, 15 Nov 1994 08:12:36 GMT",
        "Tuesday, 15-Nov-94 08:12:36 GMT",
        "Tue Nov 15 08:12:36 1994",
    ];

    fn with_head<T>(headers: &[(HeaderName, &str)], read: impl Fn(ResponseHead<'_>) -> T) -> T {
        let mut response = Response::new(());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            response.headers_mut().append(name, value);
        }
        read(ResponseHead::of(&response))
    }

    fn pause(headers: &[(HeaderName, &str)]) -> Option<Duration> {
        with_head(headers, |head| head.retry_after())
    }

    #[test]
    fn every_form_of_a_date_is_read_against_every_form_of_the_date_of_the_response() {
        for now in NOW {
            for until in IN_FIVE {
                let headers = [(DATE, now), (RETRY_AFTER, until)];
                assert_eq!(
                    pause(&headers),
                    Some(Duration::from_secs(5)),
                    "{now} {until}"
                );
            }
        }
    }

    #[test]
    fn a_date_says_nothing_without_one_to_read_it_against() {
        for until in IN_FIVE {
            assert_eq!(pause(&[(RETRY_AFTER, until)]), None);
            assert_eq!(pause(&[(DATE, "today"), (RETRY_AFTER, until)]), None);
        }
    }

    #[test]
    fn the_longest_of_several_pauses_counts_and_the_earliest_of_several_dates() {
        let both = [
            (DATE, NOW[0]),
            (RETRY_AFTER, IN_FIVE[0]),
            (RETRY_AFTER, "9"),
        ];
        assert_eq!(pause(&both), Some(Duration::from_secs(9)));
        let both = [
            (DATE, NOW[0]),
            (RETRY_AFTER, "3"),
            (RETRY_AFTER, IN_FIVE[0]),
        ];
        assert_eq!(pause(&both), Some(Duration::from_secs(5)));
        let dates = [
            (DATE, IN_FIVE[0]),
            (DATE, "?"),
            (DATE, NOW[0]),
            (RETRY_AFTER, IN_FIVE[0]),
        ];
        assert_eq!(pause(&dates), Some(Duration::from_secs(5)));
    }

    #[test]
    fn dates_that_do_not_exist_say_nothing_and_far_ones_do_no_harm() {
        for until in [
            "Tue, 31 Feb 1995 08:12:31 GMT",
            "Tue, 00 Nov 1994 08:12:31 GMT",
            "Tue, 15 Nov 1994 24:12:31 GMT",
            "Tue, 15 Nov 1994 08:12:60 GMT",
            "Wed, 15 Nov 1994 08:12:31 GMT",
            "Tue, 15 Nov 0000 08:12:31 GMT",
            "Tue, 15 Nov 1994 08:12:31 UTC",
            "Tue, 15 Nov 1994 08:12:31",
            "Tue, 15 Nov 10000 08:12:31 GMT",
            "1994-11-15T08:12:36Z",
            "5 seconds",
            "0x10",
            "5;",
            "\u{661}",
        ] {
            assert_eq!(
                pause(&[(DATE, NOW[0]), (RETRY_AFTER, until)]),
                None,
                "{until}"
            );
        }
        let last = "Fri, 31 Dec 9999 23:59:59 GMT";
        let until = pause(&[(DATE, NOW[0]), (RETRY_AFTER, last)]);
        assert_eq!(until, Some(Duration::from_secs(252_617_413_648)));
        let first = "Thu, 01 Jan 1970 00:00:00 GMT";
        let over = [(DATE, NOW[0]), (RETRY_AFTER, first)];
        assert_eq!(pause(&over), Some(Duration::ZERO));
        let most = Some(Duration::from_secs(u64::MAX));
        assert_eq!(pause(&[(RETRY_AFTER, &"9".repeat(4000))]), most);
    }

    #[test]
    fn a_response_of_some_age_comes_from_a_cache() {
        for (age, expected) in [
            ("0", false),
            ("000", false),
            ("1", true),
            (" 60 ", true),
            ("99999999999999999999999", true),
            ("", false),
            ("-1", false),
            ("1.5", false),
            ("old", false),
        ] {
            let is_cached = with_head(&[(AGE, age)], |head| head.is_cached());
            assert_eq!(is_cached, expected, "{age:?}");
        }
        assert!(!with_head(&[], |head| head.is_cached()));
    }
}
