//! What can be read without being told which server it is.

use http::{HeaderMap, HeaderName};

use super::dialect::Dialect;
use super::draft6::{self, Draft6};
use super::draft7::Draft7;
use super::ietf::{self, Ietf};
use super::statements::Statements;
use super::x_rate_limit::{X_RATE_LIMIT, X_RATELIMIT};
use crate::throttle::ResponseHead;

/// The dialects that need no telling apart: [`Ietf`], [`Draft7`], [`Draft6`], and `X-RateLimit-*` and `X-Rate-Limit-*` with a
/// [guess](crate::ResetForm::Guess) at the form of their resets.
///
/// A response may speak several of them, about one limit or about different ones; all are read. Where it speaks none, one glance
/// at the names of its headers is all that happens.
///
/// A server whose own dialect comes on top takes both:
///
/// ```
/// use rate_layer::{Dialect, ResponseHead, Standard, Statements, XRateLimit};
///
/// fn openai() -> impl Dialect {
///     let requests = XRateLimit::new().suffix("requests");
///     move |head: &ResponseHead<'_>, into: &mut Statements| {
///         requests.read(head, into);
///         Standard.read(head, into);
///     }
/// }
/// # let _ = openai();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

/// Which families of headers a response has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Families {
    /// `RateLimit`.
    rate_limit: bool,
    /// `RateLimit-Policy`.
    policy: bool,
    /// `RateLimit-Limit` and the like.
    apart: bool,
    /// `X-RateLimit-Limit` and the like.
    x_ratelimit: bool,
    /// `X-Rate-Limit-Limit` and the like.
    x_rate_limit: bool,
}

impl Dialect for Standard {
    fn read(&self, head: &ResponseHead<'_>, into: &mut Statements) {
        let families = Families::of(head.headers());
        if families == Families::default() {
            return;
        }
        if families.apart {
            Draft6.read(head, into);
        }
        if families.rate_limit || families.policy {
            let before = into.len();
            Ietf.read(head, into);
            // Draft 6 has read policies without names already.
            let is_older = into.len() == before && (families.rate_limit || !families.apart);
            if is_older {
                Draft7.read(head, into);
            }
        }
        if families.x_ratelimit {
            X_RATELIMIT.read(head, into);
        }
        if families.x_rate_limit {
            X_RATE_LIMIT.read(head, into);
        }
    }
}

impl Families {
    fn of(headers: &HeaderMap) -> Self {
        let mut families = Self::default();
        headers.keys().for_each(|name| families.add(name));
        families
    }

    fn add(&mut self, name: &HeaderName) {
        let text = name.as_str();
        if let Some(rest) = text.strip_prefix("x-rate") {
            self.x_ratelimit |= rest.starts_with("limit-");
            self.x_rate_limit |= rest.starts_with("-limit-");
        } else if text.starts_with("ratelimit") {
            self.rate_limit |= *name == ietf::RATE_LIMIT;
            self.policy |= *name == ietf::POLICY;
            let apart = [&draft6::LIMIT, &draft6::REMAINING, &draft6::RESET];
            self.apart |= apart.contains(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Stated;
    use super::super::dialect::read;
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_family_is_read_and_nothing_is_said_twice() {
        let whole = Stated::new()
            .limit(2)
            .remaining(1)
            .reset(s(60))
            .window(s(90));
        let apart = [
            ("ratelimit-limit", "2"),
            ("ratelimit-remaining", "1"),
            ("ratelimit-reset", "60"),
        ];
        let numbered = ("ratelimit-policy", "2;w=90");
        let named = ("ratelimit-policy", r#""a";q=2;w=90"#);
        for (headers, expected) in [
            (vec![("ratelimit", r#""a";r=1;t=60"#), named], vec![whole]),
            (
                vec![("ratelimit", "limit=2, remaining=1, reset=60"), numbered],
                vec![whole],
            ),
            ([&apart[..], &[numbered]].concat(), vec![whole]),
            (
                [&apart[..], &[named]].concat(),
                vec![
                    Stated {
                        window: None,
                        ..whole
                    },
                    Stated::new().limit(2).window(s(90)),
                ],
            ),
            (
                [
                    &apart[..],
                    &[numbered, ("ratelimit", "limit=2, remaining=1, reset=60")],
                ]
                .concat(),
                vec![whole],
            ),
            (vec![numbered], vec![Stated::new().limit(2).window(s(90))]),
            (
                vec![
                    ("x-ratelimit-remaining", "1"),
                    ("x-rate-limit-remaining", "2"),
                ],
                vec![Stated::new().remaining(1), Stated::new().remaining(2)],
            ),
            (
                vec![("x-ratelimit-remaining", "1"), ("ratelimit", r#""a";r=1"#)],
                vec![Stated::new().remaining(1)],
            ),
            (
                vec![
                    ("x-ratelimit-remaining-requests", "1"),
                    ("ratelimits", "1"),
                    ("x-rates", "1"),
                ],
                vec![],
            ),
        ] {
            assert_eq!(read(&Standard, &headers), expected, "{headers:?}");
        }
    }
}
