//! `RateLimit` and `RateLimit-Policy` of draft 7.

use std::convert::Infallible;

use http::HeaderMap;
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};

use super::dialect::Dialect;
use super::ietf::{POLICY, RATE_LIMIT};
use super::items::Param;
use super::policies::Policies;
use super::stated::Stated;
use super::statements::Statements;
use crate::throttle::ResponseHead;

/// `RateLimit` as a dictionary, and `RateLimit-Policy`, as the IETF's draft 7 had them.
///
/// ```text
/// RateLimit: limit=100, remaining=50, reset=5
/// RateLimit-Policy: 100;w=10, 5000;w=3600
/// ```
///
/// Structured fields (RFC 9651). The policy whose quota is the limit gives it its window. Other keys and parameters are comments;
/// a field with anything malformed in it is ignored as a whole, and so is what a cache has kept for a while.
///
/// Source: [draft-ietf-httpapi-ratelimit-headers-07](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-07),
/// sections 3 and, for caches, 5.2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draft7;

impl Dialect for Draft7 {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let headers = head.headers();
        let has = |name| headers.contains_key(name);
        if (has(&RATE_LIMIT) || has(&POLICY)) && !head.is_cached() {
            Policies::of(headers).state(Keys::of(headers).state(), into);
        }
    }
}

/// The keys of the dictionary.
#[derive(Debug, Default)]
struct Keys {
    limit: Param<u64>,
    remaining: Param<u64>,
    reset: Param<u64>,
}

impl Keys {
    fn of(headers: &HeaderMap) -> Self {
        let mut keys = Self::default();
        for line in headers.get_all(&RATE_LIMIT) {
            let line = Parser::new(line.as_bytes());
            if line.parse_dictionary_with_visitor(&mut keys).is_err() {
                return Self::default();
            }
        }
        let all = [&keys.limit, &keys.remaining, &keys.reset];
        if all.into_iter().any(Param::is_malformed) {
            return Self::default();
        }
        keys
    }

    fn state(&self) -> Stated {
        Stated {
            limit: self.limit.get().copied(),
            remaining: self.remaining.get().copied(),
            reset: self.reset.seconds(),
            ..Stated::new()
        }
    }
}

impl<'a> DictionaryVisitor<'a> for &mut Keys {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(match key.as_str() {
            "limit" => Some(Value(&mut self.limit)),
            "remaining" => Some(Value(&mut self.remaining)),
            "reset" => Some(Value(&mut self.reset)),
            _ => None,
        })
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The value of a key that is defined.
struct Value<'k>(&'k mut Param<u64>);

impl<'a> EntryVisitor<'a> for Value<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        *self.0 = Param::Malformed;
        Ok(Ignored)
    }
}

impl<'a> ItemVisitor<'a> for Value<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        value: BareItemFromInput<'a>,
    ) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        *self.0 = Param::count(&value);
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::dialect::read;
    use super::*;

    const P: &str = "RateLimit-Policy";
    const R: &str = "RateLimit";

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_limit_takes_its_window_from_the_policy_with_its_quota() {
        let left = Stated::new().limit(2).remaining(1).reset(s(60));
        let whole = left.window(s(90));
        let hourly = Stated::new().limit(9).window(s(3600));
        for (headers, expected) in [
            (vec![(R, "limit=2, remaining=1, reset=60")], vec![left]),
            (
                vec![(R, "limit=2, remaining=1, reset=60"), (P, "2;w=90")],
                vec![whole],
            ),
            (
                vec![
                    (R, "limit=2, remaining=1, reset=60"),
                    (P, "9;w=3600, 2;w=90;burst=7"),
                ],
                vec![whole, hourly],
            ),
            (
                vec![
                    (R, "limit=2"),
                    (R, "remaining=1,reset=60"),
                    (P, "2;w=90"),
                    (P, "9;w=3600"),
                ],
                vec![whole, hourly],
            ),
            (
                vec![(
                    R,
                    "remaining=1;x=y, mood=(a b), limit=5;w=1, reset=60, limit=2",
                )],
                vec![left],
            ),
            (
                vec![(R, "limit=2, reset=60")],
                vec![Stated::new().limit(2).reset(s(60))],
            ),
            (vec![(P, "9;w=3600")], vec![hourly]),
            (vec![(P, "9")], vec![Stated::new().limit(9)]),
        ] {
            assert_eq!(read(&Draft7, &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_malformed_field_is_ignored_as_a_whole() {
        for value in [
            "",
            "limit",
            "limit=2;",
            "limit=2, remaining=-1",
            "limit=2.0, remaining=1",
            "limit=(2), reset=1",
            "limit=\"2\"",
            "Limit=2",
            "limit=2 remaining=1",
            "limit=2,",
            "limit=2, reset=1e3",
            "limit=1234567890123456",
            "limit=\u{661}",
        ] {
            assert_eq!(read(&Draft7, &[(R, value)]), [], "{value}");
            assert_eq!(
                read(&Draft7, &[(R, value), (P, "9")]),
                [Stated::new().limit(9)],
                "{value}"
            );
        }
        for value in [
            "10;w=1, 10;w=60",
            "10;w=0",
            "10;w=x",
            "-1;w=1",
            "a;w=1",
            "1.5;w=1",
            "(1);w=1",
            "\"a\";q=1;w=1",
        ] {
            assert_eq!(read(&Draft7, &[(P, value)]), [], "{value}");
        }
    }
}
