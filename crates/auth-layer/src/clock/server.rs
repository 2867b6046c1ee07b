//! What time it is at the server: learned from `Date`, carried on by both clocks of this machine.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE};

use super::Moment;

/// `Date` names the second in which the answer was made; by the end of it the answer may just have left.
const RESOLUTION: Duration = Duration::from_secs(1);

/// The time at the server, as of one moment here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerTime {
    learned: Moment,
    time: SystemTime,
}

impl ServerTime {
    /// Reads the `Date` of an answer that arrived at `now` (RFC 9110, section 6.6.1).
    ///
    /// An answer with an `Age` comes out of a cache, and its `Date` with it: that tells nothing. The end of the stated
    /// second is taken, so that tokens end early rather than late; how long the answer was under way is not known, and not made up.
    pub(crate) fn read(headers: &HeaderMap, now: Moment) -> Option<Self> {
        if headers.contains_key(AGE) {
            return None;
        }
        let mut dates = headers.get_all(DATE).iter();
        let date = dates.next()?.to_str().ok()?;
        if dates.next().is_some() {
            return None;
        }
        let date = httpdate::parse_http_date(date).ok()?;
        Some(Self {
            learned: now,
            time: date.checked_add(RESOLUTION)?,
        })
    }

    /// The time at the server when it is `now` here.
    ///
    /// The clock that has come further counts: the monotonic one stands still while the machine sleeps. A wall clock that was set
    /// forward since then makes tokens end early, until the next answer sets this right.
    pub(crate) fn at(&self, now: Moment) -> SystemTime {
        let mono = now.mono.saturating_duration_since(self.learned.mono);
        let wall = now.wall.duration_since(self.learned.wall);
        let passed = mono.max(wall.unwrap_or_default());
        self.time.checked_add(passed).unwrap_or(self.time)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tokio::time::Instant;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn moment(wall: u64) -> Moment {
        Moment {
            mono: Instant::now(),
            wall: at(wall),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn headers(dates: &[&'static str]) -> HeaderMap {
        let dates = dates
            .iter()
            .map(|date| (DATE, HeaderValue::from_static(date)));
        dates.collect()
    }

    #[test]
    fn the_servers_time_is_the_end_of_the_second_that_it_names() {
        let now = moment(5);
        let learned = ServerTime::read(&headers(&["Thu, 01 Jan 1970 01:00:00 GMT"]), now);
        assert_eq!(learned.map(|time| time.at(now)), Some(at(3601)));
    }

    #[test]
    fn it_goes_on_with_the_clock_that_has_come_further() {
        let now = moment(5);
        let learned = ServerTime::read(&headers(&["Thu, 01 Jan 1970 01:00:00 GMT"]), now);
        let server = learned.expect("a date");
        let both = now.after(HOUR);
        assert_eq!(server.at(both), at(7201));
        // Asleep for an hour; set back by as much, or by more.
        let mono = now.mono;
        assert_eq!(server.at(Moment { mono, ..both }), at(7201));
        let wall = now.wall;
        assert_eq!(server.at(Moment { wall, ..both }), at(7201));
        let wall = at(0);
        assert_eq!(server.at(Moment { wall, ..both }), at(7201));
    }

    #[test]
    fn no_date_two_dates_a_bad_one_or_one_of_a_cache_tell_nothing() {
        let now = moment(5);
        let good = "Thu, 01 Jan 1970 01:00:00 GMT";
        let mut cached = headers(&[good]);
        cached.insert(AGE, HeaderValue::from_static("0"));
        for headers in [
            headers(&[]),
            headers(&[good, good]),
            headers(&["yesterday"]),
            headers(&["Thu, 01 Jan 9999999 01:00:00 GMT"]),
            cached,
        ] {
            assert_eq!(ServerTime::read(&headers, now), None, "{headers:?}");
        }
    }
}
