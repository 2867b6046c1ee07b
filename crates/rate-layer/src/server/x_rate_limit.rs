//! `X-RateLimit-*`, and its many relatives.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::count::{greatest, least};
use super::dialect::Dialect;
use super::reset::ResetForm;
use super::stated::Stated;
use super::statements::Statements;
use crate::throttle::ResponseHead;

/// The headers `X-RateLimit-Limit`, `-Remaining`, `-Used`, `-Reset` and `-Reset-After`, or a family that is spelled alike.
///
/// No standard has them, so servers differ in what a reset is: [`reset`](Self::reset) says which form to expect, where the
/// default [guess](ResetForm::Guess) does not do. `-Reset-After` is always a delay in seconds, and goes before `-Reset`. Of several
/// values that contradict each other the tighter counts; what cannot be read, is negative or overflows is ignored, and so is
/// what a cache has kept for a while.
///
/// ```
/// use std::time::Duration;
///
/// use rate_layer::{Dialect, ResponseHead, Stated, Statements, XRateLimit};
///
/// # fn main() -> Result<(), http::Error> {
/// let requests = XRateLimit::new().suffix("requests");
/// let response = http::Response::builder()
///     .header("x-ratelimit-limit-requests", "60")
///     .header("x-ratelimit-remaining-requests", "59")
///     .header("x-ratelimit-reset-requests", "1m0.5s")
///     .body(())?;
/// let mut statements = Statements::new();
/// requests.read(&ResponseHead::of(&response), &mut statements);
/// let reset = Duration::from_millis(60_500);
/// assert_eq!(statements.as_slice(), [Stated::new().limit(60).remaining(59).reset(reset)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct XRateLimit {
    limit: HeaderName,
    remaining: HeaderName,
    used: HeaderName,
    reset: HeaderName,
    reset_after: HeaderName,
    form: ResetForm,
    window: Option<Duration>,
}

/// `X-RateLimit-*`, as at GitHub, Discord and Reddit.
pub(super) static X_RATELIMIT: XRateLimit = XRateLimit {
    limit: HeaderName::from_static("x-ratelimit-limit"),
    remaining: HeaderName::from_static("x-ratelimit-remaining"),
    used: HeaderName::from_static("x-ratelimit-used"),
    reset: HeaderName::from_static("x-ratelimit-reset"),
    reset_after: HeaderName::from_static("x-ratelimit-reset-after"),
    form: ResetForm::Guess,
    window: None,
};

/// `X-Rate-Limit-*`, as at X.
pub(super) static X_RATE_LIMIT: XRateLimit = XRateLimit {
    limit: HeaderName::from_static("x-rate-limit-limit"),
    remaining: HeaderName::from_static("x-rate-limit-remaining"),
    used: HeaderName::from_static("x-rate-limit-used"),
    reset: HeaderName::from_static("x-rate-limit-reset"),
    reset_after: HeaderName::from_static("x-rate-limit-reset-after"),
    form: ResetForm::Guess,
    window: None,
};

impl XRateLimit {
    /// Reads `X-RateLimit-*`.
    #[must_use]
    pub fn new() -> Self {
        X_RATELIMIT.clone()
    }

    /// Reads headers with another prefix, such as `x-rate-limit` or `anthropic-ratelimit-requests`.
    ///
    /// # Panics
    ///
    /// If a header's name can not begin like that.
    #[must_use]
    pub fn prefixed(prefix: &str) -> Self {
        let name = |part: &str| header(&format!("{prefix}-{part}"));
        Self {
            limit: name("limit"),
            remaining: name("remaining"),
            used: name("used"),
            reset: name("reset"),
            reset_after: name("reset-after"),
            form: ResetForm::Guess,
            window: None,
        }
    }

    /// Reads headers whose names end in a dash and `suffix` besides, such as `requests` in `X-RateLimit-Limit-Requests`.
    ///
    /// # Panics
    ///
    /// If a header's name can not end like that.
    #[must_use]
    pub fn suffix(self, suffix: &str) -> Self {
        let longer = |name: &HeaderName| header(&format!("{name}-{suffix}"));
        Self {
            limit: longer(&self.limit),
            remaining: longer(&self.remaining),
            used: longer(&self.used),
            reset: longer(&self.reset),
            reset_after: longer(&self.reset_after),
            ..self
        }
    }

    /// States the form of the reset; by default it is [told from the value](ResetForm::Guess).
    #[must_use]
    pub fn reset(mut self, form: ResetForm) -> Self {
        self.form = form;
        self
    }

    /// States how long the window is, which these headers do not say.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut names = [
            &self.limit,
            &self.remaining,
            &self.used,
            &self.reset,
            &self.reset_after,
        ]
        .into_iter();
        names.any(|name| headers.contains_key(name))
    }

    fn delay(&self, head: &ResponseHead<'_>) -> Option<Duration> {
        let longest = |field: &HeaderName, form: ResetForm| {
            let lines = head.headers().get_all(field).into_iter();
            lines
                .filter_map(|line| form.read(line.to_str().ok()?.trim(), head))
                .max()
        };
        longest(&self.reset_after, ResetForm::Seconds).or_else(|| longest(&self.reset, self.form))
    }
}

impl Default for XRateLimit {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialect for XRateLimit {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let headers = head.headers();
        if !self.is_in(headers) || head.is_cached() {
            return;
        }
        let stated = Stated {
            limit: least(headers, &self.limit),
            remaining: least(headers, &self.remaining),
            used: greatest(headers, &self.used),
            reset: self.delay(head),
            window: None,
        };
        if stated != Stated::new() {
            into.push(Stated {
                window: self.window,
                ..stated
            });
        }
    }
}

fn header(name: &str) -> HeaderName {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("no header can be called {name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::read;
    use super::*;

    const L: &str = "X-RateLimit-Limit";
    const M: &str = "X-RateLimit-Remaining";
    const U: &str = "X-RateLimit-Used";
    const T: &str = "X-RateLimit-Reset";
    const DATE: (&str, &str) = ("Date", "Tue, 05 Jan 2021 10:59:00 GMT");

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn resets(dialect: &XRateLimit, value: &str, date: Option<(&str, &str)>) -> Option<Duration> {
        let headers: Vec<_> = [Some((T, value)), date].into_iter().flatten().collect();
        read(dialect, &headers)
            .first()
            .and_then(|stated| stated.reset)
    }

    #[test]
    fn the_counts_are_the_tightest_of_those_that_can_be_read() {
        for (headers, expected) in [
            (
                vec![(L, "60"), (M, "59"), (U, "1")],
                Stated::new().limit(60).remaining(59).used(1),
            ),
            (
                vec![(M, "599.0"), (U, "1.5")],
                Stated::new().remaining(599).used(2),
            ),
            (
                vec![(M, "7"), (M, "5"), (L, "9, 8"), (U, "1"), (U, "2")],
                Stated::new().limit(8).remaining(5).used(2),
            ),
            (vec![(M, "-1"), (L, "100")], Stated::new().limit(100)),
            (
                vec![(M, "many"), (M, "3"), (L, "1e9")],
                Stated::new().remaining(3),
            ),
            (
                vec![(L, "99999999999999999999"), (M, "0")],
                Stated::new().remaining(0),
            ),
            (vec![(L, "\u{661}"), (M, "0")], Stated::new().remaining(0)),
            (vec![(L, "100, 100;window=60")], Stated::new().limit(100)),
        ] {
            assert_eq!(
                read(&XRateLimit::new(), &headers),
                [expected],
                "{headers:?}"
            );
        }
        assert_eq!(read(&XRateLimit::new(), &[(M, "-1"), (T, "soon")]), []);
        assert_eq!(read(&XRateLimit::new(), &[(M, "1"), ("Age", "3")]), []);
    }

    #[test]
    fn the_form_of_a_reset_is_told_from_its_value() {
        for (value, with_date, without) in [
            ("0", Some(ms(0)), Some(ms(0))),
            ("60", Some(ms(60_000)), Some(ms(60_000))),
            ("0.25", Some(ms(250)), Some(ms(250))),
            ("31622400", Some(Stated::LONGEST), Some(Stated::LONGEST)),
            ("31622401", None, None),
            ("999999999", None, None),
            ("1609844400", Some(ms(60_000)), None),
            ("1609844400.5", Some(ms(60_500)), None),
            ("1609844400000", Some(ms(60_000)), None),
            ("1609844400123", Some(ms(60_123)), None),
            ("1609844000", Some(ms(0)), None),
            ("6m0s", Some(ms(360_000)), Some(ms(360_000))),
            ("12ms", Some(ms(12)), Some(ms(12))),
            ("1h2m3.5s", Some(ms(3_723_500)), Some(ms(3_723_500))),
            ("2021-01-05T11:00:00Z", Some(ms(60_000)), None),
            ("2021-01-05T12:00:00.5+01:00", Some(ms(60_500)), None),
            ("Tue, 05 Jan 2021 11:00:00 GMT", Some(ms(60_000)), None),
            ("99999999999", None, None),
            ("18446744073709551615", None, None),
            ("999999999999999999999", None, None),
            ("-60", None, None),
            ("", None, None),
            ("400d", None, None),
            ("9999-12-31T23:59:59Z", None, None),
        ] {
            let dialect = XRateLimit::new();
            assert_eq!(resets(&dialect, value, Some(DATE)), with_date, "{value}");
            assert_eq!(
                resets(&dialect, value, None),
                without,
                "{value} without a date"
            );
        }
    }

    #[test]
    fn a_stated_form_is_the_only_one_that_is_read() {
        let values = [
            "90",
            "1609844400",
            "1609844400000",
            "6m0s",
            "2021-01-05T11:00:00Z",
        ];
        for (form, expected) in [
            (ResetForm::Seconds, [Some(90_000), None, None, None, None]),
            (
                ResetForm::UnixSeconds,
                [Some(0), Some(60_000), None, None, None],
            ),
            (
                ResetForm::UnixMillis,
                [Some(0), Some(0), Some(60_000), None, None],
            ),
            (ResetForm::Duration, [None, None, None, Some(360_000), None]),
            (ResetForm::Timestamp, [None, None, None, None, Some(60_000)]),
        ] {
            let dialect = XRateLimit::new().reset(form);
            let read = values.map(|value| resets(&dialect, value, Some(DATE)));
            assert_eq!(read, expected.map(|reset| reset.map(ms)), "{form:?}");
        }
    }

    #[test]
    fn a_delay_goes_before_a_moment_and_the_longest_of_several_counts() {
        let after = ("X-RateLimit-Reset-After", "1.5");
        let reset = |headers: &[(&str, &str)]| read(&XRateLimit::new(), headers)[0].reset;
        assert_eq!(reset(&[DATE, (T, "1609844400"), after]), Some(ms(1_500)));
        assert_eq!(
            reset(&[(T, "5"), (T, "soon"), (T, "9"), (T, "7")]),
            Some(ms(9_000))
        );
        // The earliest date makes the longest reset.
        let later = ("Date", "Tue, 05 Jan 2021 10:59:30 GMT");
        assert_eq!(reset(&[later, DATE, (T, "1609844400")]), Some(ms(60_000)));
    }

    #[test]
    fn a_family_may_have_another_prefix_and_a_suffix_and_a_window_that_is_known() {
        let kong = XRateLimit::new().suffix("Minute").window(ms(60_000));
        let headers = [
            ("x-ratelimit-limit-minute", "10"),
            ("x-ratelimit-remaining-minute", "9"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("x-rate-limit-limit", "900"),
            ("x-rate-limit-reset", "60"),
        ];
        let expected = Stated::new().limit(10).remaining(9).window(ms(60_000));
        assert_eq!(read(&kong, &headers), [expected]);
        let anthropic = XRateLimit::prefixed("Anthropic-RateLimit-Requests");
        assert_eq!(read(&anthropic, &headers), [Stated::new().limit(50)]);
        let expected = Stated::new().limit(900).reset(ms(60_000));
        assert_eq!(read(&X_RATE_LIMIT, &headers), [expected]);
        assert_eq!(read(&kong, &[]), [], "a window alone is no statement");
    }

    #[test]
    fn the_names_that_are_ready_made_are_those_that_would_be_made() {
        for (ready, made) in [
            (&X_RATELIMIT, "x-ratelimit"),
            (&X_RATE_LIMIT, "x-rate-limit"),
        ] {
            let made = format!("{:?}", XRateLimit::prefixed(made));
            assert_eq!(format!("{ready:?}"), made);
        }
    }

    #[test]
    #[should_panic(expected = "no header can be called \"x ratelimit-limit\"")]
    fn a_prefix_that_no_header_can_have_is_refused() {
        let _ = XRateLimit::prefixed("x ratelimit");
    }
}
