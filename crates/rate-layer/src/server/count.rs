//! Counts in header lines.

use http::{HeaderMap, HeaderName};

/// The least of the counts in `field`, rounded down.
pub(super) fn least(headers: &HeaderMap, field: &HeaderName) -> Option<u64> {
    counts(headers, field).map(|(whole, _)| whole).min()
}

/// The greatest of the counts in `field`, rounded up.
pub(super) fn greatest(headers: &HeaderMap, field: &HeaderName) -> Option<u64> {
    let counts = counts(headers, field);
    counts
        .map(|(whole, is_more)| whole.saturating_add(u64::from(is_more)))
        .max()
}

/// Reads counts from all lines, which an intermediary may have joined by commas: the whole part, and whether there is more.
fn counts(headers: &HeaderMap, field: &HeaderName) -> impl Iterator<Item = (u64, bool)> {
    let lines = headers.get_all(field).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(count)
}

fn count(text: &str) -> Option<(u64, bool)> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    Some((whole.parse().ok()?, is_more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_digits_with_or_without_a_fraction() {
        for (text, expected) in [
            ("0", Some((0, false))),
            (" 17 ", Some((17, false))),
            ("599.0", Some((599, false))),
            ("599.01", Some((599, true))),
            ("007", Some((7, false))),
            ("18446744073709551615", Some((u64::MAX, false))),
            ("18446744073709551616", None),
            ("", None),
            (".", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1_000", None),
            ("1 0", None),
            ("1.2.3", None),
            ("NaN", None),
            ("inf", None),
            ("\u{661}", None),
        ] {
            assert_eq!(count(text), expected, "{text:?}");
        }
    }
}
