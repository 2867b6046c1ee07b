//! Times as text: decimal seconds, durations, RFC 3339.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Reads seconds, whole or with a fraction: `5`, `0.25`.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, nanos(fraction)?),
        None => (text, 0),
    };
    Some(Duration::new(digits(whole)?, fraction))
}

/// Reads a duration of one or more numbers with units, as Go prints them: `6m0s`, `12ms`, `1h2m3.5s`; days as well.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split(rest, |byte| byte.is_ascii_digit() || byte == b'.');
        let (unit, after) = split(after, |byte| byte.is_ascii_alphabetic());
        let number = seconds(number)?;
        let part = match unit {
            "d" => number.checked_mul(DAY as u32)?,
            "h" => number.checked_mul(HOUR as u32)?,
            "m" => number.checked_mul(MINUTE as u32)?,
            "s" => number,
            "ms" => number / 1_000,
            "us" => number / 1_000_000,
            "ns" => number / 1_000_000_000,
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Reads a date and time of RFC 3339, since the unix epoch: `2026-11-27T15:10:36Z`, `2026-11-27T16:10:36.5+01:00`.
///
/// Seconds may be missing, as some servers leave them out. Dates before 1970 are none.
pub(super) fn rfc3339(text: &str) -> Option<Duration> {
    let (year, rest) = (digits(text.get(..4)?)?, text.get(4..)?);
    let (month, rest) = two_digits(rest.strip_prefix('-')?)?;
    let (day, rest) = two_digits(rest.strip_prefix('-')?)?;
    let (hour, rest) = two_digits(rest.strip_prefix(['T', 't', ' '])?)?;
    let (minute, rest) = two_digits(rest.strip_prefix(':')?)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => split(rest, |byte| byte.is_ascii_digit() || byte == b'.'),
        None => ("00", rest),
    };
    let whole = second.split('.').next().unwrap_or_default();
    let is_time = hour < 24 && minute < 60 && whole.len() == 2;
    let second = seconds(second)?;
    // 60 is a leap second, the same as the next minute's first.
    if !is_time || second >= Duration::from_secs(61) {
        return None;
    }
    let (is_east, offset) = zone(rest)?;
    let clock = hour * HOUR + minute * MINUTE;
    let local = Duration::from_secs(days(year, month, day)? * DAY + clock) + second;
    if is_east {
        local.checked_sub(offset)
    } else {
        Some(local + offset)
    }
}

/// The offset of `Z`, `+01:00` or `-01:00`, and whether it is east.
fn zone(text: &str) -> Option<(bool, Duration)> {
    if matches!(text, "Z" | "z") {
        return Some((true, Duration::ZERO));
    }
    let is_east = text.starts_with('+');
    let (hours, rest) = two_digits(text.strip_prefix(['+', '-'])?)?;
    let (minutes, rest) = two_digits(rest.strip_prefix(':')?)?;
    let is_offset = rest.is_empty() && hours < 24 && minutes < 60;
    is_offset.then(|| {
        (
            is_east,
            Duration::from_secs(hours * HOUR + minutes * MINUTE),
        )
    })
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_century = year.is_multiple_of(100);
    let is_leap = year.is_multiple_of(if is_century { 400 } else { 4 });
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if day == 0 || day > *lengths.get(before)? || year < 1970 {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    Some(years + lengths.iter().take(before).sum::<u64>() + day - 1)
}

/// Reads a number that is all digits.
fn digits(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}

fn two_digits(text: &str) -> Option<(u64, &str)> {
    Some((digits(text.get(..2)?)?, text.get(2..)?))
}

/// Reads the digits behind a decimal point; those behind the ninth are dropped.
fn nanos(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

/// Splits `text` where `belongs` first does not hold.
fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !belongs(byte));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_have_digits_on_both_sides_of_the_point_or_no_point() {
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            ("5", Some(Duration::from_secs(5))),
            ("0.25", Some(Duration::from_millis(250))),
            ("1.0000000019", Some(Duration::new(1, 1))),
            (
                "18446744073709551615.9",
                Some(Duration::new(u64::MAX, 900_000_000)),
            ),
            ("18446744073709551616", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-5", None),
            ("1e3", None),
            ("1.5.5", None),
            ("5 ", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_are_numbers_with_units() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("6m0s", Some(ms(360_000))),
            ("12ms", Some(ms(12))),
            ("1h2m3.5s", Some(ms(3_723_500))),
            ("1d", Some(ms(86_400_000))),
            ("8.64s", Some(ms(8_640))),
            ("1.5h", Some(ms(5_400_000))),
            ("250us", Some(Duration::from_micros(250))),
            ("7ns", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("", None),
            ("s", None),
            ("5", None),
            ("5m3", None),
            ("-5s", None),
            ("5 s", None),
            ("5w", None),
            ("5S", None),
            ("1.s", None),
            ("\u{663}s", None),
            ("5\u{b5}s", None),
            ("18446744073709551615h", None),
            ("18446744073709551615s18446744073709551615s", None),
        ] {
            let rounded = duration(text).map(|time| {
                if time < Duration::from_micros(1) {
                    Duration::ZERO
                } else {
                    time
                }
            });
            assert_eq!(rounded, expected, "{text:?}");
        }
    }

    #[test]
    fn a_date_of_rfc_3339_may_have_a_fraction_and_an_offset() {
        let at = |seconds, ms| Some(Duration::from_secs(seconds) + Duration::from_millis(ms));
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", at(0, 0)),
            ("2021-01-05T11:00:00Z", at(1_609_844_400, 0)),
            ("2021-01-05t11:00:00.250z", at(1_609_844_400, 250)),
            ("2021-01-05 12:00:00+01:00", at(1_609_844_400, 0)),
            ("2021-01-05T03:30:00-07:30", at(1_609_844_400, 0)),
            ("2021-01-05T11:00Z", at(1_609_844_400, 0)),
            ("2016-12-31T23:59:60Z", at(1_483_228_800, 0)),
            ("2000-02-29T00:00:00Z", at(951_782_400, 0)),
            ("9999-12-31T23:59:59Z", at(253_402_300_799, 0)),
            ("1970-01-01T00:00:00+00:01", None),
            ("1969-12-31T23:59:59Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2001-02-29T00:00:00Z", None),
            ("2021-00-05T11:00:00Z", None),
            ("2021-13-05T11:00:00Z", None),
            ("2021-01-00T11:00:00Z", None),
            ("2021-01-32T11:00:00Z", None),
            ("2021-01-05T24:00:00Z", None),
            ("2021-01-05T11:60:00Z", None),
            ("2021-01-05T11:00:61Z", None),
            ("2021-01-05T11:00:0Z", None),
            ("2021-01-05T11:00:00", None),
            ("2021-01-05T11:00:00+1:00", None),
            ("2021-01-05T11:00:00+24:00", None),
            ("2021-01-05T11:00:00Zz", None),
            ("2021-01-05T11:00:00.Z", None),
            ("2021-01-05", None),
            ("20210105T110000Z", None),
            ("+021-01-05T11:00:00Z", None),
            ("2\u{e4}1-01-05T11:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn dates_agree_with_those_of_httpdate(seconds in 0_u64..253_402_300_800) {
            let time = Duration::from_secs(seconds);
            // Such as `Sun, 06 Nov 1994 08:49:37 GMT`.
            let date = httpdate::fmt_http_date(UNIX_EPOCH + time);
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = 1 + months.iter().position(|&month| month == &date[8..11]).expect("a month");
            let text = format!("{}-{month:02}-{}T{}Z", &date[12..16], &date[5..7], &date[17..25]);
            prop_assert_eq!(rfc3339(&text), Some(time), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[0-9dhmsnu.:TZ+ -]{0,24}|\\PC{0,12}") {
            let _ = (seconds(&text), duration(&text), rfc3339(&text));
        }
    }
}
