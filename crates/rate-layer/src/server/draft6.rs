//! `RateLimit-Limit`, `-Remaining` and `-Reset` of draft 6 and its forerunners.

use http::{HeaderMap, HeaderName};

use super::dialect::Dialect;
use super::items::{Items, Name};
use super::policies::Policies;
use super::reset::ResetForm;
use super::stated::Stated;
use super::statements::Statements;
use crate::throttle::ResponseHead;

pub(super) static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(super) static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(super) static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, as the IETF's drafts up to 6 had them.
///
/// ```text
/// RateLimit-Limit: 100
/// RateLimit-Remaining: 50
/// RateLimit-Reset: 5
/// RateLimit-Policy: 100;w=10
/// ```
///
/// The reset is in seconds from the response on. The policy whose quota is the limit gives it its window; before draft 4 policies
/// followed the limit in its own field (`100, 100;w=10`). Of several lines that contradict each other the tighter counts; a
/// line with anything malformed in it is ignored, and so is what a cache has kept for a while.
///
/// Beyond the drafts, since it is met: a `w` at the limit itself (`100;w=10`, as Docker Hub sends it) is its window where no
/// policy gives one; and a reset of a thousand million or more is no delay but unix time (as GitLab sends it), in seconds or
/// milliseconds, read against the response's `Date`.
///
/// Source: [draft-ietf-httpapi-ratelimit-headers-06](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06),
/// sections 3 and, for caches, 5.2; [draft 3](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-03) for the
/// policies in the limit's field.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft6;

impl Dialect for Draft6 {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let headers = head.headers();
        let has = |name| headers.contains_key(name);
        if !(has(&LIMIT) || has(&REMAINING) || has(&RESET)) || head.is_cached() {
            return;
        }
        let mut policies = Policies::of(headers);
        let stated = Stated {
            remaining: numbers(headers, &REMAINING).min(),
            reset: numbers(headers, &RESET)
                .filter_map(|reset| ResetForm::Guess.number(reset, head))
                .max(),
            ..limit(headers, &mut policies)
        };
        policies.state(stated, into);
    }
}

/// Reads the limit, and adds the policies that follow it.
fn limit(headers: &HeaderMap, policies: &mut Policies) -> Stated {
    let mut stated = Stated::new();
    for line in headers.get_all(&LIMIT) {
        let items = Items::numbers(line.as_bytes());
        let mut items = items.iter();
        let Some(first) = items.next() else {
            continue;
        };
        if let Name::Number(limit) = first.name
            && stated.limit.is_none_or(|other| limit < other)
        {
            stated.limit = Some(limit);
            stated.window = first.w.seconds();
        }
        items.for_each(|item| policies.add(item));
    }
    stated
}

fn numbers(headers: &HeaderMap, field: &HeaderName) -> impl Iterator<Item = u64> {
    let lines = headers.get_all(field).into_iter();
    lines.flat_map(|line| {
        let items = Items::numbers(line.as_bytes());
        let mut numbers = [None; Statements::CAPACITY];
        for (number, item) in numbers.iter_mut().zip(items.iter()) {
            if let Name::Number(value) = item.name {
                *number = Some(value);
            }
        }
        numbers.into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::dialect::read;
    use super::*;

    const L: &str = "RateLimit-Limit";
    const M: &str = "RateLimit-Remaining";
    const T: &str = "RateLimit-Reset";
    const P: &str = "RateLimit-Policy";

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_three_fields_are_one_statement_with_the_window_of_the_policy_that_has_its_quota() {
        let left = Stated::new().limit(100).remaining(50).reset(s(5));
        let whole = left.window(s(10));
        let hourly = Stated::new().limit(5000).window(s(3600));
        let all = |policies: &[(&'static str, &'static str)]| {
            [policies, &[(L, "100"), (M, "50"), (T, "5")]].concat()
        };
        for (headers, expected) in [
            (all(&[]), vec![left]),
            (all(&[(P, "100;w=10")]), vec![whole]),
            (
                all(&[(P, "5000;w=3600, 100;w=10;burst=1000")]),
                vec![whole, hourly],
            ),
            (all(&[(P, r#""named";q=100;w=10"#)]), vec![left]),
            // Before draft 4.
            (vec![(L, "100, 100;w=10"), (M, "50"), (T, "5")], vec![whole]),
            (
                vec![(L, "100, 100;w=10, 5000;w=3600"), (M, "50"), (T, "5")],
                vec![whole, hourly],
            ),
            // Docker Hub.
            (vec![(L, "100;w=10"), (M, "50;w=10"), (T, "5")], vec![whole]),
            // In part.
            (vec![(M, "0")], vec![Stated::new().remaining(0)]),
            (vec![(T, "5")], vec![Stated::new().reset(s(5))]),
            // Twice: the tighter.
            (
                vec![
                    (L, "200;w=7"),
                    (L, "100"),
                    (M, "50"),
                    (M, "60"),
                    (T, "5"),
                    (T, "3"),
                ],
                vec![left],
            ),
            (vec![(L, "100"), (M, "60, 50"), (T, "5, 3")], vec![left]),
            (
                vec![(L, "100, 100;w=10"), (P, "100;w=9"), (M, "50"), (T, "5")],
                vec![whole],
            ),
        ] {
            assert_eq!(read(&Draft6, &headers), expected, "{headers:?}");
        }
        assert_eq!(
            read(&Draft6, &[(P, "100;w=10")]),
            [],
            "a policy alone is draft 7's"
        );
    }

    #[test]
    fn malformed_lines_are_ignored() {
        for value in [
            "",
            "-1",
            "1.5",
            "\"5\"",
            "five",
            "5 5",
            "5,",
            "99999999999999999999",
            "+5",
            "0x5",
            "5;",
            "\u{663}",
        ] {
            assert_eq!(
                read(&Draft6, &[(L, value), (M, value), (T, value)]),
                [],
                "{value}"
            );
            let with_good = [(M, value), (M, "7"), (T, value), (T, "8")];
            let good = Stated::new().remaining(7).reset(s(8));
            assert_eq!(read(&Draft6, &with_good), [good], "{value}");
        }
    }

    #[test]
    fn a_reset_that_can_only_be_unix_time_is_read_against_the_date() {
        let date = ("Date", "Tue, 15 Nov 1994 08:12:31 GMT");
        let at = |reset| read(&Draft6, &[date, (T, reset)]);
        assert_eq!(at("1000000000"), [], "more than a year later");
        assert_eq!(read(&Draft6, &[(T, "1609844400")]), [], "no date");
        let date = ("Date", "Tue, 05 Jan 2021 10:59:00 GMT");
        let minute = [Stated::new().reset(s(60))];
        assert_eq!(read(&Draft6, &[date, (T, "1609844400")]), minute);
        assert_eq!(read(&Draft6, &[date, (T, "1609844400000")]), minute);
    }
}
